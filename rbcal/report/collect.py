"""All that a report says, read from the project file at one moment; no torch is needed for it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from rbcal import __version__
from rbcal.evaluation.average_precision import precision_curves
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.evaluation.matching import Kind, Mistake, confusion, mistakes
from rbcal.evaluation.metrics import Evaluation
from rbcal.formats.crops import Crop, crop
from rbcal.formats.pictures import Pixels, decode
from rbcal.jobs.loaders import load_annotations
from rbcal.store.classes import CellClass
from rbcal.store.database import now
from rbcal.store.evaluations import CurvePoint
from rbcal.store.images import Counts, Image
from rbcal.store.models import Model
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking
from rbcal.store.simulations import Simulation
from rbcal.store.summary import Round
from rbcal.types import Ints

EXAMPLES = 12  # of each kind: two rows on paper
_OF_A_KIND = 2  # of the same classes, or of the same image: twelve times the same error teaches nothing
_SAME_AP = 1e-6  # a stored AP went through text
_PACKAGES = ("torch", "torchvision", "timm", "faster-coco-eval", "numpy", "streamlit")


@dataclass(frozen=True, eq=False)
class Wrong:
    """A place where the model and the annotations disagree, with its surroundings."""

    image: str
    crop: Crop
    mistake: Mistake


@dataclass(frozen=True, eq=False)
class Doubtful:
    """A cell that the current ranking found, with its surroundings."""

    image: str
    crop: Crop
    cell: Cell


@dataclass(frozen=True, eq=False)
class Errors:
    """What the model found in the test images beside what is annotated there.

    Parameters
    ----------
    confusion : (C + 1, C + 1) int64
        As :func:`rbcal.evaluation.matching.confusion` returns it.
    precision : (C, 101) float64
        As :func:`rbcal.evaluation.average_precision.precision_curves` returns it.
    changed : bool
        Annotations or classes were changed since the model was measured, so these are not the stored figures.
    examples : mapping of kind to sequence of Wrong
        The clearest contradictions of each kind, few of the same classes.
    """

    confusion: Ints
    precision: NDArray[np.float64]
    changed: bool
    examples: Mapping[Kind, Sequence[Wrong]]


@dataclass(frozen=True, eq=False)
class ReportData:
    """A project at the moment `made_at`, as far as a report tells of it.

    `synthetic` says that slides of it were drawn by a program. Classes that are merged are among `classes`,
    so that the one with label k is at position k. `evaluation` is that of the serving model; `errors` are
    None where its detections were not kept. `taught` and `apart` count the groups that may teach and those of
    the test set. `flagged` and `uncertain` are of the current ranking. `spot_checks` are green boxes of the
    serving model: wrong ones, and checked ones.
    """

    name: str
    synthetic: bool
    expert: str
    made_at: str
    classes: Sequence[CellClass]
    counts: Counts
    result: int
    apart: int
    rounds: Sequence[Round]
    test: Round | None
    expert_seconds: float
    curve: Sequence[CurvePoint]
    targets: Mapping[str, float]
    model: Model | None
    evaluation: Evaluation | None
    errors: Errors | None
    spot_checks: tuple[int, int]
    ranking: StoredRanking | None
    flagged: int | None
    uncertain: Sequence[Doubtful]
    simulation: Simulation | None
    points: Sequence[SimulationPoint]
    fingerprints: Mapping[str, str]
    versions: Mapping[str, str]


def collect(project: Project) -> ReportData:
    """Return all that a report says of a project as it is now."""
    with project.read_transaction():
        model, ranking, splits = (
            project.models.serving(),
            project.rankings.current(),
            list(project.images.group_splits().values()),
        )
        evaluation = None if model is None else project.evaluations.of(model.id)
        simulations = [(each, project.simulations.points(each.id)) for each in project.simulations.all()]
        simulation, points = next(((s, p) for s, p in reversed(simulations) if p), (None, []))
        return ReportData(
            name=project.name,
            synthetic=project.is_synthetic,
            expert=project.expert,
            made_at=now(),
            classes=project.classes.all(),
            counts=project.images.counts(),
            result=splits.count("work"),
            apart=splits.count("test"),
            rounds=project.summary.rounds("work"),
            test=next(iter(project.summary.rounds("test")), None),
            expert_seconds=project.reviews.expert_seconds(),
            curve=project.evaluations.curve(),
            targets=project.targets.all(),
            model=model,
            evaluation=evaluation,
            errors=None if model is None or evaluation is None else _errors(project, model, evaluation),
            spot_checks=(0, 0) if model is None else project.reviews.spot_checks(model.id),
            ranking=ranking,
            flagged=project.queue.flagged_in_pool(),
            uncertain=[] if ranking is None else _uncertain(project, ranking),
            simulation=simulation,
            points=points,
            fingerprints={split: project.summary.fingerprint(split) for split in ("work", "test")},
            versions=_versions(),
        )


def _errors(project: Project, model: Model, evaluation: Evaluation) -> Errors | None:
    found = project.evaluations.detections(model.id)
    images = [image for image in project.images.test() if image.id in found]
    if not any(image.n_cells for image in images):
        return None
    n_classes = len(project.classes.names())
    pairs = [(load_annotations(project, image), found[image.id]) for image in images]
    precision = precision_curves(pairs, n_classes)
    known = [np.nan if ap is None else ap for ap in evaluation.ap_50]
    known += [np.nan] * (n_classes - len(known))  # a class that is younger than the model
    same = np.allclose(precision.mean(axis=1), known, atol=_SAME_AP, equal_nan=True)
    look = _Looker(project)
    wrong = [(image, each) for image, pair in zip(images, pairs, strict=True) for each in mistakes(*pair)]
    wrong.sort(key=lambda each: -each[1].uncertainty)
    kinds: tuple[Kind, ...] = get_args(Kind)
    return Errors(
        confusion=confusion(pairs, n_classes),
        precision=precision,
        changed=not same or len(images) != evaluation.n_images,
        examples={kind: [look.at(*each) for each in _varied(wrong, kind)] for kind in kinds},
    )


def _varied(wrong: Iterable[tuple[Image, Mistake]], kind: Kind) -> list[tuple[Image, Mistake]]:
    """Return the first mistakes of a kind, few of the same classes; more of them only for want of others."""
    first: list[tuple[Image, Mistake]] = []
    rest: list[tuple[Image, Mistake]] = []
    seen = Counter[tuple[int | None, int | None]]()
    for image, each in wrong:
        if each.kind == kind:
            classes = each.annotated, each.predicted
            seen[classes] += 1
            (first if seen[classes] <= _OF_A_KIND else rest).append((image, each))
    return (first + rest)[:EXAMPLES]


def _uncertain(project: Project, ranking: StoredRanking) -> list[Doubtful]:
    look = _Looker(project)
    found = []
    for image_id, detection_id in project.summary.least_certain(ranking.id, EXAMPLES, _OF_A_KIND):
        cells = {cell.detection_id: cell for cell in project.rankings.cells(ranking.id, image_id)}
        image, cell = project.images.get(image_id), cells[detection_id]
        found.append(Doubtful(image.name, crop(look.pixels(image), cell.box), cell))
    return found


class _Looker:
    """Cuts cells out of images; the last image stays decoded."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._last: tuple[int, Pixels] | None = None

    def pixels(self, image: Image) -> Pixels:
        if self._last is None or self._last[0] != image.id:
            self._last = image.id, decode(self._project.images.content(image.id), image.layer)
        return self._last[1]

    def at(self, image: Image, mistake: Mistake) -> Wrong:
        """Return a mistake with what is around both of its boxes."""
        boxes = np.array([box for box in (mistake.box, mistake.found) if box is not None], np.float32)
        hull = np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])
        return Wrong(image.name, crop(self.pixels(image), hull), mistake)


def _versions() -> dict[str, str]:
    """Return the versions of this installation, torch's without loading it."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"rbcal": __version__, "Python": platform.python_version(), **packages}
