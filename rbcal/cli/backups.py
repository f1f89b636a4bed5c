"""Commands for what must never be lost: the log, backups, and whether a file is whole."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from rbcal.cli.base import JsonOption, OverwriteOption, ProjectArgument, app, echo, print_json
from rbcal.errors import ProjectError
from rbcal.jobs.restore import restore as restore_file
from rbcal.review.explanations import version_words
from rbcal.store import backups
from rbcal.store.images import Image
from rbcal.store.log import Act
from rbcal.store.project import Project
from rbcal.store.verification import Verification
from rbcal.store.verification import verify as verify_file
from rbcal.wording import signed

_SHOWN = 10  # problems of one kind on a terminal
ImageArgument = Annotated[str, typer.Argument(metavar="IMAGE", help="The name of an image, or its number.")]


@app.command()
def backup(
    project: ProjectArgument,
    dest: Annotated[
        Path | None, typer.Argument(metavar="DEST", help="A file or folder; default: its own backups folder.")
    ] = None,
    overwrite: OverwriteOption = False,
) -> None:
    """Copy a project, whole and consistent, even while it is being worked on."""
    if dest is None:
        target = backups.create(project, backups.ASKED)
    else:
        target = dest / project.name if dest.is_dir() else dest
        backups.copy(project, target, overwrite=overwrite)
    echo(f"Copied to {target}")


@app.command(name="backups")
def backups_(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """List the backups of a project, the newest first."""
    listed = backups.listing(project)
    if as_json:
        rows = [
            {"path": str(b.path), "made_at": b.made_at.isoformat(), "why": b.why, "bytes": b.n_bytes}
            for b in listed
        ]
        print_json({"backups": rows})
        return
    for each in listed:
        echo(f"{signed(each.made_at.isoformat(), '')}  {each.n_bytes / 1e6:9,.1f} MB  {each.why}")
        echo(f"    {each.path}")
    if not listed:
        echo("No backup yet. Make one with: rbcal backup PROJECT")


@app.command()
def restore(
    project: ProjectArgument,
    backup_file: Annotated[
        Path | None,
        typer.Argument(metavar="BACKUP", exists=True, dir_okay=False, help="Default: the newest backup."),
    ] = None,
) -> None:
    """Put a backup in the place of a project; what was there is kept beside the backups."""
    listed = backups.listing(project)
    if backup_file is None and not listed:
        raise ProjectError(f"{project.name} has no backup in {backups.folder(project)}.")
    chosen = backup_file or listed[0].path
    kept = restore_file(project, chosen)
    echo(f"{project.name} is what it was in {chosen.name}. What it was before is in {kept}")


@app.command()
def verify(project: ProjectArgument, as_json: JsonOption = False) -> None:
    """Check that a project is whole; of one that is not, say what is lost and what is safe."""
    verification = verify_file(project)
    if as_json:
        print_json(_verification_document(verification))
    else:
        _print_verification(verification)
    if not verification.ok:
        raise typer.Exit(1)


def _verification_document(verification: Verification) -> dict[str, Any]:
    return {
        "project": str(verification.path),
        "ok": verification.ok,
        "checks": [
            {"name": each.name, "ok": each.ok, "looked_at": each.n, "problems": each.problems}
            for each in verification.checks
        ],
        "lost": verification.lost,
        "doubtful": verification.doubtful,
        "safe": verification.safe,
    }


def _print_verification(verification: Verification) -> None:
    for each in verification.checks:
        n = f"{each.n:,} looked at" if each.n else ""
        echo(f"{'ok     ' if each.ok else 'DAMAGED'}  {each.name:12} {n}")
        for problem in each.problems[:_SHOWN]:
            echo(f"           {problem.splitlines()[0]}")
        if len(each.problems) > _SHOWN:
            echo(f"           ... and {len(each.problems) - _SHOWN:,} more; --json lists all")
    echo(f"Safe: {', '.join(verification.safe) or 'nothing that could be read'}")
    if doubtful := len(verification.doubtful):
        echo(f"In doubt: {doubtful:,}; they can be read, but nothing vouches for them")
    if not verification.ok:
        restore_it = f"Restore a backup with: rbcal restore {verification.path}"
        echo(f"Lost: {len(verification.lost):,}. {restore_it}")


@app.command()
def log(project: ProjectArgument, image: ImageArgument, as_json: JsonOption = False) -> None:
    """List every act on the boxes of an image: who, when, and what it changed."""
    with Project.open(project) as opened:
        acts, names = opened.log.acts(_image(opened, image).id), opened.classes.names()
    if as_json:
        print_json({"classes": names, "acts": [_act(act) for act in acts]})
        return
    for act in acts:
        n = len(act.events)
        changed = f"{n} box{'es' * (n != 1)}"
        echo(f"{act.version:5}  {act.kind:8} {changed:10} {act.seconds:6.1f} s  {signed(act.at, act.who)}")


@app.command()
def versions(project: ProjectArgument, image: ImageArgument, as_json: JsonOption = False) -> None:
    """List the reviews of an image, the newest first."""
    with Project.open(project) as opened:
        every = opened.reviews.versions(_image(opened, image).id)
    if as_json:
        print_json({"versions": [asdict(each) for each in every]})
    else:
        for each in every:
            echo(version_words(each))


@app.command()
def revert(
    project: ProjectArgument,
    image: ImageArgument,
    version: Annotated[int, typer.Option(min=1, help="The number of the review, as in: rbcal versions.")],
) -> None:
    """Make an earlier review of an image the newest again; the ones between stay in its history."""
    with Project.open(project) as opened:
        target = _image(opened, image)
        every = {each.revision: each for each in opened.reviews.versions(target.id)}
        if version not in every:
            raise ProjectError(f"{target.name} has no version {version}; it has {len(every)}.")
        revision = opened.reviews.revert(target.id, every[version].review_id)
    echo(f"{target.name}: version {revision} is version {version} again.")


def _act(act: Act) -> dict[str, Any]:
    events = [
        {"box": box, "before": before and before._asdict(), "after": after and after._asdict()}
        for box, before, after in act.events
    ]
    return {**asdict(act), "events": events}


def _image(project: Project, name: str) -> Image:
    """Return the image that the user means."""
    images = project.images.named(name)
    if len(images) == 1:
        return images[0]
    if not images:
        raise ProjectError(f"There is no image {name!r} in {project.path.name}.")
    numbers = ", ".join(str(each.id) for each in images[:5])
    raise ProjectError(f"{len(images)} images are called {name!r}. Give the number of one: {numbers}.")
