"""Find the cells of one picture with a model that `rbcal export` wrote: use_model.py FOLDER PICTURE."""

import sys

from rbcal import load_model, read_image

folder, picture = sys.argv[1:]
model = load_model(folder)
cells = model.detect(read_image(picture))
for box, label, score in zip(cells.boxes, cells.labels, cells.scores, strict=True):  # doubtful ones, too
    print(f"{model.class_names[label]} {score:.3f} {' '.join(f'{side:.1f}' for side in box)}")
