"""Live names: after the expert's answers, the last layer is fitted again, in seconds and without an image."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from rbcal.evaluation.matching import match
from rbcal.jobs.rank import reorder
from rbcal.live_head import LastLayer, fit
from rbcal.store.live_heads import EmbeddedCells
from rbcal.store.project import Project
from rbcal.types import Annotations, Detections, Floats, Ints


@dataclass(frozen=True, eq=False)
class Answers:
    """N labelled cells as a ranking's model sees them; `is_new` are those it was not trained on."""

    embeddings: Floats  # (N, D)
    labels: Ints  # (N,)
    is_new: np.ndarray  # (N,) bool


@dataclass(frozen=True)
class LiveFit:
    """What fitting came to.

    `n_cells` labelled cells, of which `n_new` are answers that the model was not trained on.
    """

    ranking_id: int
    model_id: int
    n_cells: int
    n_new: int
    seconds: float


def why_not(project: Project) -> str | None:
    """Return in a sentence why names cannot learn from answers now; None: they can."""
    ranking = project.rankings.current()
    if ranking is None:
        return "The images that wait are not sorted yet. Press Train on the Train page."
    if ranking.stale:
        return "Another model than the one in use sorted the images. Sort them again on the Train page."
    if project.live_heads.get(ranking.id) is None:
        return "The model that sorted the images has no second look: its names stay until the next training."
    return None


def update(project: Project, open_image: int | None = None) -> LiveFit | None:
    """Fit the live head, and put the queue into its order; the image that is open keeps its place."""
    done = fit_live_head(project)
    if done is not None and done.n_new:
        reorder(project, project.rankings.get(done.ranking_id), open_image)
    return done


def fit_live_head(project: Project) -> LiveFit | None:
    """Fit the last layer of the current ranking's model to all answers, and let it name cells from now on.

    None: there is no ranking, its model does not serve any more, or has no second look. Without an answer
    that the model was not trained on, its own layer goes on.
    """
    started = time.perf_counter()
    with project.read_transaction():  # one state of the file, though the expert goes on
        ranking = None if why_not(project) else project.rankings.current()
        head = None if ranking is None else project.live_heads.get(ranking.id)
        if ranking is None or head is None:
            return None
        answers, n_classes = read_answers(project, ranking.id), len(project.classes.names())
    n_new = int(answers.is_new.sum())
    fitted: LastLayer | None = None
    if n_new:
        fitted = fit(head.own, answers.embeddings, answers.labels, n_classes)
    project.live_heads.save(ranking.id, fitted, n_new)
    return LiveFit(ranking.id, ranking.model_id, len(answers.labels), n_new, time.perf_counter() - started)


def read_answers(project: Project, ranking_id: int) -> Answers:
    """Return all labelled cells that a ranking has an embedding of."""
    head = project.live_heads.get(ranking_id)
    width = 0 if head is None else head.own.weight.shape[1]
    embeddings, labels, is_new = [np.empty((0, width), np.float32)], [np.empty(0, np.int64)], []
    for cells in project.live_heads.answered(ranking_id):
        annotations = project.reviews.annotations(cells.review_id)
        rows, of_rows = _labelled(cells, annotations)
        embeddings.append(cells.embeddings[rows])
        labels.append(of_rows)
        is_new += [cells.is_new] * len(rows)
    return Answers(np.concatenate(embeddings), np.concatenate(labels), np.array(is_new, bool))


def _labelled(cells: EmbeddedCells, annotations: Annotations) -> tuple[Ints, Ints]:
    """Return which cells the expert has read and labelled, by their boxes, and the labels."""
    if cells.boxes is None:
        return np.flatnonzero(annotations.read), annotations.read_labels
    anything = np.tile(np.array([0, 1], np.float32), (len(cells.boxes), 1))
    of_cell = match(annotations, Detections(cells.boxes, anything)).detection
    rows = np.flatnonzero((of_cell >= 0) & np.append(annotations.read, False)[of_cell])  # -1: of none
    return rows, annotations.labels[of_cell[rows]]
