r"""Go through the loop on real slides: a project to take pictures of, in half an hour on two cores.

    rbcal init smear --rare teardrop,microcyte,macrocyte
    rbcal import smear --coco CHULA/annotations.json --images CHULA/images \
        --test-fraction 0.25 --seed-images 12
    python docs/pictures/rehearse.py projects/smear.rbcal CHULA/annotations.json
    python docs/pictures/make.py projects/smear.rbcal

The annotations play the expert, as in `rbcal simulate`; the reviews are signed by a simulated one. Slides of
Chula RBC-12 may be shown: its licence is CHULA-LICENSE in this folder.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path

from rbcal.cli.base import run
from rbcal.config import TrainConfig
from rbcal.simulation.demo_loop import rehearse
from rbcal.store.project import Project
from rbcal.types import Annotations

STEPS = 120  # of each training: a picture shows the screens, not the best model


def truth_of(coco: Path, names: list[str]) -> dict[str, Annotations]:
    """Return what is on each image of a COCO file, by its name, with the labels of the project."""
    content = json.loads(coco.read_text("utf-8"))
    labels = {each["id"]: names.index(each["name"]) for each in content["categories"]}
    cells: dict[int, list[tuple[list[float], int]]] = {each["id"]: [] for each in content["images"]}
    for each in content["annotations"]:
        x, y, width, height = each["bbox"]
        cells[each["image_id"]].append(([x, y, x + width, y + height], labels[each["category_id"]]))
    return {
        each["file_name"]: Annotations([box for box, _ in on_it], [label for _, label in on_it])
        for each in content["images"]
        if (on_it := cells[each["id"]])
    }


def main(path: Path, coco: Path) -> None:
    """Train, rank, review and train again, twice."""
    with Project.open(path) as project:
        truth = truth_of(coco, project.classes.names())
        training = TrainConfig(steps=STEPS)
        rehearse(
            project,
            partial(run, path),
            rounds=2,
            cells=400,
            training=training,
            truth=truth.__getitem__,
            say=print,
        )


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("Usage: python docs/pictures/rehearse.py PROJECT.rbcal ANNOTATIONS.json")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
