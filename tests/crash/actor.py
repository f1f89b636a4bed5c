"""A program that does one thing again and again: ``python -m tests.crash.actor ACT FILE ...``."""

from __future__ import annotations

import random
import sys
from itertools import count
from pathlib import Path

from rbcal.interchange import export_dataset
from rbcal.store import backups
from rbcal.store.project import Project
from tests.crash.kill import say, say_ready


def thin(path: Path) -> None:
    """Back up, which thins the older copies."""
    for _ in count():
        say({"kept": backups.create(path, "before-training").name})


def merge(path: Path, seed: str) -> None:
    """Merge classes into others, and take it back."""
    rng = random.Random(seed)
    with Project.open(path) as project:
        for _ in count():
            own, merged = project.classes.own(), [*project.classes.merges().targets]
            if len(own) > 1 and (not merged or rng.random() < 0.5):
                label, target = (each.label for each in rng.sample(own, 2))
                project.classes.merge(label, target)
            else:
                label, target = rng.choice(merged), None
                project.classes.unmerge(label)
            say([label, target])


def export(path: Path, folder: str, format_: export_dataset.Format) -> None:
    """Export into one and the same folder."""
    with Project.open(path) as project:
        for _ in count():
            export_dataset.export(project, Path(folder), format_, overwrite=True)
            say({"exported": folder})


if __name__ == "__main__":
    acts = {"thin": thin, "merge": merge, "export": export}
    say_ready()
    acts[sys.argv[1]](Path(sys.argv[2]), *sys.argv[3:])
