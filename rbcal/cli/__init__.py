"""The command line: the acts of the app without a browser.

Exit code 0 is success, 1 an input that cannot be used, 2 a wrong argument. With ``--json`` a command prints
one JSON document on stdout and nothing else there; progress goes to stderr.
"""

# The order in which --help lists the commands.
from rbcal.cli import projects  # isort: skip
from rbcal.cli import models  # isort: skip
from rbcal.cli import pool  # isort: skip
from rbcal.cli import experiments  # isort: skip
from rbcal.cli import sharing  # isort: skip
from rbcal.cli import reporting  # isort: skip
from rbcal.cli import demo  # isort: skip
from rbcal.cli import safety  # isort: skip
from rbcal.cli.base import app

__all__ = ["app", "demo", "experiments", "models", "pool", "projects", "reporting", "safety", "sharing"]
