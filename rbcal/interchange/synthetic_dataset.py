"""Synthetic slides on their way out: into a data set in a folder, or into a project to try things out on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

from rbcal.errors import FormatError, ProjectError
from rbcal.formats import coco
from rbcal.formats.dataset import Dataset, LabelledImage
from rbcal.interchange import import_images
from rbcal.interchange.import_images import ImportReport
from rbcal.store.classes import RBC7, RBC7_RARE
from rbcal.store.project import Project
from rbcal.synth import Field, draw_one

DEMO_IMAGES = 120
DEMO_ANNOTATED = 10  # few enough that the first model confuses neighbours
DEMO_TEST = 0.25  # of the slides

Track = Callable[[Sequence[int]], Iterable[int]]


def write_dataset(folder: Path, n_images: int, seed: int = 0, track: Track = iter) -> int:
    """Write synthetic slides into a new folder, ``images/`` and a COCO file; return how many cells there are.

    Parameters
    ----------
    track : callable, optional
        Wraps the numbers of the images on their way, to show progress.

    Raises
    ------
    FormatError
        When there is something in the folder already.
    ProjectError
        When the folder cannot be written: the disk is full, or it belongs to somebody else.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FormatError(f"{folder} is there already. Choose a new folder, so that nothing is overwritten.")
    labelled: list[LabelledImage] = []
    try:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for number in track(range(1, n_images + 1)):
            field = draw_one(seed, number)
            (folder / "images" / field.name).write_bytes(field.encode())
            labelled.append(_labelled(field))
        with (folder / "annotations.json").open("w", encoding="utf-8") as file:
            numbered = partial(enumerate, labelled, 1)
            file.writelines(coco.write(numbered, RBC7, RBC7_RARE, "synthetic slides, drawn by rbcal"))
    except OSError as err:
        raise ProjectError(
            f"{folder} cannot be written: {err.strerror}. Delete what there is of it, "
            "and choose a folder where there is room."
        ) from err
    return sum(len(each.boxes) for each in labelled)


def create_demo(path: Path, seed: int = 0, track: Track = iter) -> ImportReport:
    """Create a project of synthetic slides: a few images annotated, a test set, and a pool; seconds.

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
    with Project.create(path, classes=RBC7, rare=RBC7_RARE) as project:
        try:
            return import_images.import_images(
                project,
                {field.name: field.encode for field in fields},
                annotations=Dataset(tuple(map(_labelled, fields)), RBC7),
                seed_images=DEMO_ANNOTATED,
                test_fraction=DEMO_TEST,
                seed=seed,
            )
        except BaseException:
            project.close()
            path.unlink()
            raise


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
