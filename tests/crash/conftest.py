"""Disks that fill up, in every way that works here."""

from __future__ import annotations

import pytest

from tests.crash.disks import ways_to_fill

collect_ignore = ["__main__.py"]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill the disk in every way that works here."""
    if "fill" in metafunc.fixturenames:
        metafunc.parametrize("fill", ways_to_fill(), indirect=True)
