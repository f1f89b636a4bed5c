"""What the start page says of a project file, without changing it."""

from __future__ import annotations

import os
import shutil

import pytest

from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.store import project_cards
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from tests.conftest import add_image


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))


def measured(project, figure):
    model_id = project.models.add(TrainConfig(), b"w", {"train": project.images.annotated()}, 1.0)
    project.evaluations.save(model_id, Evaluation(figure, 0.5, 0.3, None, (0.5, None, None), (9, 0, 0), 1))
    return model_id


def test_a_card_has_the_figures_of_the_model_that_serves(project):
    _, annotations = add_image(project, 1, annotated=True)
    add_image(project, 2)
    add_image(project, 3, group="other", split="test", annotated=True)
    assert project_cards.read_card(project.path).precision is None
    serving = measured(project, 0.62)
    project.models.promote(serving, "gate")
    measured(project, 0.4)  # worse, so it does not serve
    card = project_cards.read_card(project.path)
    assert (card.images, card.waiting, card.cells) == (3, 1, len(annotations))
    assert (card.model_id, card.precision, card.problem) == (serving, 0.62, None)
    assert card.cells == project.images.counts().annotated_cells


def test_a_card_counts_no_cell_that_was_left_unsure(project):
    image_id, _ = add_image(project, 1)
    boxes = {
        k: BoxState((9 * k, 1, 9 * k + 8, 9), 0, each) for k, each in enumerate(("kept", "unsure", "open"))
    }
    project.reviews.save_boxes(image_id, boxes, origin="expert", version=0)
    assert project_cards.read_card(project.path).cells == project.images.counts().annotated_cells == 1


def test_a_file_that_cannot_be_read_says_why_on_its_card(tmp_path):
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    card = project_cards.read_card(tmp_path / "bad.rbcal")
    assert "not an rbcal project" in card.problem
    assert card.name == "bad"


def test_a_card_leaves_the_file_and_its_folder_as_they_were(project):
    path = project.path
    project.close()
    before = path.read_bytes(), sorted(path.parent.iterdir())
    project_cards.read_card(path)
    assert (path.read_bytes(), sorted(path.parent.iterdir())) == before


def test_the_project_that_was_opened_last_comes_first(tmp_path):
    for name in ("a", "b", "c"):
        Project.create(tmp_path / f"{name}.rbcal").close()
        os.utime(tmp_path / f"{name}.rbcal", (1e9, 1e9))
    project_cards.note_opened(tmp_path / "b.rbcal")
    assert [path.stem for path in project_cards.project_files()] == ["b", "a", "c"]


def test_each_of_thirty_projects_has_its_card(project, tmp_path):
    for seed in range(3):
        add_image(project, seed, annotated=True)
    project.close()
    for number in range(29):
        shutil.copy(project.path, tmp_path / f"copy_{number}.rbcal")
    cards = [project_cards.read_card(path) for path in project_cards.project_files()]
    assert {card.images for card in cards} == {3}
    assert len(cards) == 30
