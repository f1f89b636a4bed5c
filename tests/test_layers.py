"""The layers of the house, as far as ruff's import rules cannot see them."""

from __future__ import annotations

import subprocess
import sys

UI = ", ".join(
    f"rbcal.{module}"
    for module in (
        *("store.project", "formats.coco", "formats.pictures", "scoring.relevance", "cli"),
        *("view.canvas", "view.charts", "view.experiments", "view.guide", "view.health", "view.reliability"),
        *("view.report", "view.shapes", "view.stopping", "view.words", "curves", "likeness"),
        *(
            "work.drawing",
            "work.gathering",
            "work.importing",
            "work.jobs",
            "work.likening",
            "work.restoring",
            "work.sharing",
            "work.store_bench",
        ),
        *("formats.labels", "store.backups", "store.verification"),
    )
)


def test_the_ui_process_never_imports_torch():
    program = f"import sys, {UI}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_every_page_needs_loads_neither_scipy_nor_the_maker_of_pictures():
    modules = "rbcal.store.project, rbcal.view.experiments, rbcal.view.stopping, rbcal.work.jobs"
    program = f"import sys, {modules}; sys.exit(bool({{'scipy', 'vl_convert'}} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
