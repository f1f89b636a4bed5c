"""Two processes that edit the same images at full speed: no act is lost, and nobody is told "locked"."""

from __future__ import annotations

import pytest

from rbcal.store import backups
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import CLASSES, add_image
from tests.crash.kill import Program
from tests.crash.scenes import expect_acts
from tests.crash.writer import START


def write_side_by_side(path, n_acts, n_images, meanwhile=lambda: None):
    """Let two writers do so many acts each; return the acts and what each said at its end."""
    with Project.create(path, classes=CLASSES) as project:
        for seed in range(n_images):
            add_image(project, seed)
    writers = [Program("writer", path, seed, n_acts) for seed in ("one", "two")]
    for writer in writers:
        writer.ready()
    path.with_suffix(START).touch()
    meanwhile()
    said = [writer.finish(3000) for writer in writers]
    return [act for each in said for act in each[:-1]], [each[-1] for each in said]


def expect_every_act(path, acts, ends, n_acts):
    assert len(acts) == 2 * n_acts
    assert (
        len({(act["image"], act["version"]) for act in acts}) == 2 * n_acts
    )  # nobody's took another's place
    assert expect_acts(path, acts) == 2 * n_acts
    assert verify(path).ok
    rate = sum(n_acts / end["seconds"] for end in ends)
    print(
        f"2 x {n_acts} acts: {rate:.0f} acts/s, {sum(end['conflicts'] for end in ends)} conflicts, none lost"
    )


def test_two_writers_lose_no_act(tmp_path):
    acts, ends = write_side_by_side(tmp_path / "p.rbcal", 300, 3)
    expect_every_act(tmp_path / "p.rbcal", acts, ends, 300)
    assert sum(end["conflicts"] for end in ends) > 0  # else they never met, and this showed nothing


@pytest.mark.crash
def test_two_writers_of_10000_acts_lose_no_act(tmp_path):
    acts, ends = write_side_by_side(tmp_path / "p.rbcal", 10_000, 20)
    expect_every_act(tmp_path / "p.rbcal", acts, ends, 10_000)


def test_a_backup_made_meanwhile_is_whole_and_holds_the_acts_up_to_one_moment(tmp_path):
    path, copies = tmp_path / "p.rbcal", []

    def back_up():
        for _ in range(3):
            copies.append(backups.create(path, backups.ASKED))

    acts, _ = write_side_by_side(path, 150, 2, back_up)
    every = {(act["image"], act["version"]): act for act in acts}
    for copy in copies:
        assert verify(copy).ok
        with Project.open(copy) as project:
            there = [(i.id, act.version) for i in project.images.all() for act in project.log.acts(i.id)]
        expect_acts(copy, [every[key] for key in there])  # verify says that no log has a gap: a prefix
    assert len(copies) == 3
