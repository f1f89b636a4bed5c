"""The methods paragraph: sentences with the project's own numbers."""

from __future__ import annotations

from dataclasses import replace

from rbcal.acquisition.change_model import ChangeModel
from rbcal.acquisition.strategies import offered
from rbcal.config import BACKBONES, ScoringConfig, TrainConfig
from rbcal.report.collect import collect
from rbcal.report.methods import methods
from rbcal.review.explanations import CellColours
from rbcal.store.colours import StoredChangeModel
from rbcal.store.rankings import StoredRanking
from tests.conftest import add_image
from tests.report.test_collect import measured
from tests.report.test_html import simulated


def with_ranking(data, ranking):
    return replace(data, pool=replace(data.pool, ranking=ranking))


def test_every_step_has_its_paragraph_and_its_numbers(project):
    data = collect(simulated(measured(project)))
    annotation, training, uncertainty, evaluation, simulation = methods(data)
    n = data.annotation.counts.annotated_cells
    assert f"{n} cells on 1 image were annotated" in annotation
    assert "Declared as rare: spiky." in annotation
    assert "(1 of 2 groups)" in annotation
    assert "EfficientNet-Lite0" in training
    assert "at most 9 steps of 2 random windows" in training
    assert "20 stochastic forward passes" in uncertainty
    assert "All cells were flagged for review, as it was not known" in uncertainty
    assert f"Precision_all {data.evaluation.precision_all:.3f}" in evaluation
    assert f"macro F1 was {data.evaluation.macro_f1:.3f}" in evaluation
    assert "Of 3 annotated cells, 2 (67%) were found" in evaluation
    assert "1 of them (50%) with the annotated class; 1 detection had no annotated counterpart" in evaluation
    assert "balanced +0.100 (+0.100 to +0.100; too few repeats to say (2; at least 5))" in simulation


def test_the_methods_say_which_cells_were_flagged(project):
    data = collect(simulated(measured(project)))
    change = StoredChangeModel(ChangeModel(0, -1, 0), None, 1234, 400)

    def said(colours):
        return methods(replace(data, pool=replace(data.pool, colours=colours)))[2]

    assert "U^c, was at most 0.8" in said(CellColours("paper"))
    assert "on 1,234 cells of images that the model was not trained on" in said(CellColours(change=change))
    assert "for no limit could it be promised" in said(CellColours(change=change))
    limited = said(CellColours("chance", 0.05, replace(change, green_limit=0.1)))
    assert "Cells above 10.0% were flagged" in limited
    assert "at most 5% of the others were wrong" in limited


def test_only_groups_with_an_image_are_counted(project):
    add_image(project, 1, group="slide 1", annotated=True)
    add_image(project, 2, group="slide 2", split="test", annotated=True)
    project.images.add_group("of damaged pictures", "work")
    assert "(1 of 2 groups)" in methods(collect(project))[0]


def test_what_a_project_has_not_is_left_out(project):
    [only] = methods(collect(project))
    assert "0 cells on 0 images were annotated." in only
    assert "test set" not in only
    assert "Reviewing" not in only


def test_imported_images_expert_time_and_rounds_are_said(project):
    data = collect(measured(project))
    [first] = data.annotation.rounds
    later = replace(first, model_id=2, n_imported=0, expert_seconds=90.0)
    annotation = replace(data.annotation, rounds=[first, later], expert_seconds=90.0)
    paragraph = methods(replace(data, annotation=annotation))[0]
    assert "the annotations of 1 image were imported" in paragraph
    assert "Annotation took 2 rounds" in paragraph
    assert "Reviewing took the expert 1 min 30 s in all" in paragraph


def test_the_beginning_of_the_weights_is_said(project):
    data = collect(measured(project))
    model = data.model
    continued = replace(data, model=replace(model, id=4, parent_id=3))
    assert "continued from those of model 3" in methods(continued)[1]
    random = replace(data, model=replace(model, config=TrainConfig(steps=9, init="random")))
    assert "initialised at random" in methods(random)[1]
    kept = replace(data, model=replace(model, kept_step=7, validation=0.6))
    assert "The weights of step 7 were kept" in methods(kept)[1]


def test_the_order_of_review_is_said_with_its_random_part(project):
    data = collect(measured(project))
    ranked = StoredRanking(1, 1, ScoringConfig(), "2026-01-01", False, "balanced", {"seed": 0})
    assert "one in ten was drawn at random" in methods(with_ranking(data, ranked))[2]
    at_random = replace(ranked, strategy="random")
    assert methods(with_ranking(data, at_random))[2].endswith("offered for review at random.")


def test_every_strategy_and_backbone_that_can_be_chosen_has_its_words(project):
    data = collect(measured(project))
    for strategy in offered():
        ranked = StoredRanking(1, 1, ScoringConfig(), "2026-01-01", False, strategy)
        assert "in the order of the strategy" not in methods(with_ranking(data, ranked))[2]
    for backbone in BACKBONES:
        model = replace(data.model, config=TrainConfig(steps=9, backbone=backbone))
        assert f"with {backbone} as backbone" not in methods(replace(data, model=model))[1]
