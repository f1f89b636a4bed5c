"""Write docs/commands.md from the command line itself: poe commands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from rbcal.cli import app

PAGE = Path(__file__).parent / "commands.md"
HEAD = """# Every command

`poe commands` writes this page from the command line itself; `rbcal --help` and `rbcal COMMAND --help` say
the same. In a checkout begin each command with `python -m uv run`.

A project is a file such as `projects/slides.rbcal`, the one that the app opens. Give its path, or its name
alone (`slides`). With `--json` a command prints one JSON document on stdout; progress goes to stderr. The
exit code is 0 when all is done, 1 when an input cannot be used (one sentence says why), 2 when an argument is
wrong.
"""
EXAMPLES = {
    "app": ["rbcal app --projects D:/slides --port 8600"],
    "init": [
        "rbcal init slides --preset rbc7",
        "rbcal init slides --classes normal,target,teardrop --rare teardrop",
    ],
    "import": [
        "rbcal import slides --coco boxes.json --images pictures/ --seed-images 12 --test-fraction 0.25",
        "rbcal import slides --images pictures.zip --labels boxes/  # any format, by its look",
        "rbcal import slides --images cvat.zip --labels cvat.zip --layer max",
    ],
    "train": [
        "rbcal train slides --backbone vgg16 --weights vgg16.pth --init imagenet",
        "rbcal train slides --resume  # go on with a training that was stopped",
        "torchrun --nproc-per-node 4 -m rbcal train slides  # on four GPUs: see docs/scaling.md",
    ],
    "serve": ["rbcal serve slides 3"],
    "bench": ["rbcal bench --store  # large project files"],
    "score": [
        "rbcal score slides --strategy relevance",
        "rbcal score slides --ray auto  # by a Ray cluster: see docs/scaling.md",
    ],
    "rank": ["rbcal rank slides --strategy relevance"],
    "queue": ["rbcal queue slides --limit 10"],
    "cells": [
        "rbcal cells slides --limit 60",
        "rbcal cells slides --class teardrop --strategy cells_uncertain --json",
    ],
    "simulate": [
        "rbcal simulate slides --strategies random,balanced --repeats 5 --rounds 4 --query 200cells",
        "rbcal simulate slides --strategies random,cells_random,cells_uncertain,none --query 200cells",
        "rbcal simulate --coco boxes.json --images pictures/ --rare teardrop --plan",
    ],
    "export": [
        "rbcal export slides model/  # weights and JSON: see docs/use_model.py",
        "rbcal export slides out/ --format coco --no-images",
        "rbcal export slides cells/ --format predictions-csv  # U^d, U^c and U^r of every cell",
    ],
    "predict": [
        "rbcal predict model/ slides/ found/  # found/cells.csv, found/images.csv",
        "rbcal predict model/ slides.zip found/ --passes 20  # with U^d, U^c and U^r",
        "rbcal predict model/ stacks/ found/ --layer max  # of stacks, the maximum over the pages",
    ],
    "report": ["rbcal report slides report.html"],
    "synth": ["rbcal synth drawn/ --images 300 --seed 1"],
    "backup": ["rbcal backup slides copy.rbcal"],
    "log": ["rbcal log slides 12.png"],
    "doctor": ["rbcal doctor --projects D:/slides  # to paste into a bug report"],
    "revert": ["rbcal revert slides 12.png --version 1"],
}


def page() -> str:
    """Return the whole page."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    contents = " · ".join(f"[{name}](#rbcal-{name})" for name in commands)
    sections = ("\n".join(section(name, command)) for name, command in commands.items())
    return "\n".join([HEAD, contents, "", *sections])


def section(name: str, command: Any) -> Iterator[str]:
    """Yield the lines about one command: what it does, examples, arguments and options."""
    context = typer.Context(command, info_name=f"rbcal {name}")
    yield f"## rbcal {name}\n\n{command.help}\n"
    yield from (f"    {example}" for example in [usage(command, context), *EXAMPLES.get(name, ())])
    yield ""
    for parameter in command.get_params(context):
        declaration, meaning = parameter.get_help_record(context)
        if declaration != "--help":
            yield f"- `{declaration}`: {meaning}"
    yield ""


def usage(command: Any, context: typer.Context) -> str:
    """Return how a command is called."""
    pieces = (piece.strip("{}") for piece in command.collect_usage_pieces(context))
    return " ".join([context.command_path, *pieces])


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.name} is written.\n")
