"""A program that upgrades a project to the next format: ``python -m tests.crash.opener FILE``."""

from __future__ import annotations

import sys
from pathlib import Path

from rbcal.store.migrations import schema_of_version
from rbcal.store.project import Project
from tests.crash import older
from tests.crash.kill import say, say_ready


def main(path: Path) -> None:
    """Open a project and close it."""
    with older.next_format():
        for version in (older.OLD, older.NEW):
            schema_of_version(version)  # what is computed once is not what shall be killed
        say_ready()
        Project.open(path).close()
        say({"opened": path.name})


if __name__ == "__main__":
    main(Path(sys.argv[1]))
