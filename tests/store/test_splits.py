"""The test set that grows with what is annotated: drawn at random, by group, from what nobody has touched."""

from __future__ import annotations

import pytest
from sqlite_utils.migrations import Migrations

from rbcal import synth
from rbcal.errors import ProjectError
from rbcal.store import migrations
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.conftest import add_image
from tests.store.conftest import train_on


def annotate(project, *image_ids):
    for image_id in image_ids:
        project.reviews.save(image_id, Annotations.empty(), origin="expert", base_revision=0)


def test_every_fourth_annotated_image_is_due_to_be_a_test_image(project):
    ids = [add_image(project, seed, group=f"slide {seed}")[0] for seed in range(1, 9)]
    annotate(project, *ids[:2])
    assert not project.splits.is_due()
    annotate(project, ids[2])
    assert project.splits.is_due()
    drawn = project.splits.draw()
    assert drawn in ids[3:]
    assert project.images.get(drawn).split == "test"
    assert project.splits.waiting() == [drawn]
    assert not project.splits.is_due()  # it counts from now on, not from its review on
    annotate(project, drawn)
    assert project.splits.waiting() == []


def test_a_draw_takes_the_whole_group_and_no_group_that_was_touched(project):
    first, second = (add_image(project, seed, group="a")[0] for seed in (1, 2))
    third, fourth = (add_image(project, seed, group="b")[0] for seed in (3, 4))
    annotate(project, first)
    drawn = project.splits.draw()
    assert drawn in (third, fourth)
    assert [project.images.get(each).split for each in (first, second, third, fourth)] == [
        "work", "work", "test", "test",
    ]  # fmt: skip
    # Of two groups one is enough: the next test image is the other one of that group, then there is none.
    assert {drawn, project.splits.draw()} == {third, fourth}
    assert project.splits.draw() is None


def test_the_test_set_does_not_grow_where_it_was_drawn_before(project):
    ids = [add_image(project, seed, group=f"slide {seed}")[0] for seed in range(1, 6)]
    annotate(project, *ids[:3])
    project.splits.grow(0)
    assert not project.splits.is_due()
    with pytest.raises(ProjectError, match="At most every second image"):
        project.splits.grow(1)


def test_a_test_image_that_was_put_off_waits_behind_the_others(project):
    ids = [add_image(project, seed, group=f"slide {seed}")[0] for seed in range(1, 9)]
    first, second = project.splits.draw(), project.splits.draw()
    assert {first, second} <= set(ids)
    project.queue.skip(first)
    assert project.splits.waiting() == [second, first]


def test_until_a_training_groups_change_sides_and_then_only_untouched_ones_join(project):
    (taught, _), (free, _), (test, _) = (
        add_image(project, k, group=str(k), annotated=k != 2) for k in (1, 2, 3)
    )
    groups = dict(project._database.tuples("SELECT id, group_id FROM image"))
    project.splits.move([groups[test]], "test")
    project.splits.move([groups[test]], "work")
    project.splits.move([groups[test]], "test")
    train_on(project, taught)
    with pytest.raises(ProjectError, match="frozen"):
        project.splits.move([groups[test]], "work")
    with pytest.raises(ProjectError, match="frozen"):
        project.splits.move([groups[taught]], "test")
    project.splits.move([groups[free]], "test")
    assert [project.images.get(each).split for each in (taught, free, test)] == ["work", "test", "test"]


def test_a_project_of_an_older_format_with_a_test_set_keeps_it_as_it_is(tmp_path, monkeypatch):
    earlier = Migrations("rbcal")
    for each in (
        migrations.m001_first,
        migrations.m002_as_named,
        migrations.m003_read,
        migrations.m004_honest_colours,
    ):
        earlier(name=each.__name__)(each)
    path = tmp_path / "old.rbcal"
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", earlier)
        older.setattr(migrations, "USER_VERSION", 4)
        with Project.create(path, classes=["disc"]) as project:
            add_image(project, 1, split="test")
    with Project.open(path) as project:
        assert project.splits.every == 0


def test_a_test_image_that_was_read_in_part_waits_until_it_is_read(project):
    for seed in (1, 2, 3):
        add_image(project, seed, group=f"slide {seed}")
    drawn = project.splits.draw()
    _, cells = synth.draw(7, width=160, height=120, n_cells=8)
    for revision, status in enumerate(("open", "kept")):
        statuses = ["kept", *[status] * (len(cells) - 1)]
        project.reviews.save(drawn, cells, origin="expert", base_revision=revision, review_status=statuses)
        assert project.splits.waiting() == ([drawn] if status == "open" else [])
