"""All that a report says, read from the project file at one moment; no torch is needed for it."""

from __future__ import annotations

import platform
import random
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from rbcal import __version__
from rbcal.boxes import Annotations, Detections, Floats, Ints
from rbcal.formats.crops import Crop, crop
from rbcal.formats.pictures import Pixels, decode
from rbcal.matching import NOBODY, confusion, is_cell, match
from rbcal.metrics import Evaluation
from rbcal.store.classes import CellClass
from rbcal.store.database import now
from rbcal.store.evaluations import CurvePoint
from rbcal.store.images import Counts, Image
from rbcal.store.models import Model
from rbcal.store.project import Project
from rbcal.store.rankings import Ranking
from rbcal.store.simulations import Simulation, SimulationPoint
from rbcal.store.summary import Round
from rbcal.vision.evaluation import precision_curves
from rbcal.work.reading import annotations_of

EXAMPLES = 12  # of each kind: two rows on paper
_OF_A_KIND = 2  # of the same classes, or of the same image: twelve times the same error teaches nothing
_SAME_AP = 1e-6  # a stored AP went through text
_PACKAGES = ("torch", "torchvision", "timm", "faster-coco-eval", "numpy", "streamlit")

_Candidate = TypeVar("_Candidate")


@dataclass(frozen=True, eq=False)
class Example:
    """A cell to look at: its surroundings, what the expert said of it, and what the model did.

    `annotated` and `found` (4,) are boxes in image pixels, None where there is none; `label` is the annotated
    class, `probs` (C + 1,) the distribution of the model, `u_c` and `u_d` its scores in a ranking.
    """

    image: str
    crop: Crop
    annotated: Floats | None = None
    label: int | None = None
    found: Floats | None = None
    probs: Floats | None = None
    u_c: float | None = None
    u_d: float | None = None


@dataclass(frozen=True, eq=False)
class Errors:
    """What the model found in the test images beside what is annotated there.

    Parameters
    ----------
    confusion : (C + 1, C + 1) int64
        As :func:`rbcal.matching.confusion` returns it.
    precision : (C, 101) float64
        As :func:`rbcal.vision.evaluation.precision_curves` returns it.
    changed : bool
        The test set was annotated anew since the model was measured, so these are not the stored figures.
    confused, missed, false : sequences of Example
        The surest confusions and false positives, and misses drawn at random.
    """

    confusion: Ints
    precision: NDArray[np.float64]
    changed: bool
    confused: Sequence[Example]
    missed: Sequence[Example]
    false: Sequence[Example]


@dataclass(frozen=True, eq=False)
class Gathered:
    """A project at the moment `made_at`, as far as a report tells of it.

    `evaluation` is that of the serving model; `errors` are None where its detections were not kept. `taught`
    and `apart` count the groups that may teach and those of the test set. `flagged` and `uncertain` are of
    the current ranking. `spot_checks` are green boxes of the serving model: wrong ones, and checked ones.
    """

    name: str
    expert: str
    made_at: str
    classes: Sequence[CellClass]
    counts: Counts
    taught: int
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
    ranking: Ranking | None
    flagged: int | None
    uncertain: Sequence[Example]
    simulation: Simulation | None
    points: Sequence[SimulationPoint]
    fingerprints: Mapping[str, str]
    versions: Mapping[str, str]


