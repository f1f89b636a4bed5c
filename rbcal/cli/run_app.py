"""The command that starts the app, from a checkout or from an installed package."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

import rbcal
from rbcal.cli.base import app, echo
from rbcal.errors import RbcalError
from rbcal.store.project import projects_folder


@app.command(name="app")
def start_app(
    projects: Annotated[
        Path | None,
        typer.Option(
            file_okay=False, help="Folder of the projects; default: $RBCAL_PROJECTS, else ./projects."
        ),
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Default: 8501, or the next that is free.")
    ] = None,
    browser: Annotated[bool, typer.Option(help="Open a browser window.")] = True,
    address: Annotated[
        str | None,
        typer.Option(help="Let other PCs in that have the token, at this address of yours; 0.0.0.0: at all."),
    ] = None,
) -> None:
    """Start the app in the browser; Ctrl-C ends it.

    It opens with an address that has a token, new at every start: nobody else on this PC or network gets in.
    """
    if port is not None and _is_taken(port):
        raise RbcalError(
            f"Port {port} is taken by another program. Choose another with --port, or leave it out."
        )
    flags = [] if browser else ["--server.headless", "true"]
    if port is not None:
        flags += ["--server.port", str(port)]
    if address is not None:
        flags += ["--server.address", address]
        for host in ("*",) if address in ("0.0.0.0", "::") else (address, "127.0.0.1", "localhost"):  # noqa: S104
            flags += ["--server.allowedHosts", host]
    folder = (projects or projects_folder()).resolve()
    echo(f"Projects are in {folder}. Ctrl-C ends the app.", err=True)
    command = [sys.executable, "-m", "streamlit", "run", str(app_folder() / "app.py"), *flags]
    token = os.environ.get("RBCAL_TOKEN") or secrets.token_urlsafe(16)
    environment = {**os.environ, "RBCAL_PROJECTS": str(folder), "RBCAL_TOKEN": token}
    if sys.platform == "win32":  # where a process cannot become another one
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(command[0], command, environment)  # whoever ends this command ends the app


def app_folder() -> Path:
    """Return the folder of app.py: beside the package in a checkout, within it when it is installed."""
    package = Path(rbcal.__file__).parent
    installed = package / "_app"
    return installed if installed.exists() else package.parent


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
