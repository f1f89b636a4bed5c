"""The command that starts the app, from a checkout or from an installed package."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

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
) -> None:
    """Start the app in the browser; Ctrl-C ends it."""
    if port is not None and _is_taken(port):
        raise RbcalError(
            f"Port {port} is taken by another program. Choose another with --port, or leave it out."
        )
    place = app_folder()
    settings = tomllib.loads((place / ".streamlit/config.toml").read_text(encoding="utf-8"))
    flags = [*_flags(settings), "--server.headless", "false" if browser else "true"]
    if port is not None:
        flags += ["--server.port", str(port)]
    folder = (projects or projects_folder()).resolve()
    echo(f"Projects are in {folder}. Ctrl-C ends the app.", err=True)
    command = [sys.executable, "-m", "streamlit", "run", str(place / "app.py"), *flags]
    environment = {**os.environ, "RBCAL_PROJECTS": str(folder)}
    if sys.platform == "win32":  # where a process cannot become another one
        raise typer.Exit(subprocess.run(command, env=environment, check=False).returncode)
    os.execve(command[0], command, environment)  # whoever ends this command ends the app


def app_folder() -> Path:
    """Return the folder of app.py: beside the package in a checkout, within it when it is installed."""
    package = Path(rbcal.__file__).parent
    installed = package / "_app"
    return installed if installed.exists() else package.parent


def _flags(settings: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the settings of a Streamlit file as arguments; it is read only where Streamlit is started.

    >>> list(_flags({"server": {"maxUploadSize": 2000, "enableXsrfProtection": True}}))
    ['--server.maxUploadSize', '2000', '--server.enableXsrfProtection', 'true']
    """
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flags(value, f"{prefix}{name}.")
        else:
            yield from (f"--{prefix}{name}", str(value).lower() if isinstance(value, bool) else str(value))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
