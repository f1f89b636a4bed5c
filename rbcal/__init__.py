"""rbcal: teach a detector to find and subtype red blood cells with the fewest possible clicks.

What a script needs is here; ``import rbcal`` alone loads neither torch nor SQLite::

    from rbcal import Project, load_model, read_image, relevance, score_cells

    model = load_model("model/")  # a folder that `rbcal export` wrote
    prediction = model.predict(read_image("12.png"))
    scores = score_cells(prediction.detections, prediction.passes, model.rare, model.scoring)
    print(relevance(scores, model.scoring))  # R_img of equation (8)

    with Project.open(Path("projects/slides.rbcal")) as project:
        print(project.images.counts())
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)  # the names of __init__.pyi
__version__ = version("rbcal")
