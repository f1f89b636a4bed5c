"""The classes of a project: renamed, coloured and merged, and nothing of what was annotated is lost."""

from __future__ import annotations

import sqlite3

import numpy as np
import pytest

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.store.log import BoxState
from rbcal.store.rankings import Cell, Score
from rbcal.store.verification import verify
from rbcal.types import Annotations, Detections
from tests.conftest import add_image

DISC, SLIT, SPIKY = 0, 1, 2
THREE = Annotations([[1, 1, 9, 9], [11, 1, 19, 9], [21, 1, 29, 9]], [DISC, SLIT, SPIKY])


@pytest.fixture
def image_id(project):
    """An image with a cell of each class."""
    image_id, _ = add_image(project, 1)
    project.reviews.save(image_id, THREE, origin="import", base_revision=0)
    return image_id


def stored(project):
    """Every stored row that holds a label."""
    tables = ("annotation", "event", "review", "act", "detection", "class_evaluation")
    return {table: project._database.tuples(f"SELECT * FROM {table}") for table in tables}


def labels(project, image_id):
    return project.reviews.current(image_id).annotations.labels.tolist()


# names, marks, keys and colours


def test_each_class_can_have_a_key_of_its_own(project):
    project.classes.set_keys(["d", None, "x"])
    assert [each.key for each in project.classes.all()] == ["d", None, "x"]
    with pytest.raises(ProjectError, match="same key"):
        project.classes.set_keys(["d", "d", None])
    assert [each.key for each in project.classes.all()] == ["d", None, "x"]


def test_rare_classes_are_marked_and_unmarked(project):
    assert project.classes.rare_labels() == (2,)
    project.classes.set_rare(["disc", "slit"])
    assert project.classes.rare_labels() == (0, 1)
    with pytest.raises(ProjectError, match="no class 'nose'"):
        project.classes.set_rare(["nose"])


def test_a_class_is_renamed_and_its_cells_go_with_it(project, image_id):
    before = stored(project)
    project.classes.set_names(["discocyte", "slit", "spiky"])
    assert project.classes.names() == ("discocyte", "slit", "spiky")
    assert stored(project) == before


def test_two_classes_swap_their_names(project):
    project.classes.set_names(["slit", "disc", "spiky"])
    assert project.classes.names() == ("slit", "disc", "spiky")


@pytest.mark.parametrize(
    ("names", "message"), [(["a", "a ", "b"], "Two classes"), (["a", " ", "b"], "1 to 300")]
)
def test_two_classes_of_one_name_and_empty_names_are_refused(project, names, message):
    with pytest.raises(ProjectError, match=message):
        project.classes.set_names(names)
    assert project.classes.names() == ("disc", "slit", "spiky")


def test_a_colour_is_kept_and_another_word_refused(project):
    project.classes.set_colours(["#0072B2", None, None])
    assert [each.colour for each in project.classes.all()] == ["#0072b2", None, None]
    with pytest.raises(ProjectError, match="like #0072b2"):
        project.classes.set_colours(["blue", None, None])


# merges


def test_a_merge_changes_no_stored_row_and_is_taken_back_exactly(project, image_id):
    before = stored(project)
    project.classes.merge(SLIT, DISC)
    assert labels(project, image_id) == [DISC, DISC, SPIKY]
    assert project.reviews.cells_per_class() == {DISC: 2, SPIKY: 1}
    assert stored(project) == before
    project.classes.unmerge(SLIT)
    assert labels(project, image_id) == [DISC, SLIT, SPIKY]
    assert stored(project) == before


def test_a_merged_class_is_no_choice_any_more_and_not_rare(project):
    project.classes.merge(SPIKY, SLIT)
    assert [each.name for each in project.classes.own()] == ["disc", "slit"]
    assert project.classes.all()[SPIKY].merged_into == SLIT
    assert project.classes.rare_labels() == ()
    project.classes.unmerge(SPIKY)
    assert project.classes.rare_labels() == (SPIKY,)


def test_what_was_merged_into_a_class_goes_with_it_and_comes_back_with_it(project, image_id):
    project.classes.merge(SPIKY, SLIT)
    project.classes.merge(SLIT, DISC)
    assert labels(project, image_id) == [DISC, DISC, DISC]
    project.classes.unmerge(SLIT)
    assert labels(project, image_id) == [DISC, SLIT, SLIT]


@pytest.mark.parametrize(("label", "target"), [(DISC, DISC), (SLIT, DISC), (DISC, SLIT), (DISC, 7)])
def test_a_merge_that_means_nothing_is_refused(project, label, target):
    project.classes.merge(SLIT, SPIKY)
    with pytest.raises(ProjectError, match="two different classes"):
        project.classes.merge(label, target)


def test_a_class_that_is_not_merged_is_not_parted(project):
    with pytest.raises(ProjectError, match="not merged"):
        project.classes.unmerge(DISC)


def test_merges_are_history(project):
    project.sign("Ann")
    project.classes.merge(SLIT, DISC)
    assert project._database.tuples("SELECT class_id, target_id, who FROM class_merge") == [
        (SLIT, DISC, "Ann")
    ]
    for statement in ("UPDATE class_merge SET target_id = 2", "DELETE FROM class_merge"):
        with pytest.raises(sqlite3.IntegrityError, match="a merge is history"):
            project._database.write(statement)


