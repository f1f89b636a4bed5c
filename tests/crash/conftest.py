"""Which of these tests run when: the long ones only where their marker is asked for, ``pytest -m crash``."""

from __future__ import annotations

import pytest

from tests.crash.disks import ways_to_fill

collect_ignore = ["__main__.py"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the long runs unless they are named; a second -m would replace one in addopts."""
    if "crash" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("crash")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("crash")]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Fill the disk in every way that works here."""
    if "fill" in metafunc.fixturenames:
        metafunc.parametrize("fill", ways_to_fill(), indirect=True)
