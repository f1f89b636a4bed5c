"""A program that puts a backup back: ``python -m tests.crash.restorer FILE BACKUP``."""

from __future__ import annotations

import sys
from pathlib import Path

from rbcal.jobs.restore import restore
from tests.crash.kill import say, say_ready


def main(path: Path, backup: Path) -> None:
    """Restore."""
    say_ready()
    restore(path, backup)
    say({"restored": backup.name})


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
