"""The methods section of a paper: what was done in this project, in sentences, with its own numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rbcal.acquisition.strategies import STRATEGIES
from rbcal.charts.few_cells import few_rare_cells
from rbcal.config import ScoringConfig
from rbcal.evaluation.learning_curves import METRICS, arm_curves, on_common_grid
from rbcal.evaluation.metrics import Evaluation
from rbcal.evaluation.strategy_comparison import PairedDifference, summaries
from rbcal.report.collect import (
    AnnotationSummary,
    Errors,
    ReportData,
    SimulationResult,
    own_classes,
    versions,
)
from rbcal.review.explanations import CellColours
from rbcal.store.classes import CellClass
from rbcal.store.models import Model
from rbcal.store.rankings import StoredRanking
from rbcal.wording import count, duration, listed, percent

_BACKBONES = {"efficientnet_lite0": "EfficientNet-Lite0", "vgg16": "VGG-16"}
REFERENCES = (
    "Sadafi A, Koehler N, Makhro A, Bogdanova A, Navab N, Marr C, Peng T. Multiclass deep active learning "
    "for detecting red blood cell subtypes in brightfield microscopy. MICCAI 2019.",
    "Ren S, He K, Girshick R, Sun J. Faster R-CNN: towards real-time object detection with region proposal "
    "networks. NeurIPS 2015.",
    "Gal Y, Ghahramani Z. Dropout as a Bayesian approximation: representing model uncertainty in deep "
    "learning. ICML 2016.",
    "Lin T-Y et al. Microsoft COCO: common objects in context. ECCV 2014.",
)
MISSING = (
    "Add what no program knows: the samples and their preparation, the microscope and camera, what a group "
    "of images is (a slide, a patient), and who annotated."
)


def methods(data: ReportData) -> list[str]:
    """Return the paragraphs, the first about the annotations; what a project has not is left out."""
    paragraphs = [" ".join(_annotation(data))]
    if data.model is not None:
        paragraphs.append(" ".join(_training(data.model)))
    if data.pool.ranking is not None:
        paragraphs.append(_uncertainty(data.pool.ranking, data.pool.colours))
    if data.model is not None and data.evaluation is not None:
        paragraphs.append(" ".join(_evaluation(data.model, data.evaluation, data.errors, data.classes)))
    if data.simulation is not None:
        paragraphs.extend(_simulation(data.simulation))
    return paragraphs


def _annotation(data: ReportData) -> Iterator[str]:
    yield (
        f"Red blood cells were annotated with rbcal {versions()['rbcal']}, an implementation of the "
        "active-learning method of Sadafi et al. (2019): a box and one of "
        f"{count(len(own_classes(data.classes)), 'class', 'classes')} for each cell."
    )
    if data.synthetic:
        yield "The images are synthetic: they were drawn by a program, and show no patient's cells."
    yield _for_training(data.annotation, data.classes)
    if rare := [each.name for each in data.classes if each.rare]:
        yield f"Declared as rare: {listed(rare)}."
    n_rounds = sum(each.model_id is not None for each in data.annotation.rounds)
    if n_rounds > 1:
        yield f"Annotation took {n_rounds} rounds, each followed by training."
    if seconds := data.annotation.expert_seconds:
        yield f"Reviewing took the expert {duration(seconds)} in all, as timed by the program."
    if data.annotation.test is not None:
        counts, n_groups = data.annotation.counts, data.annotation.n_groups
        yield (
            f"A test set of {count(counts.test_images, 'image')} with {count(counts.test_cells, 'cell')} was "
            f"set apart by whole groups of images ({n_groups['test']} of {sum(n_groups.values())} groups); "
            "no image of it taught a model or picked one."
        )


def _for_training(annotation: AnnotationSummary, classes: Sequence[CellClass]) -> str:
    total, counts = annotation.total, annotation.counts
    per_class = ", ".join(
        f"{each.name} {total.cells[each.label]:,}" for each in classes if total.cells.get(each.label)
    )
    return (
        f"For training, {count(counts.annotated_cells, 'cell')} on {count(counts.annotated_images, 'image')} "
        "were annotated"
        + (f" ({per_class})" if counts.annotated_cells else "")
        + (
            f"; the annotations of {count(total.n_imported, 'image')} were imported"
            if total.n_imported
            else ""
        )
        + "."
    )


def _training(model: Model) -> Iterator[str]:
    config = model.config
    if model.parent_id is not None:
        start = f"Its weights continued from those of model {model.parent_id}, the one in use before"
    elif config.init == "random":
        start = "Its weights were initialised at random"
    else:
        start = "Its backbone was initialised with ImageNet weights"
    yield (
        f"The detector (model {model.id}) is Faster R-CNN (Ren et al. 2015) with "
        f"{_BACKBONES.get(config.backbone, config.backbone)} as backbone and dropout (0.5) after both fully "
        f"connected layers of its head. {start}."
    )
    if config.second_look:
        yield (
            "Each cell that it finds is cut out with its surroundings and classified once more, by an "
            "EfficientNet-Lite0 of its own with dropout (0.5) before its last layer; class probabilities "
            "are the geometric mean of the two. It learned from crops of the annotated cells of all "
            f"these images, {count(config.crops * config.processes, 'crop')} at a time, rare classes more "
            "often than they occur."
        )
    batch = config.batch_size * config.processes
    yield (
        f"It was trained on {count(model.n_images, 'image')} with {count(model.n_cells, 'cell')} for at most "
        f"{count(config.steps, 'step')} of {count(batch, 'random window')} of {config.crop} × {config.crop} "
        "working pixels, mirrored, turned, rescaled and recoloured at random, with AdamW (peak learning rate "
        f"{config.learning_rate:g}, a tenth of it for pretrained layers; weight decay "
        f"{config.weight_decay:g}; linear warm-up over {config.warmup:.0%} of the steps, then cosine decay; "
        f"seed {config.seed})."
    )
    if config.rare_repeat:
        yield (
            f"Images with a class that fewer than {config.rare_repeat:.0%} of the images have were repeated."
        )
    if model.validation is not None and model.kept_step is not None:
        yield (
            f"The weights of step {model.kept_step:,} were kept, which did best on groups of these images "
            "that taught nothing."
        )


def _red(config: ScoringConfig, colours: CellColours) -> str:
    """Say which cells were red."""
    if colours.by == "paper":
        return (
            "A cell was flagged for review if the share of passes that agree on its class, U^c, was at most "
            f"{config.alpha:g}, if the mean overlap (IoU) of its boxes in the passes, U^d, was at most "
            f"{config.beta:g}, or if its mean probability for a rare class exceeded "
            f"{config.rare_threshold:g}."
        )
    if colours.change is None:
        return "All cells were flagged for review, as it was not known how often the model errs."
    rests = (
        "How likely the expert would change a cell was estimated by logistic regression from its class "
        f"probability and the share of that class in its image, on {colours.change.n_cells:,} cells of "
        "images that the model was not trained on."
    )
    if colours.change.green_limit is None:
        return (
            f"{rests} All cells were flagged for review: for no limit could it be promised, with 95% "
            f"confidence, that at most {colours.promise:.0%} of the others were wrong."
        )
    return (
        f"{rests} Cells above {colours.change.green_limit:.1%} were flagged for review, so that, with 95% "
        f"confidence, at most {colours.promise:.0%} of the others were wrong (Angelopoulos et al. 2021)."
    )


def _uncertainty(ranking: StoredRanking, colours: CellColours) -> str:
    config, strategy = ranking.config, ranking.strategy
    audited = bool(ranking.context) and strategy != "random"
    registered = STRATEGIES.get(strategy)
    return (
        f"In the last ranking, uncertainty was estimated from {config.passes} stochastic forward passes with "
        f"dropout (Gal and Ghahramani 2016). {_red(config, colours)} Images were offered for review "
        + (registered.method if registered else f"in the order of the strategy {strategy}")
        + ("; one in ten was drawn at random." if audited else ".")
    )


def _evaluation(
    model: Model, evaluation: Evaluation, errors: Errors | None, classes: Sequence[CellClass]
) -> Iterator[str]:
    few = few_rare_cells(evaluation, classes)
    rare = "" if evaluation.rare_ap_50 is None else f", AP@0.5 of rare classes {evaluation.rare_ap_50:.3f}"
    if few:
        rare = f" (that of rare classes is not given: it would rest on {count(few, 'test cell')})"
    macro_f1 = (
        ""
        if evaluation.macro_f1 is None
        else f" With each box under its most probable class, macro F1 was {evaluation.macro_f1:.3f}."
    )
    yield (
        f"On the test set ({count(evaluation.n_images, 'image')}, {count(sum(evaluation.n_cells), 'cell')}), "
        f"without dropout, model {model.id} reached Precision_all {evaluation.precision_all:.3f} (average "
        "precision at IoU 0.5, averaged over the classes by their number of test cells; equation (9) of "
        f"Sadafi et al.), mAP@0.5 {evaluation.map_50:.3f}, mAP@[.5:.95] {evaluation.map_50_95:.3f}{rare}; "
        "average precision as defined by COCO (Lin et al. 2014), without a limit of detections per image."
        f"{macro_f1}"
    )
    if errors is not None:
        matrix = errors.confusion
        n, n_detected = matrix.n_annotated, matrix.n_annotated - matrix.n_missed
        yield (
            f"Of {count(n, 'annotated cell')}, {n_detected:,} ({percent(n_detected, n)}) were found (IoU at "
            "least 0.5, more probably a cell than background), "
            f"{matrix.n_correct:,} of them ({percent(matrix.n_correct, n_detected)}) with the annotated "
            f"class; {count(matrix.n_false, 'detection')} had no annotated counterpart."
        )


def _simulation(result: SimulationResult) -> Iterator[str]:
    curves = on_common_grid(arm_curves(result.points, METRICS["Precision_all"]))
    if curves is None:
        return
    config = result.simulation.config
    gains = [
        f"{each.strategy} {_gain(each.difference, each.verdict.lower())}"
        for each in summaries(curves)
        if each.difference is not None
    ]
    if gains:
        yield (
            "Orders of review were compared by simulation, with the stored annotations in the place of the "
            f"expert: {config.seed_images} seed images, then {count(config.rounds, 'round')} of "
            f"{config.query:,} {config.unit} each, {count(config.repeats, 'repeat')}, every strategy of a "
            f"repeat from the same model (random seed {config.seed}). Mean Precision_all over the range of "
            f"{curves.grid[-1]:,.0f} new cells, above random, with its 95 % bootstrap interval over the "
            f"repeats: {'; '.join(gains)}."
        )


def _gain(difference: PairedDifference, verdict: str) -> str:
    mean = f"{difference.area.new - difference.area.old:+.3f}"
    if difference.n_repeats == 1:
        return f"{mean} ({verdict})"  # an interval of one repeat has no width
    return f"{mean} ({difference.area.low:+.3f} to {difference.area.high:+.3f}; {verdict})"