def gather(project: Project) -> Gathered:
    """Return all that a report says of a project as it is now."""
    with project.moment():
        model, ranking, splits = (
            project.models.serving(),
            project.rankings.current(),
            list(project.images.group_splits().values()),
        )
        evaluation = None if model is None else project.evaluations.of(model.id)
        simulations = [(each, project.simulations.points(each.id)) for each in project.simulations.all()]
        simulation, points = next(((s, p) for s, p in reversed(simulations) if p), (None, []))
        return Gathered(
            name=project.name,
            expert=project.expert,
            made_at=now(),
            classes=project.classes.all(),
            counts=project.images.counts(),
            taught=splits.count("work"),
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
            flagged=project.rankings.flagged_in_pool(),
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
    pairs = [(annotations_of(project, image), found[image.id]) for image in images]
    precision = precision_curves(pairs, n_classes)
    known = [np.nan if ap is None else ap for ap in evaluation.ap_50]
    known += [np.nan] * (n_classes - len(known))  # a class that is younger than the model
    same = np.allclose(precision.mean(axis=1), known, atol=_SAME_AP, equal_nan=True)
    confused, missed, false = _worst(images, pairs)
    look = _Looker(project)
    return Errors(
        confusion=confusion(pairs, n_classes),
        precision=precision,
        changed=not same or len(images) != evaluation.n_images,
        confused=[look.at(image, truth, m, guess, n) for image, truth, guess, m, n in confused],
        missed=[look.at(image, truth, m, guess, None) for image, truth, guess, m, _ in missed],
        false=[look.at(image, truth, None, guess, n) for image, truth, guess, _, n in false],
    )


_Cell = tuple[Image, Annotations, Detections, int, int]  # the positions of the annotated cell and its partner


def _worst(
    images: Sequence[Image], pairs: Sequence[tuple[Annotations, Detections]]
) -> tuple[list[_Cell], list[_Cell], list[_Cell]]:
    """Return the confusions, misses and false positives that are worth a look."""
    confused: list[_Cell] = []
    missed: list[_Cell] = []
    false: list[_Cell] = []
    for image, (truth, guess) in zip(images, pairs, strict=True):
        matched = match(truth, guess)
        for m, n in enumerate(matched.annotation.tolist()):
            if n == NOBODY:
                missed.append((image, truth, guess, m, NOBODY))
            elif guess.labels[n] != truth.labels[m]:
                confused.append((image, truth, guess, m, n))
        alone = np.flatnonzero(is_cell(guess) & (matched.detection == NOBODY))
        false += [(image, truth, guess, NOBODY, int(n)) for n in alone]
    random.Random(0).shuffle(missed)
    confused.sort(key=lambda each: -float(each[2].scores[each[4]]))
    false.sort(key=lambda each: float(each[2].probs[each[4], 0]))
    return (
        _varied(confused, lambda each: (each[1].labels[each[3]], each[2].labels[each[4]])),
        _varied(missed, lambda each: each[1].labels[each[3]]),
        _varied(false, lambda each: each[2].labels[each[4]]),
    )


def _varied(candidates: Iterable[_Candidate], kind: Callable[[_Candidate], Hashable]) -> list[_Candidate]:
    """Return the first candidates, few of a kind; more of it only where there is nothing else."""
    first: list[_Candidate] = []
    rest: list[_Candidate] = []
    seen = Counter[Hashable]()
    for each in candidates:
        seen[kind(each)] += 1
        (first if seen[kind(each)] <= _OF_A_KIND else rest).append(each)
    return (first + rest)[:EXAMPLES]


def _uncertain(project: Project, ranking: Ranking) -> list[Example]:
    look = _Looker(project)
    examples = []
    for image_id, detection_id in project.summary.least_certain(ranking.id, EXAMPLES, _OF_A_KIND):
        [cell] = (
            each for each in project.rankings.cells(ranking.id, image_id) if each.detection_id == detection_id
        )
        image = project.images.get(image_id)
        examples.append(
            Example(
                image.name,
                crop(look.pixels(image), cell.box),
                found=cell.box,
                probs=cell.probs,
                u_c=cell.u_c,
                u_d=cell.u_d,
            )
        )
    return examples


class _Looker:
    """Cuts cells out of images; the last image stays decoded."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._last: tuple[int, Pixels] | None = None

    def pixels(self, image: Image) -> Pixels:
        if self._last is None or self._last[0] != image.id:
            self._last = image.id, decode(self._project.images.content(image.id), image.layer)
        return self._last[1]

    def at(
        self, image: Image, truth: Annotations, m: int | None, guess: Detections, n: int | None
    ) -> Example:
        """Return an annotated cell, a detection, or both."""
        boxes = [] if m is None else [truth.boxes[m]]
        boxes += [] if n is None else [guess.boxes[n]]
        hull = np.concatenate([np.min(boxes, axis=0)[:2], np.max(boxes, axis=0)[2:]])
        return Example(
            image.name,
            crop(self.pixels(image), hull),
            annotated=None if m is None else truth.boxes[m],
            label=None if m is None else int(truth.labels[m]),
            found=None if n is None else guess.boxes[n],
            probs=None if n is None else guess.probs[n],
        )


def _versions() -> dict[str, str]:
    """Return the versions of this installation, torch's without loading it."""
    packages = {name: metadata.version(name) for name in _PACKAGES}
    return {"rbcal": __version__, "Python": platform.python_version(), **packages}
