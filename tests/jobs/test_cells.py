"""Which cells are asked for next, of all images of a pool that was ranked."""

from __future__ import annotations

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from rbcal.acquisition.cell_strategies import CELL_STRATEGIES
from rbcal.acquisition.change_model import ChangeModel
from rbcal.cli import app
from rbcal.errors import ProjectError, ScoringError
from rbcal.jobs import live
from rbcal.jobs.cells import cells_to_ask
from rbcal.store.colours import StoredChangeModel
from rbcal.store.reviews import Reviews
from rbcal.types import Annotations
from tests.conftest import CLASSES
from tests.jobs.test_live import accept_all_as


def run(project, *arguments, code=0):
    result = CliRunner().invoke(app, ["cells", str(project.path), *arguments])
    assert result.exit_code == code, result.output
    return result.output


def test_the_uncertain_cell_comes_first_with_its_box_and_its_name(ranked):
    project, images, ranking_id = ranked  # images of 3 sure cells, 1 unsure, 2 sure
    query = cells_to_ask(project, 3, "cells_uncertain")
    first, *others = query.cells
    assert (query.n_cells, len(query.cells)) == (6, 3)
    assert (first.image_id, first.image) == (images[1], project.images.get(images[1]).name)
    assert first.p == pytest.approx(0.4 / 0.9)
    assert first.value == pytest.approx(1 - 0.4 / 0.9)
    assert first.change_probability is None  # nobody knows how often this model errs
    for asked in others:
        boxes = [cell.box.tolist() for cell in project.rankings.cells(ranking_id, asked.image_id)]
        assert asked.box.tolist() in boxes
        assert asked.label == 0


def test_every_cell_comes_once(ranked):
    project, _, _ = ranked
    cells = cells_to_ask(project, 100).cells
    assert len({(cell.image_id, *cell.box.tolist()) for cell in cells}) == len(cells) == 6


def test_of_a_large_pool_some_images_are_drawn_and_all_cells_are_counted(ranked, monkeypatch):
    project, images, _ = ranked  # images of 3, 1 and 2 cells
    monkeypatch.setattr("rbcal.jobs.cells._CHOICE", 1)
    query = cells_to_ask(project, 1, "cells_random", sample=True)
    assert (query.n_cells, len(query.cells)) == (6, 1)
    every = cells_to_ask(project, 100, "cells_random", sample=True)
    assert len(every.cells) == 6
    project.reviews.save(images[0], Annotations.empty(), origin="expert", base_revision=0)
    assert [each.image_id for each in project.queue.waiting_cells(every.ranking.id)] == images[1:]


def test_one_slide_alone(ranked):
    project, images, _ = ranked
    query = cells_to_ask(project, 100, group="other", sample=True)
    assert query.n_cells == 2
    assert {cell.image_id for cell in query.cells} == {images[2]}
    assert json.loads(run(project, "--group", "other", "--json"))["waiting"] == 2
    assert "There is no slide 'x'" in run(project, "--group", "x", code=1)


def test_the_largest_or_the_smallest_come_first_whatever_the_strategy(ranked):
    project, _, _ = ranked
    largest, smallest = (cells_to_ask(project, 9, by_size=name).cells for name in ("largest", "smallest"))
    areas = [float(np.prod(cell.box[2:] - cell.box[:2])) for cell in largest]
    assert len(areas) == 6
    assert areas == sorted(areas, reverse=True) == [cell.value for cell in largest]
    assert areas[0] > areas[-1]
    assert [cell.value for cell in smallest] == sorted(-area for area in areas)[::-1]
    assert "the smallest first" in run(project, "--by-size", "smallest")


def test_one_class_alone(ranked):
    project, images, _ = ranked
    query = cells_to_ask(project, 100, label=0)
    assert query.n_cells == 5
    assert {cell.image_id for cell in query.cells} == {images[0], images[2]}
    assert cells_to_ask(project, 100, label=2).cells == []


def test_a_chance_of_change_is_that_of_the_colours(ranked):
    project, _, ranking_id = ranked
    model = ChangeModel(0.0, -1.0, 0.0)
    project.colours.save(ranking_id, StoredChangeModel(model, None, 300, 100))
    [cell] = cells_to_ask(project, 1, "cells_change", label=1).cells
    top = np.float32(0.4)  # its logit, with the coefficient -1: the chance is 1 - p
    assert cell.change_probability == pytest.approx(1 - top, abs=1e-6)


def test_past_reviews_are_read_for_the_strategy_alone_that_goes_by_them(ranked, monkeypatch):
    project, read, outcomes = ranked[0], [], Reviews.outcomes
    monkeypatch.setattr(Reviews, "outcomes", lambda self: read.append(self) or outcomes(self))
    for name in CELL_STRATEGIES:
        cells_to_ask(project, 1, name)
    assert len(read) == sum(each.by_reviews for each in CELL_STRATEGIES.values()) == 2
    cells_to_ask(project, 1, "cells_change")
    assert len(read) == 3


def test_an_image_that_was_reviewed_is_asked_no_more(ranked):
    project, images, ranking_id = ranked
    accept_all_as(project, images[1], ranking_id, 0)
    assert {cell.image_id for cell in cells_to_ask(project, 100).cells} == {images[0], images[2]}


def test_names_are_those_of_the_live_head(scored):
    project, _, (first, second), ranking_id = scored
    accept_all_as(project, first, ranking_id, 2)
    live.update(project)
    cells = cells_to_ask(project, 1000).cells
    assert {cell.image_id for cell in cells} == {second}
    named = {
        tuple(cell.box.tolist()): cell.label for cell in project.rankings.cells(ranking_id, second, live=True)
    }
    assert {tuple(cell.box.tolist()): cell.label for cell in cells} == named


def test_without_a_ranking_it_says_what_to_do(project):
    with pytest.raises(ProjectError, match=r"not ranked yet.*rbcal train, rbcal score"):
        cells_to_ask(project, 5)
    assert "rbcal score" in run(project, code=1)


def test_a_strategy_over_images_is_refused_by_name(ranked):
    project, _, _ = ranked
    with pytest.raises(ScoringError, match=r"no strategy 'balanced' over cells.*cells_balanced"):
        cells_to_ask(project, 5, "balanced")


def test_the_command_prints_json_and_a_table(ranked):
    project, images, _ = ranked
    document = json.loads(run(project, "--limit", "2", "--strategy", "cells_uncertain", "--json"))
    assert (document["strategy"], document["waiting"], document["stale"]) == ("cells_uncertain", 6, False)
    first = document["cells"][0]
    assert (first["rank"], first["image_id"], first["class"]) == (1, images[1], CLASSES[1])
    assert first["box"] == [0, 0, 10, 10]
    table = run(project, "--class", CLASSES[0], "--limit", "9").splitlines()
    assert table[0] == f"5 of 5 cells named {CLASSES[0]} that wait, by cells_random:"
    assert len(table) == 2 + 5
    assert f"There is no class 'moon' in this project. Choose one of: {CLASSES[0]}" in run(
        project, "--class", "moon", code=1
    )


def test_a_pool_that_is_all_reviewed_gives_an_empty_table(ranked):
    project, images, _ = ranked
    for image_id in images:
        project.reviews.save(image_id, Annotations.empty(), origin="expert", base_revision=0)
    assert run(project).startswith("0 of 0 cells that wait")
