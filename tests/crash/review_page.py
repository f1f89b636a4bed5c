"""A program that edits on the app's own Review page: ``python -m tests.crash.review_page FILE SEED``."""

from __future__ import annotations

import hashlib
import os
import random
import sys
from pathlib import Path

from streamlit.testing.v1 import AppTest

from rbcal.review.history import History
from rbcal.store.project import Project
from rbcal.ui.review.acts import do
from tests.crash.editor import plain
from tests.crash.kill import ROOT, say, say_ready
from tests.visitor import app_test


def fingerprint(history: History) -> str:
    """Return what tells one history of edits, undo and redo from another."""
    return hashlib.sha256(repr(history).encode()).hexdigest()


def open_image(at: AppTest, image_id: int) -> None:
    """Open an image, reviewed or not."""
    at.session_state["wanted_image"] = image_id
    at.run()
    assert not at.exception, at.exception


def act(at: AppTest, rng: random.Random) -> None:
    """Do one thing that a key stands for, and acknowledge it if the log got an act."""
    editor = at.session_state["editor"]
    before = editor.log.version
    if rng.random() < 0.04:
        image_id, boxes = editor.image.id, editor.log.states(editor.boxes)
        at.button(key="save").click().run()
        if not boxes:
            at.button(key="save_empty").click().run()
        assert not at.exception, at.exception
        assert "review_error" not in at.session_state, at.session_state["review_error"]
        say({"image": image_id, "kind": "save", "labels": sorted(state.label for state in boxes.values())})
        open_image(at, image_id)
        return
    if editor.boxes:
        editor.select(rng.choice(editor.boxes).id)
    action, *arguments = rng.choice(
        [("relabel", 0), ("relabel", 1), ("relabel", 2), ("remove",), ("undo",), ("redo",)]
        + [("insert", rng.uniform(5, 150), rng.uniform(5, 110))] * 2
        + [("nudge", 1, 0, 1, 0)]
    )
    editor.view.drawing = False
    do(editor, action, *arguments)
    # Done beside the app, so its canvas still shows, and would report, the drawing of before.
    editor.canvas.serial = -1
    if editor.log.version != before:
        boxes = plain(editor.log.states(editor.boxes))
        say(
            {"image": editor.image.id, "version": editor.log.version, "boxes": boxes}
            | {"history": fingerprint(editor.history), "flagged": sorted(editor.predictions.flagged)}
        )


def main(path: Path, seed: str) -> None:
    """Edit until killed."""
    os.environ["RBCAL_PROJECTS"] = str(path.parent)
    rng = random.Random(seed)
    at = app_test(ROOT / "app.py", 120)
    at.query_params["project"] = path.stem
    at.run().switch_page("pages/review.py").run()
    with Project.open(path) as project:
        images = [image.id for image in project.images.all()]
    open_image(at, rng.choice(images))
    say_ready()
    while True:
        act(at, rng)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
