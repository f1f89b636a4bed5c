"""The command line: the acts of the app without a browser.

Exit code 0 is success, 1 an input that cannot be used, 2 a wrong argument. With ``--json`` a command prints
one JSON document on stdout and nothing else there; progress goes to stderr.
"""

# The order in which --help lists the commands.
from rbcal.cli import run_app  # isort: skip
from rbcal.cli import projects  # isort: skip
from rbcal.cli import models  # isort: skip
from rbcal.cli import ranking  # isort: skip
from rbcal.cli import cells  # isort: skip
from rbcal.cli import simulate  # isort: skip
from rbcal.cli import export  # isort: skip
from rbcal.cli import predict  # isort: skip
from rbcal.cli import report  # isort: skip
from rbcal.cli import demo  # isort: skip
from rbcal.cli import backups  # isort: skip
from rbcal.cli import doctor  # isort: skip
from rbcal.cli.base import app

__all__ = [
    "app",
    "backups",
    "cells",
    "demo",
    "doctor",
    "export",
    "models",
    "predict",
    "projects",
    "ranking",
    "report",
    "run_app",
    "simulate",
]
