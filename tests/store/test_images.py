"""Images: stored once, grouped, and on one side of the frozen test set for good."""

from __future__ import annotations

import sqlite3

import pytest

from rbcal.store.images import Group, ImageFilter
from rbcal.types import Annotations
from tests.conftest import add_image
from tests.store.conftest import FIGURES, train_on


def test_a_thumbnail_is_kept(project):
    image_id, _ = add_image(project, 1)
    assert project.images.thumbnail(image_id) is None
    project.images.save_thumbnail(image_id, b"small")
    assert project.images.thumbnail(image_id) == b"small"


def test_pool_annotated_and_test_images_are_counted_apart(project):
    add_image(project, 1)
    _, cells = add_image(project, 2, annotated=True)
    _, test_cells = add_image(project, 3, group="other", split="test", annotated=True)
    counts = project.images.counts()
    assert (counts.images, counts.pool_images, counts.annotated_images, counts.test_images) == (3, 1, 1, 1)
    assert (counts.annotated_cells, counts.test_cells) == (len(cells), len(test_cells))


def save_in_part(project, image_id, n_read, n_unread):
    """Save boxes of which the last were not read."""
    n, revision = n_read + n_unread, project.reviews.revision(image_id)
    boxes = Annotations([[10 * k, 0, 10 * k + 8, 8] for k in range(n)], [0] * n)
    status = ["kept"] * n_read + ["open"] * n_unread
    project.reviews.save(
        image_id, boxes, origin="expert", base_revision=revision, review_status=status, seconds=5
    )


def test_only_cells_that_were_read_count_as_annotated(project):
    image_id, _ = add_image(project, 1)
    save_in_part(project, image_id, 2, 3)
    image = project.images.get(image_id)
    assert (image.n_cells, image.n_unread, image.n_boxes) == (2, 3, 5)
    assert project.images.annotated() == [image]
    assert project.images.counts().annotated_cells == 2
    assert project.reviews.cells_per_class() == {0: 2}
    assert project.reviews.answered_since(None) == 2
    assert [each.n_cells for each in project.reviews.latest(1)] == [2]
    assert [each.n_cells for each in project.summary.rounds("work")] == [2]


def test_a_test_image_that_was_read_in_part_measures_nothing(project):
    for seed in (1, 2):
        image_id, _ = add_image(project, seed, group="test", split="test", annotated=True)
    before = project.summary.fingerprint("test")
    save_in_part(project, image_id, 2, 1)
    assert [image.name for image in project.images.test()] == ["001.png"]
    counts, [of_test] = project.images.counts(), project.summary.rounds("test")
    assert (counts.test_images, counts.test_cells) == (of_test.n_images, of_test.n_cells)
    assert counts.test_images == 1
    assert sum(project.reviews.cells_per_class("test").values()) == counts.test_cells
    assert project.summary.fingerprint("test") != before
    save_in_part(project, image_id, 3, 0)
    assert project.images.counts().test_images == len(project.images.test()) == 2


def test_the_same_bytes_are_stored_once(project):
    add_image(project, 1)
    with pytest.raises(sqlite3.IntegrityError, match=r"image\.sha256"):
        add_image(project, 1)


def test_a_group_is_never_torn_between_training_and_test(project):
    add_image(project, 1, group="slide", split="work")
    with pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        add_image(project, 2, group="slide", split="test")


@pytest.mark.parametrize("table", ["image", "image_group"])
@pytest.mark.parametrize("side", ["work", "test"])
def test_no_annotated_image_changes_its_side_after_a_training(project, table, side):
    taught, _ = add_image(project, 1, annotated=True)
    add_image(project, 2, group="other", split="test", annotated=True)
    train_on(project, taught)
    with pytest.raises(sqlite3.IntegrityError, match="the test set is frozen"):
        project._database.write(f"UPDATE {table} SET split = ?", (side,))


def test_no_image_changes_its_group(project):
    add_image(project, 1)
    with pytest.raises(sqlite3.IntegrityError, match="never changes its group"):
        project._database.write("UPDATE image SET group_id = 2")


def test_no_image_joins_the_test_set_after_a_measurement(project):
    image_id, _ = add_image(project, 1, annotated=True)
    add_image(project, 2, group="other", split="test", annotated=True)
    project.evaluations.save(train_on(project, image_id), FIGURES)
    with pytest.raises(sqlite3.IntegrityError, match="the test set is frozen"):
        add_image(project, 3, group="other", split="test")


def test_a_perceptual_hash_is_kept_with_its_image_and_one_of_an_unreadable_picture_is_no_hash(project):
    (first, _), (second, _), (third, _) = (add_image(project, seed) for seed in (1, 2, 3))
    assert project.images.without_hash() == [first, second, third]
    project.images.save_hash(first, bytes(range(32)))
    project.images.save_hash(second, b"")
    assert project.images.without_hash() == [third]
    assert project.images.perceptual_hashes() == {first: bytes(range(32))}


def test_groups_are_counted_with_their_side(project):
    for seed, group, split in ((1, "b", "work"), (2, "b", "work"), (3, "a", "test")):
        add_image(project, seed, group=group, split=split)
    project.images.add_group("empty", "work")
    assert project.images.groups() == [Group("a", "test", 1), Group("b", "work", 2)]


def test_images_are_listed_by_side_group_and_state_a_page_at_a_time(project):
    waiting, _ = add_image(project, 1)
    done, _ = add_image(project, 2, group="other", annotated=True)
    test, _ = add_image(project, 3, group="third", split="test", annotated=True)

    def ids(limit=9, offset=0, **which):
        found = project.images.listed(ImageFilter(**which), limit, offset)
        assert offset or len(found) == min(limit, project.images.count(ImageFilter(**which)))
        return [image.id for image in found]

    assert ids() == [waiting, done, test]
    assert ids(limit=1, offset=1) == [done]
    assert ids(split="test") == [test]
    assert ids(group="other") == [done]
    assert ids(status="waiting") == [waiting]
    assert ids(status="annotated", split="work") == [done]
    assert ids(status="in part") == []
