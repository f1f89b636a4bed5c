"""Project files that somebody crafted are read, or refused in words, and `verify` names what is wrong."""

from __future__ import annotations

import pytest

from rbcal.store import verification
from tests.crash import crafted


def expect_words(census, n):
    print(n, dict(census.counts))
    assert census.faults == []
    assert census.counts["files"] == n
    assert min(census.counts["named by verify"], census.counts["called whole"]) > n / 20


def test_crafted_files(tmp_path):
    quick = [name for name in crafted.READERS if not name.startswith(("page", "rank", "report"))]
    expect_words(crafted.run(tmp_path, 40, seed=0, n_readers=3, readers=quick), 40)


@pytest.mark.crash
def test_1500_crafted_files(tmp_path):
    expect_words(crafted.run(tmp_path, 1500, seed=1, n_readers=6), 1500)


def test_a_census_sees_a_verify_that_lies_and_an_error_that_is_none_of_ours(tmp_path, monkeypatch):
    monkeypatch.setattr(verification, "faults", lambda connection: [])
    monkeypatch.setitem(crafted.READERS, "mine", lambda path: 1 / 0)
    census = crafted.run(tmp_path, 1, 0, 2, only="image.layer is b", readers=["images", "mine"])
    assert "verify calls it whole" in str(census.faults)
    assert "ZeroDivisionError" in str(census.faults)


@pytest.mark.parametrize(
    ("only", "readers"),
    [
        ("image_content.content is '9999", ["verify"]),
        ("checkpoint_chunk.content is '9999", ["verify"]),
        ("model_detection.probs is b''", ["report"]),
        ("no row of serving", ["rank", "export model"]),
    ],
)
def test_what_a_long_run_found_is_named(tmp_path, only, readers):
    assert crafted.run(tmp_path, 0, 0, len(readers), only, readers).faults == []
