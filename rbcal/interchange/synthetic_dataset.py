"""Synthetic slides on their way out: into a data set in a folder, or into a project to try things out on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from rbcal.formats import coco
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.interchange import import_images
from rbcal.interchange.import_images import ImportReport
from rbcal.outputs import new_folder
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import Project
from rbcal.synth import Field, draw_one

DEMO_IMAGES = 120
DEMO_ANNOTATED = 10  # few enough that the first model confuses neighbours
DEMO_TEST = 0.25  # of the slides

Track = Callable[[Sequence[int]], Iterable[int]]


def write_dataset(
    folder: Path, n_images: int, seed: int = 0, track: Track = iter, *, overwrite: bool = False
) -> int:
    """Write synthetic slides into a new folder, ``images/`` and a COCO file; return how many cells there are.

    Parameters
    ----------
    track : callable, optional
        Wraps the numbers of the images on their way, to show progress.
    overwrite : bool
        As in :func:`rbcal.outputs.new_folder`.

    Raises
    ------
    ExistsError
        When there is something in the folder already.
    ProjectError
        When the folder cannot be written: the disk is full, or it belongs to somebody else.
    """
    labelled: list[LabelledImage] = []
    with new_folder(folder, overwrite=overwrite) as part:
        (part / "images").mkdir()
        for number in track(range(1, n_images + 1)):
            field = draw_one(seed, number)
            (part / "images" / field.name).write_bytes(field.encode())
            labelled.append(_labelled(field))
        with (part / "annotations.json").open("w", encoding="utf-8") as file:
            numbered = partial(enumerate, labelled, 1)
            file.writelines(coco.write(numbered, RBC7, RBC7_RARE, "synthetic slides, drawn by rbcal"))
    return sum(len(each.boxes) for each in labelled)


def create_demo(path: Path, seed: int = 0, track: Track = iter) -> ImportReport:
    """Create a project of synthetic slides: a few images annotated, a test set, and a pool; seconds.

    It is there once it is complete.

    Parameters
    ----------
    track : callable, optional
        As in :func:`write_dataset`.

    Raises
    ------
    ProjectError
        When there is a project of that name already.
    """
    fields = [draw_one(seed, number) for number in track(range(1, DEMO_IMAGES + 1))]
    with Project.build(path, classes=RBC7, rare=RBC7_RARE) as project:
        return import_images.import_images(
            project,
            {field.name: field.encode for field in fields},
            annotations=Dataset(tuple(map(_labelled, fields)), RBC7),
            seed_images=DEMO_ANNOTATED,
            test_fraction=DEMO_TEST,
            seed=seed,
        )


def _labelled(field: Field) -> LabelledImage:
    height, width, _ = field.pixels.shape
    return LabelledImage(
        file_name=field.name,
        width=width,
        height=height,
        group=field.group,
        boxes=[(x1, y1, x2, y2) for x1, y1, x2, y2 in field.annotations.boxes.tolist()],
        classes=[RBC7[label] for label in field.annotations.labels],
        annotated=True,
    )
