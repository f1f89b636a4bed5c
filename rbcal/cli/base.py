"""What all commands share: the app itself, its arguments, and how a job is done in the foreground."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from rbcal import __version__
from rbcal.errors import RbcalError
from rbcal.formats.names import composed
from rbcal.jobs import launcher, worker
from rbcal.store.job_requests import JobRequest
from rbcal.store.project import Project, project_path
from rbcal.wording import print_traceback, printable


class _Commands(TyperGroup):
    """Ends with exit code 1 and one sentence where the input cannot be used."""

    def invoke(self, ctx: Any) -> Any:
        sys.excepthook = print_traceback
        try:
            return super().invoke(ctx)
        except RbcalError as err:
            echo(f"Error: {err}", err=True)
            raise typer.Exit(1) from err
        except typer.TyperException as err:
            _make_printable(err)
            raise

    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **more: Any) -> Any:
        if not args:
            return super().make_context(
                info_name, args, *rest, **more
            )  # its message is the help, of many lines
        try:
            return super().make_context(info_name, args, *rest, **more)
        except typer.TyperException as err:
            _make_printable(err)
            raise


def _make_printable(err: Any) -> None:
    """Write what the user typed, in a message on a wrong argument, so that a terminal only shows it."""
    err.message = printable(err.message)


app = typer.Typer(
    cls=_Commands,
    help="Teach a detector to find and subtype red blood cells with the fewest possible clicks.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

ProjectArgument = Annotated[
    Path,
    typer.Argument(
        parser=project_path, metavar="PROJECT", help="A path NAME.rbcal, or the name of one in ./projects."
    ),
]
RayOption = Annotated[
    str | None,
    typer.Option(help="Address of a Ray cluster that does the work: auto, host:port, ray://..., or local."),
]
OverwriteOption = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace what is there; a folder is kept beside it, as NAME.before-1."),
]
LayerOption = Annotated[
    str, typer.Option(help="Of stacks: page=3, channel=2, max (over the pages), or max,channel=2.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


@app.callback(invoke_without_command=True)
def _version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        echo(__version__)
        raise typer.Exit


def run(path: Path, request: JobRequest) -> None:
    """Do a job in this process, with a progress bar; the app shows it as it would its own."""
    with Project.open(path) as project:
        launcher.watch(project)
        job_id = project.jobs.add(request)
    with redirect_stdout(sys.stderr):  # libraries that talk while they fetch weights
        worker.run(project.file, job_id, show=True)


def listed(text: str | None) -> tuple[str, ...]:
    """Return the names of a comma-separated list."""
    return tuple(composed(name.strip()) for name in (text or "").split(",") if name.strip())


def echo(*lines: str, err: bool = False) -> None:
    """Print lines; a name of somebody else, in one of them, moves no cursor and begins no line."""
    for line in lines:
        typer.echo(printable(line), err=err)


def print_json(document: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(document, indent=2))
