"""The cells that look most like one: the same, in the same order, as if all that wait were compared."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.change_model import ChangeModel
from rbcal.errors import ProjectError
from rbcal.jobs.alike import highest
from rbcal.jobs.cells import cells_to_ask
from rbcal.live_head import LastLayer
from rbcal.review.cell_answers import CellAnswer, answer_cells
from rbcal.review.wall import Wall, sides_of
from rbcal.store import cell_index
from rbcal.store.cell_index import CellIndexes
from rbcal.store.colours import StoredChangeModel
from rbcal.store.project import Project
from rbcal.types import CROP_EMBEDDING_SIZE
from tests.browser.driver import let_learn, plant
from tests.jobs.test_live import accept_all_as


@pytest.fixture
def project(tmp_path):
    """Six ranked images of as many slides, whose cells all look different."""
    plant(tmp_path / "pool.rbcal", 6, width=160, height=120, n_cells=12, fewer=0, embedded=True)
    let_learn(tmp_path / "pool.rbcal")
    with Project.open(tmp_path / "pool.rbcal") as project:
        yield project


def cosine(a, b):
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def all_by_likeness(project, like, **filters):
    """Return all cells that wait, the most alike first, each compared by itself."""
    cells = cells_to_ask(project, 1000, **filters).cells
    return sorted(cells, key=lambda cell: -cosine(cell.embedding, like))


def said_of(cell):
    return cell.id, cell.image_id, cell.image, cell.box.tolist(), cell.label


def read(project, cells):
    ranking_id = project.rankings.current().id
    answers = [CellAnswer(each.image_id, each.detection_id, sides_of(each), 0) for each in cells]
    answer_cells(project, ranking_id, answers)


def work_on(project):
    """Read an image, and three cells of another one; a third joins the test images. Names learn."""
    ranking_id = project.rankings.current().id
    whole, in_part, test, *_ = [image_id for image_id, _ in project.queue.order()]
    accept_all_as(project, whole, ranking_id, 0)
    read(project, [cell for cell in cells_to_ask(project, 1000).cells if cell.image_id == in_part][:3])
    slide = project._database.value("SELECT group_id FROM image WHERE id = ?", (test,))
    project.splits.move([slide], "test")
    rng = np.random.default_rng(0)
    layer = LastLayer(rng.normal(size=(3, CROP_EMBEDDING_SIZE)).astype(np.float32), np.zeros(3, np.float32))
    project.live_heads.save(ranking_id, layer, 3)
    project.colours.save(ranking_id, StoredChangeModel(ChangeModel(0.0, -1.0, 0.5), None, 300, 100))
    return whole, in_part, test


def test_they_are_the_nearest_of_all_that_nobody_has_read(project):
    likes = [cell.embedding for cell in cells_to_ask(project, 1000).cells[::9]]
    gone = {cell.id for cell in cells_to_ask(project, 1000).cells}
    whole, in_part, test = work_on(project)
    gone -= {cell.id for cell in cells_to_ask(project, 1000).cells}
    assert len(gone) > 3
    for like in likes:
        for limit in (1, 7, 1000):
            query, every = cells_to_ask(project, limit, like=like), all_by_likeness(project, like)
            assert query.n_cells == len(every)
            assert list(map(said_of, query.cells)) == list(map(said_of, every[:limit]))
            assert not {whole, test} & {cell.image_id for cell in query.cells}
    assert in_part in {cell.image_id for cell in query.cells}
    assert not gone & {cell.id for cell in query.cells}


def test_what_is_said_of_them_is_the_same(project):
    like = cells_to_ask(project, 1).cells[0].embedding
    work_on(project)
    near, every = cells_to_ask(project, 9, like=like).cells, all_by_likeness(project, like)
    for cell, other in zip(near, every[:9], strict=True):
        assert cell.value == pytest.approx(cosine(other.embedding, like), abs=1e-6)
        assert cell.p == pytest.approx(other.p, abs=1e-6)
        assert cell.change_probability == pytest.approx(other.change_probability, abs=1e-6)
        assert cell.embedding == pytest.approx(other.embedding, abs=1e-6)


def test_of_one_slide_or_one_class_they_are_the_nearest_of_these(project):
    like = cells_to_ask(project, 1).cells[0].embedding
    work_on(project)
    slide = project.images.get(cells_to_ask(project, 1).cells[0].image_id).group
    for filters in ({"group": slide}, {"label": 1}, {"group": slide, "label": 1}):
        query, every = (
            cells_to_ask(project, 5, like=like, **filters),
            all_by_likeness(project, like, **filters),
        )
        assert (query.n_cells, list(map(said_of, query.cells))) == (len(every), list(map(said_of, every[:5])))


def test_where_the_nearest_are_all_read_the_next_ones_come(project):
    like = cells_to_ask(project, 1).cells[0].embedding
    every = all_by_likeness(project, like)
    read(project, every[:40])
    assert [cell.id for cell in cells_to_ask(project, 2, like=like).cells] == [
        cell.id for cell in every[40:42]
    ]
    read(project, every[40:])
    assert cells_to_ask(project, 2, like=like).cells == []


def test_what_cells_look_like_is_read_once_for_each_ranking(project, monkeypatch):
    reads, read_all = [], CellIndexes._read
    monkeypatch.setattr(CellIndexes, "_read", lambda self, of: reads.append(of) or read_all(self, of))
    like = cells_to_ask(project, 1).cells[0].embedding
    for _ in range(2):
        with Project.open(project.path) as again:
            cells_to_ask(again, 3, like=like)
    assert len(reads) == 1
    project._database.write("UPDATE ranking SET created_at = '2026'")  # as in a backup with another one
    cells_to_ask(project, 3, like=like)
    assert len(reads) == 2


def test_a_process_keeps_what_the_cells_of_two_rankings_look_like(project, tmp_path):
    for name in ("a", "b", "c"):
        path = tmp_path / f"{name}.rbcal"
        plant(path, 1, width=160, height=120, n_cells=12, embedded=True)
        with Project.open(path) as other:
            other.cell_indexes.of(other.rankings.current())
    assert [key[0] for key in cell_index._kept] == [
        str((tmp_path / f"{each}.rbcal").resolve()) for each in "bc"
    ]


def test_a_cell_that_looks_like_nothing_is_like_no_other(project):
    like = cells_to_ask(project, 1).cells[0].embedding
    [first, *_] = all_by_likeness(project, like)
    nothing = np.zeros(CROP_EMBEDDING_SIZE, "<f2").tobytes()
    project._database.write("UPDATE detection SET embedding = ? WHERE id = ?", (nothing, first.detection_id))
    values = {cell.id: cell.value for cell in cells_to_ask(project, 1000, like=like).cells}
    assert values[first.id] == 0
    assert all(value == 0 for value in (c.value for c in cells_to_ask(project, 9, like=0 * like).cells))


def test_a_ranking_without_embeddings_says_what_to_do(project):
    like = cells_to_ask(project, 1).cells[0].embedding
    project._database.write("UPDATE detection SET embedding = NULL WHERE id = 1")
    with pytest.raises(ProjectError, match="Sort them again"):
        cells_to_ask(project, 3, like=like)


def test_the_wall_asks_for_the_two_screens_that_it_shows(project):
    wall = Wall(size=12)
    wall.fill(project)
    like = wall.screen[0]
    wall.more_like(like)
    wall.fill(project)
    every = all_by_likeness(project, like.embedding)
    assert [cell.id for cell in wall.screen + wall.ahead] == [cell.id for cell in every[:24]]
    wall.settle(project, {cell.id: cell.label for cell in wall.screen})
    wall.fill(project)
    assert [cell.id for cell in wall.screen + wall.ahead] == [cell.id for cell in every[12:36]]


def test_of_equals_the_first_come_and_none_that_is_left_out():
    values = np.float32([0.5, -np.inf, 0.5, 0.9, 0.5])
    assert highest(values, 2).tolist() == [3, 0]
    assert highest(values, 9).tolist() == [3, 0, 2, 4]
    assert highest(np.float32([-np.inf]), 1).tolist() == highest(np.float32([]), 1).tolist() == []
