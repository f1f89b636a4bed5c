"""Why a cell is red and an image is early in the queue, in words."""

from __future__ import annotations

import numpy as np
import pytest

from rbcal.acquisition.relevance import Score
from rbcal.config import ScoringConfig
from rbcal.review import explanations
from rbcal.review.explanations import why
from rbcal.store.queue import QueueEntry
from rbcal.store.rankings import Cell
from rbcal.wording import short_names

NAMES, RARE = ("S.D", "S.N", "D"), (0,)


def cell(u_d=0.95, u_c=1.0, u_r=0.0, probs=(0.1, 0.05, 0.05, 0.8), detection_id=1):
    return Cell(detection_id, np.float32([0, 0, 9, 9]), u_d, u_c, u_r, np.float32(probs))


def reasons(**scores):
    return explanations.verdicts([cell(**scores)], NAMES, RARE, ScoringConfig())[0].reasons


def test_a_cell_of_which_the_model_is_sure_is_green():
    verdict = explanations.verdicts([cell()], NAMES, RARE, ScoringConfig())[0]
    assert not verdict.flagged
    assert verdict.weight == 0


def test_each_term_that_fires_gives_its_reason():
    assert reasons(u_c=0.6) == ("class unsure: the passes agree at 60% (threshold 80%)",)
    assert reasons(u_d=0.78) == ("box unsure: the passes overlap at 0.78 (threshold 0.90)",)
    assert reasons(u_r=1, probs=(0.1, 0.31, 0.09, 0.5)) == ("maybe S.D (31%)",)


def test_a_score_just_below_its_threshold_is_not_rounded_above_it():
    assert reasons(u_d=0.8999) == ("box unsure: the passes overlap at 0.89 (threshold 0.90)",)


def test_the_cell_that_adds_most_to_relevance_comes_first_then_the_least_certain():
    cells = [
        cell(),
        cell(u_c=0.7, detection_id=2),
        cell(u_c=0.5, detection_id=3),
        cell(u_r=1, detection_id=4),
        cell(u_c=0.7, u_d=0.5, detection_id=5),
    ]
    order = explanations.most_uncertain_first(
        cells, explanations.verdicts(cells, NAMES, RARE, ScoringConfig())
    )
    assert [cells[k].detection_id for k in order] == [4, 5, 3, 2]


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (None, "not sorted yet"),
        (Score(0, 0, 0, 0, 0, 0), "nothing found"),
        (Score(0, 9, 0, 0, 0, 0), "the model is sure of every cell"),
        (Score(1, 9, 1, 1, 0, 0), "1 cell unsure of class"),
        (Score(3, 9, 3, 0, 3, 0), "3 cells unsure of box"),
        (Score(13, 9, 4, 0, 3, 1), "3 cells unsure of box, 1 maybe S.D"),
        (Score(20, 9, 2, 0, 0, 2), "2 cells maybe S.D"),
    ],
)
def test_the_queue_says_why_an_image_comes_now(score, said):
    assert why("relevance", QueueEntry(1, "a.png", score, ("S.D",)), NAMES) == said


def test_the_classes_that_an_image_comes_for_are_those_that_a_filter_finds_it_by():
    terms = {"gain 0": 0.1, "gain 1": 0.3, "new 0": 0.9, "new 1": 6.0}  # many cells, none of them likely
    score = Score(0, 9, 0, 0, 0, 0, value=0.4, terms=terms)
    assert why("balanced", QueueEntry(1, "a.png", score), ["D", "S.D"]) == "9 cells"
    entry = QueueEntry(1, "a.png", score, likely_cells={0: 2})
    assert why("balanced", entry, ["D", "S.D"]) == "maybe 2 D, which are most needed"
    assert explanations.batch_words([entry], ["D", "S.D"], shown=[1]) == "The next image: about 9 cells"
    assert explanations.batch_words([entry, entry], ["D", "S.D"], shown=[0, 1]) == (
        "The next 2 images: about 18 cells (maybe 4 D)"
    )


def test_the_cell_review_shows_all_three_scores_and_which_of_them_made_the_cell_red():
    said = explanations.score_words(cell(u_c=0.6), NAMES, RARE, ScoringConfig())
    assert said == [
        ("class unsure: the passes agree at 60% (threshold 80%)", True),
        ("box: the passes overlap at 0.95", False),
        ("rare: S.D at most 5%", False),
    ]
    assert explanations.score_words(cell(), NAMES, (), ScoringConfig())[2] == (
        "no rare class in this project",
        False,
    )


def test_short_names_differ_however_alike_the_names():
    names = [f"echinocyte {k}" for k in range(1, 14)]
    assert len(set(short_names(names))) == 13
    assert short_names(["E.1", "E.F", "discocyte"]) == ("E.1", "E.F", "disc")


def test_a_row_of_the_table_says_the_same_in_short():
    unsure = cell(u_r=1, u_c=0.6, u_d=0.78, probs=(0.1, 0.31, 0.09, 0.5))
    [verdict] = explanations.verdicts([unsure], NAMES, RARE, ScoringConfig())
    assert verdict.brief == "S.D 31%? · class 60% · box 0.78"
    assert verdict.weight == 12
