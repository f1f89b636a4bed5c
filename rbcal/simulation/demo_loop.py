"""The loop without a person: train, rank, review, again, on synthetic slides whose truth can be drawn anew.

Every step is the one that the app takes, and writes into the project file, so the project can be opened
afterwards as if somebody had sat there. The reviews are signed by the simulated expert.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from rbcal import synth
from rbcal.acquisition.cost_model import CostModel
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.errors import ProjectError
from rbcal.simulation import oracle
from rbcal.store.job_requests import JobRequest, ScoreJob, TrainJob
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking
from rbcal.types import Annotations, Detections

EXPERT = "simulated expert"
CELLS = 200  # in a round: four or five images
TRAINING = TrainConfig(
    second_look=False,
    steps=60,  # of the 300 that as many images warrant: the demo shows the loop, not the best model
    crop=320,  # four times as fast as 640; eight cells wide
)
SCORING = ScoringConfig()
# What *Try the demo* starts by itself: a wall of cells needs the second look, and a newcomer waits for it.
FIRST_TRAINING = replace(TRAINING, second_look=True, steps=45)


class Job(Protocol):
    """Does a job of the project to its end."""

    def __call__(self, request: JobRequest) -> None: ...


def first_request() -> TrainJob:
    """Return the first training of a demo that is looked at, with the ranking after it: minutes."""
    return TrainJob(FIRST_TRAINING, ScoreJob(SCORING))


def rehearse(
    project: Project,
    do: Job,
    *,
    rounds: int = 3,
    cells: int = CELLS,
    training: TrainConfig = TRAINING,
    truth: Callable[[str], Annotations] | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Train if there is no model yet; then in each round rank the pool, review its first images, and train.

    Parameters
    ----------
    cells : int
        Reviewed in each round, in whole images.
    truth : callable
        Returns what is on the image of a name; None: the slides are synthetic, and are drawn anew.
    say : callable, optional
        Is told each step in words.

    Raises
    ------
    ProjectError
        If the project holds photographs, and nobody says what is on them.
    """
    if truth is None and not project.is_synthetic:
        raise ProjectError(
            f"{project.path.name} is not a demo: the simulated expert knows synthetic slides only. Give "
            "a name that is free."
        )
    if project.models.serving() is None:
        say("Round 0: train on the images that are annotated")
        do(TrainJob(training))
    for round_ in range(1, rounds + 1):
        say(f"Round {round_} of {rounds}: rank the pool")
        do(ScoreJob(SCORING))
        n_images, n_cells = _review_the_first(project, cells, truth or _drawn)
        if not n_images:
            say("Every image is reviewed")
            return
        say(f"Round {round_} of {rounds}: {n_cells} cells on {n_images} images reviewed; train")
        do(TrainJob(replace(training, seed=training.seed + round_)))
    say("Rank the pool for whoever goes on")
    do(ScoreJob(SCORING))


def _drawn(name: str) -> Annotations:
    return synth.redraw(name).annotations


def _review_the_first(project: Project, cells: int, truth: Callable[[str], Annotations]) -> tuple[int, int]:
    """Review images from the top of the queue until there are so many cells; return images and cells."""
    ranking = project.rankings.current()
    if ranking is None:
        raise ProjectError("The pool is not ranked. Rank it first.")
    n_images, n_cells = 0, 0
    for entry in project.queue.top():
        if n_cells >= cells:
            break
        if not project.log.version(entry.image_id):  # else somebody has begun it
            n_cells += _review(project, ranking, entry.image_id, truth(entry.name))
            n_images += 1
    return n_images, n_cells


def _review(project: Project, ranking: StoredRanking, image_id: int, truth: Annotations) -> int:
    """Review an image as the page does: begin with the model's boxes, correct, save; return the cells."""
    cells = project.rankings.cells(ranking.id, image_id)
    detections = Detections(
        np.array([cell.box for cell in cells]).reshape(-1, 4),
        np.array([cell.probs for cell in cells]).reshape(len(cells), -1 if cells else 2),
    )
    n_changes = oracle.review(detections, truth, np.empty((len(cells), 0))).n_changes
    begun = {
        n: BoxState(tuple(cell.box.tolist()), cell.label, "open", cell.detection_id)
        for n, cell in enumerate(cells)
    }
    person = project.expert
    with project.transaction():  # the name, too: a kill in between leaves that of the person
        project.sign(EXPERT)
        version = project.log.record(image_id, "begin", begun, version=0, ranking_id=ranking.id)
        project.reviews.save_boxes(
            image_id,
            _corrected(oracle.correct(detections, truth), cells),
            origin="expert",
            version=version,
            ranking_id=ranking.id,
            seconds=float(CostModel().seconds(len(truth), n_changes)),
        )
        project.sign(person)
    return len(truth)


def _corrected(correction: oracle.Correction, cells: Sequence[Cell]) -> dict[int, BoxState]:
    """Return the boxes that the oracle saves, by their numbers, in order: of detections, then those drawn."""
    annotations = correction.annotations
    columns = annotations.boxes.tolist(), annotations.labels.tolist(), correction.sources
    boxes = {}
    for m, (box, label, n, status) in enumerate(zip(*columns, correction.review_status, strict=True)):
        number, detection_id = (len(cells) + m, None) if n is None else (n, cells[n].detection_id)
        boxes[number] = BoxState(tuple(box), label, status, detection_id)
    return dict(sorted(boxes.items()))  # as the log keeps them
