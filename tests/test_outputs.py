"""What is written where the user says is there whole or not at all, and overwrites nothing by itself."""

from __future__ import annotations

import os
import time

import pytest

from rbcal.errors import ExistsError, ProjectError
from rbcal.outputs import new_file, new_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def write(path, content="new", **options):
    with new_file(path, **options) as part:
        part.write_text(content)


def fill(path, content="new", **options):
    with new_folder(path, **options) as part:
        (part / "a.txt").write_text(content)


def test_a_file_that_is_there_is_replaced_only_when_that_is_wanted(tmp_path):
    (tmp_path / "a").write_text("old")
    with pytest.raises(ExistsError, match="--overwrite"):
        write(tmp_path / "a")
    assert (tmp_path / "a").read_text() == "old"
    write(tmp_path / "a", overwrite=True)
    assert (tmp_path / "a").read_text() == "new"
    assert names(tmp_path) == ["a"]


def stop_half_way(part):
    (part / "b" if part.is_dir() else part).write_text("half")
    raise KeyboardInterrupt


@pytest.mark.parametrize("new", [new_file, new_folder])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_stops_half_way_leaves_nothing_and_changes_nothing(tmp_path, new, overwrite):
    if overwrite:
        fill(tmp_path / "a", "old") if new is new_folder else write(tmp_path / "a", "old")
    before = names(tmp_path)
    with pytest.raises(KeyboardInterrupt), new(tmp_path / "a", overwrite=overwrite) as part:
        stop_half_way(part)
    assert names(tmp_path) == before


def test_a_file_that_came_meanwhile_is_not_overwritten(tmp_path):
    def write_both():
        with new_file(tmp_path / "a") as part:
            part.write_text("mine")
            (tmp_path / "a").write_text("somebody's")

    with pytest.raises(ExistsError):
        write_both()
    assert (tmp_path / "a").read_text() == "somebody's"


def test_a_folder_with_things_in_it_is_kept_beside_the_new_one(tmp_path):
    for text in ("1", "2", "3"):
        fill(tmp_path / "a", text, overwrite=True)
    assert names(tmp_path) == ["a", "a.before-1", "a.before-2"]
    assert [(tmp_path / name / "a.txt").read_text() for name in names(tmp_path)] == ["3", "1", "2"]


def test_an_empty_folder_is_as_good_as_none(tmp_path):
    (tmp_path / "a").mkdir()
    fill(tmp_path / "a")
    assert names(tmp_path) == ["a"]


def test_a_folder_is_no_file_and_one_with_projects_stays(tmp_path):
    (tmp_path / "projects").mkdir()
    (tmp_path / "projects" / "p.rbcal").touch()
    with pytest.raises(ProjectError, match="is a folder"):
        write(tmp_path / "projects", overwrite=True)
    with pytest.raises(ProjectError, match="has projects in it"):
        fill(tmp_path / "projects", overwrite=True)
    with pytest.raises(ProjectError, match="is a file"):
        fill(tmp_path / "projects" / "p.rbcal", overwrite=True)
    assert names(tmp_path / "projects") == ["p.rbcal"]


def test_a_name_as_long_as_the_disk_allows_can_be_written(tmp_path):
    long = "é" * 125 + ".html"
    write(tmp_path / long)
    assert names(tmp_path) == [long]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").write_text("old")
    (tmp_path / "link").symlink_to("real")
    write(tmp_path / "link", overwrite=True)
    assert (tmp_path / "real").read_text() == "new"
    assert (tmp_path / "link").is_symlink()


def test_what_a_dead_program_left_is_cleared_away_and_what_a_living_one_writes_is_not(tmp_path):
    for name in ("dead", "alive"):
        part = tmp_path / f"{name}.0.rbcal-part"
        (part / "images").mkdir(parents=True)
        os.utime(part, (time.time() - 4000,) * 2)
    os.utime(tmp_path / "dead.0.rbcal-part" / "images", (time.time() - 4000,) * 2)
    write(tmp_path / "a")
    assert names(tmp_path) == ["a", "alive.0.rbcal-part"]
