"""The layers of the house, as far as ruff's import rules cannot see them."""

from __future__ import annotations

import subprocess
import sys

UI = ", ".join(
    f"rbcal.{module}"
    for module in (
        *("store.project", "formats.coco", "formats.pictures", "scoring.relevance", "cli"),
        *("view.canvas", "view.charts", "view.experiments", "view.guide", "view.shapes", "view.words"),
        *("work.importing", "work.jobs", "work.restoring", "work.sharing", "work.store_bench"),
        *("formats.labels", "store.backups", "store.verification"),
    )
)


def test_the_ui_process_never_imports_torch():
    program = f"import sys, {UI}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
