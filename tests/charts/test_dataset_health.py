"""The health of a project: what is wrong is said with what to do, and a healthy one is left alone."""

from __future__ import annotations

import pytest

from rbcal.charts.dataset_health import (
    NearDuplicates,
    balance,
    balance_chart,
    findings,
    group_table,
    near_duplicate_table,
    near_duplicates,
    summary,
)
from rbcal.store.classes import CellClass
from rbcal.store.images import Group, Image

CLASSES = (CellClass(0, "disc", False), CellClass(1, "slit", False), CellClass(2, "spiky", True))
GROUPS = (Group("s1", "work", 10), Group("s2", "work", 9), Group("s3", "test", 5), Group("s4", "test", 4))
CELLS = {"work": {0: 500, 1: 60, 2: 12}, "test": {0: 200, 1: 30, 2: 11}}


def image(number, split="work"):
    return Image(number, f"{number}.png", 160, 120, "", "slide", split, None, 0, 0)


def findings_of(classes=CLASSES, cells=CELLS, groups=GROUPS, pairs=(), closed=False):
    return findings(classes, cells, groups, pairs, test_is_closed=closed)


def test_a_healthy_project_has_no_finding():
    assert findings_of() == []


def test_an_empty_project_has_no_finding():
    assert findings_of(cells={"work": {}, "test": {}}, groups=()) == []


def test_images_without_a_box_are_no_fault():
    assert findings_of(cells={"work": {}, "test": {}}, groups=GROUPS[:2]) == []


def test_a_field_on_both_sides_is_an_error_with_both_names_and_comes_first():
    pairs = [NearDuplicates(image(7), image(3, "test")), NearDuplicates(image(1), image(2))]
    first, *others = findings_of(pairs=pairs, cells={**CELLS, "test": {0: 5}})
    assert first.level == "error"
    assert "3.png (test set) and 7.png" in first.what
    assert "1 pair of images across the test boundary shows the same field" in first.what
    assert [each.level for each in others] == ["warning", "note", "note"]


def test_where_the_search_for_pairs_ended_early_there_are_at_least_so_many():
    pairs = [NearDuplicates(image(1, "test"), image(2))] + [NearDuplicates(image(3), image(4))] * 9_999
    leak, *_, repeated = findings_of(pairs=pairs)
    assert leak.what.startswith("At least 1 pair of images across")
    assert repeated.what.startswith("At least 9,999 pairs of images on the same side")
    assert findings_of(pairs=pairs[1:])[-1].what.startswith("9,999 pairs")


def test_many_leaks_are_counted():
    [leak] = findings_of(pairs=[NearDuplicates(image(k), image(100 + k, "test")) for k in range(5)])
    assert "5 pairs" in leak.what
    assert "and 2 more" in leak.what


@pytest.mark.parametrize(
    ("closed", "advice"), [(False, "before the first training"), (True, "no more images")]
)
def test_a_class_that_the_test_set_cannot_measure_is_named(closed, advice):
    [finding] = findings_of(cells={**CELLS, "test": {0: 200, 2: 30}}, closed=closed)
    assert (finding.level, "cannot measure slit" in finding.what) == ("warning", True)
    assert advice in finding.advice


def test_a_class_with_few_test_cells_is_a_note():
    [finding] = findings_of(cells={**CELLS, "test": {0: 200, 1: 9, 2: 30}})
    assert (finding.level, "slit (9)" in finding.what) == ("note", True)


def test_a_project_without_a_test_set_reads_what_it_misses():
    [finding] = findings_of(cells={"work": CELLS["work"], "test": {}}, groups=GROUPS[:2])
    assert "no test set" in finding.what


def test_a_test_set_of_one_slide_is_named():
    [finding] = findings_of(groups=GROUPS[:3])
    assert "of one group, s3" in finding.what


def test_images_that_all_stand_alone_are_asked_for_their_slide():
    [finding] = findings_of(groups=[Group(str(k), "test" if k < 2 else "work", 1) for k in range(6)])
    assert "Every image is a group of its own" in finding.what


def test_a_class_without_an_annotated_cell_is_named_and_a_scarce_one_noted_unless_it_is_rare():
    none, few = findings_of(cells={**CELLS, "work": {0: 500, 1: 9}})
    assert "No annotated cell of spiky" in none.what
    assert "slit (9)" in few.what
    assert findings_of(cells={**CELLS, "work": {0: 500, 1: 60, 2: 9}}) == []


def test_near_duplicates_across_the_test_boundary_come_first():
    images = [image(1), image(2), image(3, "test"), image(4)]
    pairs = near_duplicates(images, [(1, 4), (2, 3)])
    assert [(pair.first.id, pair.second.id, pair.leak) for pair in pairs] == [(2, 3, True), (1, 4, False)]
    assert near_duplicate_table(pairs)["Its side"].tolist() == ["Test set", "To train on"]


def test_the_balance_shows_every_class_on_both_sides_also_where_there_is_no_cell():
    table = balance(CLASSES, {"work": {0: 5}, "test": {}})
    assert table["Cells"].tolist() == [5, 0, 0, 0, 0, 0]
    assert balance_chart(CLASSES, CELLS).to_dict()["layer"]


def test_groups_are_listed_the_largest_first():
    assert group_table(GROUPS)["Group"].tolist() == ["s1", "s2", "s3", "s4"]
    assert summary(GROUPS, CELLS).startswith("To train on: 19 images of 2 groups, 572 cells.")