def test_a_box_saved_while_merged_gets_its_own_class_back(project, image_id):
    project.classes.merge(SLIT, DISC)
    work = project.log.work(image_id)
    assert [state.label for state in work.boxes.values()] == [DISC, DISC, SPIKY]
    moved = {**work.boxes, 1: work.boxes[1]._replace(box=(12.0, 2.0, 20.0, 10.0))}
    project.reviews.save_boxes(image_id, moved, origin="expert", version=work.version)
    assert labels(project, image_id) == [DISC, DISC, SPIKY]
    project.classes.unmerge(SLIT)
    assert labels(project, image_id) == [DISC, SLIT, SPIKY]
    assert project.log.work(image_id).boxes[1] == BoxState((12.0, 2.0, 20.0, 10.0), SLIT)
    assert verify(project.path).ok


def test_an_undo_across_a_merge_is_exact(project, image_id):
    project.classes.merge(SLIT, DISC)
    start = project.log.work(image_id)
    version = project.log.record(
        image_id, "edit", {**start.boxes, 1: start.boxes[1]._replace(label=SPIKY)}, version=start.version
    )
    project.log.record(image_id, "undo", start.boxes, version=version)
    project.classes.unmerge(SLIT)
    assert [state.label for state in project.log.work(image_id).boxes.values()] == [DISC, SLIT, SPIKY]


def test_an_earlier_review_is_restored_with_the_classes_of_then(project, image_id):
    project.reviews.save(image_id, Annotations([[1, 1, 9, 9]], [DISC]), origin="expert", base_revision=1)
    project.classes.merge(SLIT, DISC)
    [_, first] = project.reviews.versions(image_id)
    project.reviews.revert(image_id, first.review_id)
    project.classes.unmerge(SLIT)
    assert labels(project, image_id) == [DISC, SLIT, SPIKY]


def test_the_log_tells_what_a_box_was_called_then(project, image_id):
    project.classes.merge(SLIT, DISC)
    [act] = project.log.acts(image_id)
    assert [event.after.label for event in act.events] == [DISC, SLIT, SPIKY]


def test_detections_count_as_merged(project, image_id):
    model_id = project.models.add(TrainConfig(), b"weights", {"train": [project.images.get(image_id)]}, 1.0)
    other, _ = add_image(project, 2)
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    probs = np.array([0.1, 0.3, 0.35, 0.25], np.float32)
    cell = Cell(0, np.array([1, 1, 9, 9], np.float32), 0.9, 0.9, 1.0, probs)
    project.rankings.add(ranking_id, other, Score(1, 1, 1, 1, 0, 1), [cell])
    project.rankings.finish(ranking_id)
    project.evaluations.save_detections(model_id, other, Detections(cell.box[None], probs[None]))
    project.classes.merge(SLIT, SPIKY)
    folded = [0.1, 0.3, 0, 0.6]
    np.testing.assert_allclose(project.rankings.cells(ranking_id, other)[0].probs, folded, atol=1e-6)
    np.testing.assert_allclose(
        project.evaluations.detections(model_id, "work")[other].probs, [folded], atol=1e-6
    )
    assert project.queue.order(SPIKY) == [(other, False)]
    assert project.queue.entries([other])[0].rare_names == ("spiky",)


def test_outcomes_count_a_merged_class_as_its_target(project, image_id):
    model_id = project.models.add(TrainConfig(), b"weights", {"train": [project.images.get(image_id)]}, 1.0)
    other, _ = add_image(project, 2)
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    cell = Cell(0, THREE.boxes[0], 0.9, 0.9, 0.0, np.float32([0, 0.2, 0.8, 0]), None, 0.1, 0.9, 1.0, None)
    project.rankings.add(ranking_id, other, Score(1, 1, 1, 1, 0, 0), [cell])
    project.rankings.finish(ranking_id)
    [cell] = project.rankings.cells(ranking_id, other)
    box = {0: BoxState((1.0, 1.0, 9.0, 9.0), SLIT, "kept", cell.detection_id)}
    project.reviews.save_boxes(other, box, origin="expert", version=0, ranking_id=ranking_id)
    project.classes.merge(SLIT, DISC)
    outcomes = project.reviews.outcomes()
    assert (outcomes.label.tolist(), outcomes.changed.tolist()) == ([DISC], [False])
    assert outcomes.probs.argmax(axis=1).tolist() == [DISC + 1]


def test_a_class_has_a_sentence_of_its_own_or_that_of_the_paper(project):
    project.classes.add(["E.F"])
    assert project.classes.all()[0].sentence == ""
    assert project.classes.all()[3].sentence.startswith("Final echinocyte")
    project.classes.describe({0: " A disc. ", 3: "A ball."})
    assert [each.sentence for each in project.classes.all()] == ["A disc.", "", "", "A ball."]
    project.classes.describe({3: ""})
    assert project.classes.all()[3].sentence.startswith("Final echinocyte")
    with pytest.raises(ProjectError, match="at most 300"):
        project.classes.describe({0: "x" * 301})
