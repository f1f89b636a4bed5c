"""Finding and scoring the cells of images: in this process, or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

from rbcal.boxes import Detections, Floats, Passes
from rbcal.config import ScoringConfig
from rbcal.formats.pictures import Pixels, decode
from rbcal.merging import NOTHING_MERGED, Merges
from rbcal.scoring.relevance import CellScores, flags, relevance, score_cells
from rbcal.scoring.uncertainty import box_agreement, detection_rate, mutual_information
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, Score
from rbcal.vision import checkpoint, devices, sampling
from rbcal.vision.detector import Detector
from rbcal.work.cluster import Cluster, Shared
from rbcal.work.looking import see
from rbcal.work.reading import pictures
from rbcal.work.reporting import Reporter

Found = tuple[Score, list[Cell]]
_SHARD = 8  # images; long enough for the way there and back to hardly count, short enough for a cancel
_SHARD_BYTES = 16 * 2**20  # of image files, at most, unless one alone is larger


class Scorer:
    """Scores one image after another with one detector; `rare` classes are those that the model knows.

    Classes that were merged, also after the model was trained, count as their targets.
    """

    def __init__(
        self, detector: Detector, config: ScoringConfig, rare: Sequence[int], merges: Merges = NOTHING_MERGED
    ) -> None:
        self._detector = detector
        self._config = config
        self._rare = rare
        self._merges = merges
        self._sampler = sampling.Sampler(detector, config)

    def looks(self, pixels: Pixels, tell: Reporter) -> Floats:
        """Return what the cells of an image look like, (N, D)."""
        return see(self._detector, self._sampler.see, pixels, tell).looks

    def __call__(self, pixels: Pixels, tell: Reporter) -> Found:
        """Return the score of an image, and its cells."""
        sight = _merged(see(self._detector, self._sampler.see, pixels, tell), self._merges)
        scores = score_cells(sight.detections, sight.passes, self._rare, self._config)
        return _score(scores, self._config), _cells(sight, scores)


def find_here(
    project: Project, images: Sequence[Image], scorer: Scorer, tell: Reporter
) -> Generator[tuple[Image, Found]]:
    """Yield each image with what is found in it, by this process."""
    for image, pixels in pictures(project.path, images):
        yield image, scorer(pixels, tell)


def find_on_cluster(
    project: Project,
    images: Sequence[Image],
    cluster: Cluster,
    orders: Orders,
    tell: Reporter,
) -> Generator[tuple[Image, Found]]:
    """Yield the same, in the same order, by the workers of a cluster."""
    done: list[Image] = []

    def poll() -> None:
        tell.advance(len(done))

    shards = _shards(project, images)
    results = cluster.results(partial(_find, orders), shards, poll, cores=orders.cores)
    with closing(results):
        for shard, (found, lines) in results:
            for line in lines:
                tell.log(line)
            yield from zip(shard.images, found, strict=True)
            done += shard.images


@dataclass(frozen=True)
class Orders:
    """How workers score: with which weights, and on how many cores, for the last digits depend on it."""

    weights: Shared[bytes]  # as :func:`checkpoint.save` wrote them
    config: ScoringConfig
    rare: tuple[int, ...]
    merges: Merges = field(hash=False)
    cores: int


@dataclass(frozen=True)
class _Shard:
    """Some images of the pool, with their files: whoever works on it does not see the project."""

    images: list[Image] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)


class _Notes:
    """A reporter that takes down the lines, for the process that has the project."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def stage(self, name: str, steps: int = 0, done: int = 0) -> None:
        """Nobody is told."""

    def advance(self, step: int, loss: float | None = None) -> None:
        """Nobody is told."""

    def log(self, line: str) -> None:
        """Take down a line."""
        self.lines.append(line)


def _shards(project: Project, images: Sequence[Image]) -> Iterator[_Shard]:
    """Yield the images in their order, some at a time; a file is read when its shard is asked for."""
    shard = _Shard()
    for image in images:
        shard.images.append(image)
        shard.contents.append(project.images.content(image.id))
        if len(shard.images) == _SHARD or sum(map(len, shard.contents)) > _SHARD_BYTES:
            yield shard
            shard = _Shard()
    if shard.images:
        yield shard


def _find(orders: Orders, shard: _Shard) -> tuple[list[Found], list[str]]:
    """Return what is found in each image of a shard, and what is to be logged; runs on a worker."""
    notes = _Notes()
    with devices.on_cores(orders.cores):
        scorer = _scorer(orders)
        found = [
            scorer(decode(content, image.layer), notes)
            for image, content in zip(shard.images, shard.contents, strict=True)
        ]
    return found, notes.lines


@lru_cache(maxsize=1)
def _scorer(orders: Orders) -> Scorer:
    """Return the scorer of a worker, made for its first shard."""
    return Scorer(checkpoint.load(orders.weights.get(), "auto"), orders.config, orders.rare, orders.merges)


def _merged(sight: sampling.Sight, merges: Merges) -> sampling.Sight:
    if not merges:
        return sight
    found, passes = sight.detections, sight.passes
    return replace(
        sight,
        detections=Detections(found.boxes, merges.probs(found.probs)),
        passes=Passes(passes.boxes, merges.probs(passes.probs)),
    )


def _score(scores: CellScores, config: ScoringConfig) -> Score:
    fired = flags(scores, config)
    return Score(
        relevance=relevance(scores, config),
        n_cells=len(scores.u_d),
        n_flagged=int(fired.any.sum()),
        n_class=int(fired.class_unsure.sum()),
        n_box=int(fired.box_unsure.sum()),
        n_rare=int(fired.maybe_rare.sum()),
    )


def _cells(sight: sampling.Sight, scores: CellScores) -> list[Cell]:
    columns = zip(
        sight.detections.boxes,
        scores.u_d.tolist(),
        scores.u_c.tolist(),
        scores.u_r.tolist(),
        sight.detections.probs,
        sight.passes.boxes.swapaxes(0, 1),
        mutual_information(sight.passes).tolist(),
        box_agreement(sight.passes).tolist(),
        detection_rate(sight.passes).tolist(),
        sight.looks,
        strict=True,
    )
    return [Cell(0, *column) for column in columns]
