"""The layers of the house, as far as ruff's import rules cannot see them."""

from __future__ import annotations

import subprocess
import sys

UI = (
    "rbcal.store.project, rbcal.formats.coco, rbcal.formats.pictures, rbcal.scoring.relevance, "
    "rbcal.view.canvas, rbcal.view.charts, rbcal.view.guide, rbcal.work.importing, rbcal.work.jobs, rbcal.cli"
)


def test_the_ui_process_never_imports_torch():
    program = f"import sys, {UI}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
