"""Scoring the pool as a job: in this process, or on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import lru_cache, partial

import numpy as np

from rbcal.acquisition.strategies import DEFAULT_STRATEGY, check_strategy
from rbcal.class_merges import Merges
from rbcal.config import ScoringConfig
from rbcal.detector import checkpoint, devices
from rbcal.formats.pictures import decode
from rbcal.jobs import live, ray_cluster
from rbcal.jobs.evaluate import load_detector, serving_model
from rbcal.jobs.image_scorer import ScoredImage, Scorer
from rbcal.jobs.loaders import decoded, load_annotations
from rbcal.jobs.out_of_memory import log_tiles
from rbcal.jobs.progress import ProgressReporter
from rbcal.jobs.rank import rank_stored
from rbcal.jobs.ray_cluster import Cluster, Shared
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.types import CROP_EMBEDDING_SIZE, EMBEDDING_SIZE, Floats
from rbcal.wording import count

_EMBEDDED_IMAGES = 64  # annotated images; enough to know which appearances are well covered
_EMBEDDED_CELLS = 20_000  # annotated cells, the last ones, that live names are fitted to: a minute of a CPU
_SHARD = 8  # images; long enough for the way there and back to hardly count, short enough for a cancel
_SHARD_BYTES = 16 * 2**20  # of image files, at most, unless one alone is larger


def score(
    project: Project,
    config: ScoringConfig,
    progress: ProgressReporter,
    strategy: str = DEFAULT_STRATEGY,
    ray: str | None = None,
) -> int:
    """Find and score the cells of every image in the pool, order it, and return the id of the new ranking.

    Parameters
    ----------
    ray : str, optional
        Address of a Ray cluster whose workers look at the images; what they find is what is found here.
    """
    check_strategy(strategy)
    model = serving_model(project)
    detector = load_detector(project, model)
    # A class that joined the project after the training is unknown to the model: it cannot look for it.
    merges = project.classes.merges()
    trained = {merges.target(label) for label in range(detector.blueprint.n_classes)}
    rare = [label for label in project.classes.rare_labels() if label in trained]
    pool = [*project.images.pool(), *project.images.read_in_part()]
    pool += map(project.images.get, project.splits.waiting())
    scorer = Scorer(detector, config, rare, merges)
    with project.transaction():  # the head says of which size the embeddings are
        ranking_id = project.rankings.begin(model.id, config)
        if scorer.last_layer is not None:
            project.live_heads.begin(ranking_id, scorer.last_layer)
    log_tiles(detector, pool, progress)
    with ExitStack() as stack:
        if ray is None:
            scored = score_here(project, pool, scorer, progress)
        else:
            progress.stage("Connecting to the cluster")
            workers = stack.enter_context(ray_cluster.connected(ray))
            weights = workers.share(project.models.checkpoint(model.id))
            setup = WorkerSetup(weights, config, tuple(rare), merges, devices.n_cores())
            scored = score_on_cluster(project, pool, workers, setup, progress)
        progress.stage("Looking at the images that wait", len(pool))
        for done, (image, score_and_cells) in enumerate(stack.enter_context(closing(scored)), start=1):
            project.rankings.add(ranking_id, image.id, *score_and_cells)
            progress.advance(done)
    embed = _annotated_embeddings if scorer.last_layer is None else _embed_annotated
    project.rankings.save_annotated_embeddings(
        ranking_id, embed(project, ranking_id, scorer, config, progress)
    )
    progress.stage("Sorting the images")
    with project.transaction():
        rank_stored(project, project.rankings.get(ranking_id), strategy, config.seed)
        project.rankings.finish(ranking_id)
    learnt = live.update(project)  # what the expert answered while the model was being trained
    if learnt is not None and learnt.n_new:
        new = count(learnt.n_new, "cell")
        progress.log(f"Names learn from {new} that model {model.id} was not trained on")
    progress.log(f"{count(len(pool), 'image')} sorted with model {model.id}, in the order of {strategy}")
    return ranking_id


def _annotated_embeddings(
    project: Project, _ranking_id: int, scorer: Scorer, config: ScoringConfig, progress: ProgressReporter
) -> Floats:
    """Return what the model makes of cells in annotated images, (M, D): some of them, drawn at random."""
    drawn = _drawn(project.images.annotated(), config)
    progress.stage("Looking at annotated images", len(drawn))
    embeddings = [np.empty((0, EMBEDDING_SIZE), np.float32)]
    for _, pixels in decoded(project.file, drawn):
        embeddings.append(scorer.embeddings(pixels, progress))
        progress.advance(len(embeddings) - 1)
    return np.concatenate(embeddings)


def _embed_annotated(
    project: Project, ranking_id: int, scorer: Scorer, config: ScoringConfig, progress: ProgressReporter
) -> Floats:
    """Store what the second look makes of annotated cells, for live names; return some of it, (M, D)."""
    annotated = [image for image in project.images.annotated() if image.n_boxes]
    drawn = {image.id for image in _drawn(annotated, config)}
    annotated.sort(key=lambda image: -(image.review_id or 0))
    before = np.cumsum([0, *(image.n_boxes for image in annotated)])
    latest = [image for image, n in zip(annotated, before, strict=False) if n < _EMBEDDED_CELLS]
    progress.stage("Looking at annotated images", len(latest))
    some = [np.empty((0, CROP_EMBEDDING_SIZE), np.float32)]
    for done, (image, pixels) in enumerate(decoded(project.file, latest), start=1):
        embeddings = scorer.embeddings_of(load_annotations(project, image).boxes, pixels, progress)
        project.live_heads.add_annotated(ranking_id, image.review_id or 0, embeddings)
        if image.id in drawn:
            some.append(embeddings)
        progress.advance(done)
    return np.concatenate(some)


def _drawn(images: Sequence[Image], config: ScoringConfig) -> list[Image]:
    """Return some of the images, drawn at random, the same always."""
    drawn = np.random.default_rng([config.seed, *b"looks"]).permutation(len(images))[:_EMBEDDED_IMAGES]
    return [images[k] for k in drawn]


def score_here(
    project: Project, images: Sequence[Image], scorer: Scorer, progress: ProgressReporter
) -> Generator[tuple[Image, ScoredImage]]:
    """Yield each image with what is found in it, by this process."""
    for image, pixels in decoded(project.file, images):
        yield image, scorer(pixels, progress)


def score_on_cluster(
    project: Project,
    images: Sequence[Image],
    cluster: Cluster,
    setup: WorkerSetup,
    progress: ProgressReporter,
) -> Generator[tuple[Image, ScoredImage]]:
    """Yield the same, in the same order, by the workers of a cluster."""
    done: list[Image] = []

    def poll() -> None:
        progress.advance(len(done))

    shards = _shards(project, images)
    results = cluster.results(partial(_score_shard, setup), shards, poll, cores=setup.cores)
    with closing(results):
        for shard, (scored, lines) in results:
            for line in lines:
                progress.log(line)
            yield from zip(shard.images, scored, strict=True)
            done += shard.images


@dataclass(frozen=True)
class WorkerSetup:
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


class _LogLines:
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


def _score_shard(setup: WorkerSetup, shard: _Shard) -> tuple[list[ScoredImage], list[str]]:
    """Return what is found in each image of a shard, and what is to be logged; runs on a worker."""
    log_lines = _LogLines()
    with devices.on_cores(setup.cores):
        scorer = _scorer(setup)
        scored = [
            scorer(decode(content, image.layer), log_lines)
            for image, content in zip(shard.images, shard.contents, strict=True)
        ]
    return scored, log_lines.lines


@lru_cache(maxsize=1)
def _scorer(setup: WorkerSetup) -> Scorer:
    """Return the scorer of a worker, made for its first shard."""
    return Scorer(checkpoint.load(setup.weights.get(), "auto"), setup.config, setup.rare, setup.merges)
