"""Backups: whole copies of a project, thinned by age, and put back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.errors import ExistsError, JobError, ProjectError
from rbcal.jobs.launcher import worker_lock
from rbcal.jobs.restore import restore
from rbcal.store import backups
from rbcal.store.backups import ASKED, Backup, expired
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import add_image

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_a_backup_is_a_whole_project_and_never_overwrites(filled, tmp_path):
    target = tmp_path / "copies" / "a.rbcal"
    backups.copy(filled.path, target)
    assert verify(target).ok
    with Project.open(target) as copied:
        assert copied.images.counts() == filled.images.counts()
    with pytest.raises(ExistsError, match="exists already"):
        backups.copy(filled.path, target)


def test_a_backup_that_is_wanted_in_the_place_of_another_waits_until_that_is_closed(filled, tmp_path):
    target = tmp_path / "a.rbcal"
    with Project.create(target) as other:
        other.sign("Ann")
        with pytest.raises(ProjectError, match="open in another program"):
            backups.copy(filled.path, target, overwrite=True)
        assert other.expert == "Ann"
    backups.copy(filled.path, target, overwrite=True)
    with Project.open(target) as copied:
        assert copied.images.counts() == filled.images.counts()


def test_a_damaged_project_is_not_copied(filled):
    filled.close()
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[:5000] + bytes(8000) + whole[13000:])
    with pytest.raises(ProjectError, match="damaged"):
        backups.create(filled.path, ASKED)
    assert list(backups.folder(filled.path).iterdir()) == []


def test_a_disk_without_room_for_a_backup_is_said_so(filled, monkeypatch):
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with pytest.raises(ProjectError, match="but only 0 MB are free"):
        backups.create(filled.path, ASKED)


def test_a_restored_project_is_what_it_was_and_the_way_back_is_there(filled):
    kept = backups.create(filled.path, ASKED)
    project_before = filled.images.counts()
    image_id, _ = add_image(filled, 9, annotated=True)
    before = restore(filled.path, kept)  # while the project is open here
    assert filled.images.counts() == project_before
    assert verify(filled.path).ok
    with Project.open(before) as later:
        assert later.images.get(image_id).n_cells > 0


def test_a_damaged_project_is_moved_aside_and_the_backup_put_in_its_place(filled):
    kept = backups.create(filled.path, ASKED)
    filled.close()
    whole = filled.path.read_bytes()
    filled.path.write_bytes(whole[: len(whole) // 2])
    aside = restore(filled.path, kept)
    assert aside.read_bytes() == whole[: len(whole) // 2]
    assert verify(filled.path).ok


def test_nothing_is_restored_under_a_worker_or_from_what_is_no_project(filled, tmp_path):
    kept = backups.create(filled.path, ASKED)
    with worker_lock(filled.path).acquire(timeout=0), pytest.raises(JobError, match="Cancel it on the"):
        restore(filled.path, kept)
    other = tmp_path / "x.rbcal"
    other.write_bytes(b"nothing")
    with pytest.raises(ProjectError, match="not an rbcal project"):
        restore(filled.path, other)


ages = st.lists(
    st.tuples(st.integers(0, 400 * 24 * 60), st.sampled_from([ASKED, "before-training", "before-format-4"])),
    max_size=40,
    unique_by=lambda each: each[0],
)


def copies_of(ages):
    """Backups of so many minutes ago, each made for a reason."""
    return [Backup(Path(f"{age}.rbcal"), NOW - timedelta(minutes=age), why, 1) for age, why in ages]


def test_backups_thin_with_age():
    hourly = copies_of((60 * n, "before-training") for n in range(24 * 70))
    gone = expired(hourly, NOW)
    left = [each for each in hourly if each not in gone]
    assert len(left) == 3 + 7 + 8 - 1  # the newest of today is one of the last three, and of this week
    assert left[:3] == hourly[:3]


@given(ages)
def test_thinning_keeps_the_last_three_a_day_a_week_and_all_that_was_asked_for(ages):
    copies = copies_of(ages)
    gone = expired(copies, NOW)
    kept = [each for each in copies if each not in gone]
    newest_first = sorted(copies, key=lambda each: each.made_at, reverse=True)
    assert set(newest_first[:3]) <= set(kept)
    assert all(each.why != ASKED for each in gone)
    for each in copies:
        age = NOW - each.made_at
        same_day = [other for other in kept if other.made_at.date() == each.made_at.date()]
        same_week = [o for o in kept if o.made_at.isocalendar()[:2] == each.made_at.isocalendar()[:2]]
        assert same_day or age > timedelta(days=7)
        assert same_week or age > timedelta(weeks=8)
    formats = [each for each in copies if each.why == "before-format-4"]
    assert not formats or any(each.why == "before-format-4" for each in kept)


@given(ages)
def test_thinning_twice_is_thinning_once(ages):
    copies = copies_of(ages)
    gone = expired(copies, NOW)
    assert expired([each for each in copies if each not in gone], NOW) == []
