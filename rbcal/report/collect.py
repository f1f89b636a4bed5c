"""All that a report says, read from the project file at one moment; no torch is needed for it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from typing import get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rbcal import __version__
from rbcal.charts.error_gallery import ImageMistake, all_mistakes
from rbcal.evaluation.average_precision import precision_curves
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.evaluation.matching import Kind, Mistake
from rbcal.evaluation.metrics import Evaluation
from rbcal.formats.crops import Crop, crop
from rbcal.formats.pictures import Pixels, decode
from rbcal.jobs.loaders import load_annotations
from rbcal.review.explanations import CellColours
from rbcal.review.predictions import cell_colours
from rbcal.store.classes import CellClass
from rbcal.store.database import now
from rbcal.store.evaluations import CurvePoint
from rbcal.store.images import Counts, Image, Split
from rbcal.store.models import Model, StoredComparison
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking
from rbcal.store.simulations import Simulation
from rbcal.store.summary import Round

EXAMPLES = 12  # of each kind: two rows on paper
_OF_A_KIND = 2  # of the same classes, or of the same image: twelve times the same error teaches nothing
_SAME_AP = 1e-6  # a stored AP went through text
_PACKAGES = ("torch", "torchvision", "timm", "faster-coco-eval", "numpy", "streamlit")


@dataclass(frozen=True, eq=False)
class ErrorExample:
    """A place where the model and the annotations disagree, with its surroundings."""

    image: str
    crop: Crop
    mistake: Mistake


@dataclass(frozen=True, eq=False)
class UncertainCell:
    """A cell of the current ranking, with its surroundings."""

    image: str
    crop: Crop
    cell: Cell


@dataclass(frozen=True, eq=False)
class Errors:
    """What the model predicts in the test images beside what is annotated there.

    Parameters
    ----------
    confusion : Confusion
    precision : (C, 101) float64
        As :func:`rbcal.evaluation.average_precision.precision_curves` returns it.
    changed : bool
        Annotations or classes were changed since the model was measured, so these are not the stored figures.
    examples : mapping of kind to sequence of ErrorExample
        The clearest contradictions of each kind, few of the same classes.
    """

    confusion: Confusion
    precision: NDArray[np.float64]
    changed: bool
    examples: Mapping[Kind, Sequence[ErrorExample]]


@dataclass(frozen=True, eq=False)
class AnnotationSummary:
    """What is annotated; `n_groups` and `fingerprints` are those of either side of the test set."""

    counts: Counts
    rounds: Sequence[Round]
    test: Round | None
    expert_seconds: float
    n_groups: Mapping[Split, int]
    fingerprints: Mapping[Split, str]

    @property
    def total(self) -> Round:
        """All rounds as one, without the test set."""
        return merged(self.rounds)


@dataclass(frozen=True, eq=False)
class PoolSummary:
    """The images that wait for review: their ranking, red cells, and the least certain cells."""

    ranking: StoredRanking | None
    n_flagged: int | None
    uncertain: Sequence[UncertainCell]
    colours: CellColours


@dataclass(frozen=True, eq=False)
class SimulationResult:
    """A simulation and what it came to so far."""

    simulation: Simulation
    points: Sequence[SimulationPoint]


@dataclass(frozen=True, eq=False)
class ReportData:
    """A project at the moment `made_at`, as far as a report says it.

    `synthetic` says that slides of it were drawn by a program. Classes that are merged are among `classes`,
    so that the one with label k is at position k. `evaluation` is that of the serving `model`; `errors` are
    None where its detections were not kept. `spot_checks` are green boxes of that model: wrong ones, and
    checked ones. `simulation` is the newest that has a point.
    """

    name: str
    synthetic: bool
    expert: str
    made_at: str
    classes: Sequence[CellClass]
    annotation: AnnotationSummary
    curve: Sequence[CurvePoint]
    targets: Mapping[str, float]
    model: Model | None
    evaluation: Evaluation | None
    errors: Errors | None
    spot_checks: tuple[int, int]
    pool: PoolSummary
    simulation: SimulationResult | None
    comparisons: Mapping[int, StoredComparison]


def own_classes(classes: Sequence[CellClass]) -> list[CellClass]:
    """Return the classes that cells can have: those that are not merged into another one."""
    return [each for each in classes if each.merged_into is None]


def merged(rounds: Sequence[Round]) -> Round:
    """Return some rounds as one, with the model of the last."""
    return Round(
        rounds[-1].model_id if rounds else None,
        sum(each.n_images for each in rounds),
        sum(each.n_imported for each in rounds),
        sum((Counter(each.cells) for each in rounds), Counter[int]()),
        sum(each.expert_seconds for each in rounds),
    )


def collect(project: Project) -> ReportData:
    """Return all that a report says of a project as it is now."""
    with project.read_transaction():
        model = project.models.serving()
        evaluation = None if model is None else project.evaluations.of(model.id)
        return ReportData(
            name=project.name,
            synthetic=project.is_synthetic,
            expert=", ".join(project.log.annotators()) or project.expert,
            made_at=now(),
            classes=project.classes.all(),
            annotation=_annotation(project),
            curve=project.evaluations.curve(),
            targets=project.targets.all(),
            model=model,
            evaluation=evaluation,
            errors=None if model is None or evaluation is None else _errors(project, model, evaluation),
            spot_checks=(0, 0) if model is None else project.reviews.spot_checks(model.id),
            pool=_pool(project),
            simulation=_simulation(project),
            comparisons=project.models.comparisons(),
        )


def _annotation(project: Project) -> AnnotationSummary:
    return AnnotationSummary(
        counts=project.images.counts(),
        rounds=project.summary.rounds("work"),
        test=next(iter(project.summary.rounds("test")), None),
        expert_seconds=project.reviews.expert_seconds(),
        n_groups=Counter(each.split for each in project.images.groups()),
        fingerprints={split: project.summary.fingerprint(split) for split in get_args(Split)},
    )


def _simulation(project: Project) -> SimulationResult | None:
    for simulation in reversed(project.simulations.all()):
        if points := project.simulations.points(simulation.id):
            return SimulationResult(simulation, points)
    return None


def _errors(project: Project, model: Model, evaluation: Evaluation) -> Errors | None:
    detections = project.evaluations.detections(model.id)
    images = {image.id: image for image in project.images.test() if image.id in detections}
    if not any(image.n_cells for image in images.values()):
        return None
    truths = {image_id: load_annotations(project, image) for image_id, image in images.items()}
    pairs = [(truths[image_id], detections[image_id]) for image_id in images]
    n_classes = len(project.classes.names())
    precision = precision_curves(pairs, n_classes)
    wrong, cut = all_mistakes(truths, detections), _cropper(project)
    kinds: tuple[Kind, ...] = get_args(Kind)
    return Errors(
        confusion=Confusion.of(pairs, n_classes),
        precision=precision,
        changed=len(images) != evaluation.n_images or not _is_measured(evaluation, precision),
        examples={
            kind: [
                ErrorExample(
                    images[each.image_id].name, cut(images[each.image_id], each.mistake.boxes), each.mistake
                )
                for each in _varied(wrong, kind)
            ]
            for kind in kinds
        },
    )


def _is_measured(evaluation: Evaluation, precision: NDArray[np.float64]) -> bool:
    """Return whether the mean of each curve is the stored AP; a class younger than the model has none."""
    stored = np.full(len(precision), np.nan)
    stored[: len(evaluation.ap_50)] = np.array(evaluation.ap_50, np.float64)
    return np.allclose(precision.mean(axis=1), stored, atol=_SAME_AP, equal_nan=True)


def _varied(wrong: Iterable[ImageMistake], kind: Kind) -> list[ImageMistake]:
    """Return the first mistakes of a kind, few of the same classes; more of them only for want of others."""
    first: list[ImageMistake] = []
    rest: list[ImageMistake] = []
    so_far = Counter[tuple[int | None, int | None]]()
    for each in wrong:
        if each.mistake.kind == kind:
            classes = each.mistake.annotated, each.mistake.predicted
            so_far[classes] += 1
            (first if so_far[classes] <= _OF_A_KIND else rest).append(each)
    return (first + rest)[:EXAMPLES]


def _pool(project: Project) -> PoolSummary:
    ranking, cut = project.rankings.current(), _cropper(project)
    uncertain = []
    if ranking is not None:
        for image_id, detection_id in project.summary.least_certain(ranking.id, EXAMPLES, _OF_A_KIND):
            cells = {cell.detection_id: cell for cell in project.rankings.cells(ranking.id, image_id)}
            image, cell = project.images.get(image_id), cells[detection_id]
            uncertain.append(UncertainCell(image.name, cut(image, [cell.box]), cell))
    n_flagged = project.queue.flagged_in_pool()
    return PoolSummary(ranking, n_flagged, uncertain, cell_colours(project, ranking))


def _cropper(project: Project) -> Callable[[Image, Sequence[ArrayLike]], Crop]:
    """Return what cuts cells out of images; the last image stays decoded."""

    @lru_cache(maxsize=1)
    def pixels(image: Image) -> Pixels:
        return decode(project.images.content(image.id), image.layer)

    return lambda image, boxes: crop(pixels(image), boxes)


def versions() -> dict[str, str]:
    """Return the versions of this installation, torch's without loading it."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"rbcal": __version__, "Python": platform.python_version(), **packages}
