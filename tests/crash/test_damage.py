"""Bits that flip and ends that are cut off: refused kindly or opened, and `verify` tells the truth."""

from __future__ import annotations

import pytest

from tests.crash import damage


def expect_truth(census, n):
    print(n, dict(census.counts))
    assert census.lies == []
    counts = census.counts
    assert counts["opened"] + counts["refused"] == n
    assert min(counts["refused"], counts["verify: damaged"], counts["verify: whole"]) > n / 20


def test_200_damaged_files(tmp_path):
    expect_truth(damage.run(tmp_path, 200, seed=0), 200)


@pytest.mark.crash
def test_2000_damaged_files(tmp_path):
    expect_truth(damage.run(tmp_path, 2000, seed=1), 2000)


def test_a_census_sees_a_verify_that_lies(tmp_path, monkeypatch):
    from rbcal.store import verification

    monkeypatch.setattr(verification, "_pictures", lambda connection: verification.Check("pictures"))
    monkeypatch.setattr(verification, "_database", lambda connection, path: verification.Check("database"))
    assert any("calls it whole" in lie for lie in damage.run(tmp_path, 60, seed=0).lies)
