"""A program that edits boxes at full speed through the store: ``python -m tests.crash.editor FILE SEED``."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from rbcal.store.log import BoxState
from rbcal.store.project import Project
from tests.crash.kill import say, say_ready

STATUSES = ("open", "kept", "changed", "drawn")


def plain(boxes: dict[int, BoxState]) -> dict[str, list[object]]:
    """Return boxes as JSON has them."""
    return {str(number): [*state.box, state.label, state.review_status] for number, state in boxes.items()}


def changed(boxes: dict[int, BoxState], rng: random.Random, number: int) -> dict[int, BoxState]:
    """Return boxes of which one is new, moved, of another class, or gone."""
    boxes = dict(boxes)
    what = rng.choice(("draw", "draw", "move", "label", "remove"))
    if what == "draw" or not boxes:
        x, y = rng.uniform(0, 100), rng.uniform(0, 80)
        boxes[number] = BoxState((x, y, x + 20.125, y + 20.5), rng.randrange(3), "drawn")
        return boxes
    chosen = rng.choice(sorted(boxes))
    state = boxes[chosen]
    if what == "remove":
        del boxes[chosen]
    elif what == "label":
        boxes[chosen] = state._replace(label=(state.label + 1) % 3, review_status=rng.choice(STATUSES))
    else:
        boxes[chosen] = state._replace(box=tuple(side + 0.1 for side in state.box))
    return boxes


def act(project: Project, image_id: int, rng: random.Random) -> None:
    """Do one act of an expert, and acknowledge it."""
    version = project.log.version(image_id)
    boxes = project.log.boxes(image_id)
    if version and rng.random() < 0.15:
        project.reviews.save_boxes(image_id, boxes, origin="expert", version=version, seconds=0.25)
        say({"image": image_id, "version": version + 1, "kind": "save", "boxes": plain(boxes)})
        return
    kind = rng.choice(("edit", "edit", "edit", "undo", "redo")) if version else "begin"
    boxes = changed(boxes, rng, project.log.next_number(image_id))
    version = project.log.record(image_id, kind, boxes, version=version, seconds=0.5)
    say({"image": image_id, "version": version, "kind": kind, "boxes": plain(boxes)})


def main(path: Path, seed: str) -> None:
    """Edit until killed; now and then the file is closed between two acts, as the app does at each."""
    rng = random.Random(seed)
    project = Project.open(path)
    images = [image.id for image in project.images.all()]
    say_ready()
    while True:
        if rng.random() < 0.3:
            project.close()
            project = Project.open(path)
        act(project, rng.choice(images), rng)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
