"""The long run: ``python -m tests.crash --kills 500 --seed 0``; a table of what became of it at the end."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tests.crash import app, scenes, workers
from tests.crash.kill import Tally, repeat

SHARES: dict[Any, float] = {
    scenes.Editing: 0.26,
    scenes.ReviewPage: 0.10,
    scenes.Importing: 0.14,
    scenes.Migrating: 0.16,
    scenes.Restoring: 0.07,
    scenes.Thinning: 0.07,
    scenes.Merging: 0.07,
    scenes.Exporting: 0.06,
    workers.Training: 0.02,
    workers.Scoring: 0.02,
    workers.Simulating: 0.02,
    app.Server: 0.01,
}
_ROUNDS = 10  # so that a run that is stopped early has tried everything


def table(tallies: list[Tally]) -> str:
    """Return the tallies as a table of Markdown."""
    total = Tally("all")
    for each in tallies:
        for name in ("kills", "midway", "acts", "losses", "unsound", "seconds"):
            setattr(total, name, getattr(total, name) + getattr(each, name))
    lines = [
        "| what was killed | kills | of them midway | acts | lost | files unsound | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {each.scene} | {each.kills} | {each.midway} | {each.acts:,} | {len(each.losses)} |"
        f" {len(each.unsound)} | {each.seconds:.0f} |"
        for each in [*tallies, total]
    ]
    return "\n".join(lines)


def main() -> int:
    """Run, print, and return 1 if anything was lost."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="part of the name of a scene")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scenes_to_kill = []
        for number, (kind, share) in enumerate(SHARES.items()):
            if options.only in kind.name:
                (home := Path(folder) / str(number)).mkdir()
                kills = options.kills if options.only else max(1, round(options.kills * share))
                scenes_to_kill.append((kind(home), kills, Tally(kind.name)))
        for part in range(_ROUNDS):
            for scene, kills, tally in scenes_to_kill:
                numbers = range(kills * part // _ROUNDS, kills * (part + 1) // _ROUNDS)
                repeat(scene, numbers, options.seed, tally)
            print(f"\nAfter round {part + 1} of {_ROUNDS}, seed {options.seed}:", flush=True)
            print(table([tally for *_, tally in scenes_to_kill]), flush=True)
    tallies = [tally for *_, tally in scenes_to_kill]
    for line in [line for each in tallies for line in each.losses + each.unsound]:
        print(f"- {line}")
    return int(not all(each.clean for each in tallies))


if __name__ == "__main__":
    sys.exit(main())
