"""What a cluster costs: ``python -m tests.jobs.measure [IMAGES]``, by hand, on a quiet machine.

Scores a drawn pool here and on a local Ray in turn, and measures the parts that bound larger ones.
"""

from __future__ import annotations

import pickle
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from rbcal import synth
from rbcal.config import Backbone, ScoringConfig, TrainConfig
from rbcal.detector import checkpoint, devices
from rbcal.detector.faster_rcnn import build
from rbcal.jobs import ray_cluster, score, train
from rbcal.store.project import Project
from tests.jobs.tasks import nothing, weighed
from tests.jobs.test_pipeline import Silent

CONFIG = ScoringConfig()


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def drawn(path: Path, n_images: int) -> Project:
    """Return a project with a trained model and a pool of pictures of 640 x 480 with about 40 cells."""
    project = Project.create(path, classes=("disc", "slit", "spiky"))
    for seed in range(n_images + 4):
        pixels, truth = synth.draw(seed, n_cells=60, width=640, height=480, radius=20.0)
        content = synth.encode(pixels)
        size = {"width": 640, "height": 480}
        image_id = project.images.add(content, name=f"{seed}.png", group="slide", split="work", **size)
        if seed < 4:
            project.reviews.save(image_id, truth, origin="import", base_revision=0)
    train.train(project, TrainConfig(steps=40, device="cpu"), Silent())
    return project


def scoring(project: Project, n_images: int) -> None:
    """Print the rates here and there, in turn."""
    print(f"threads: {devices.n_cores()}")
    with ray_cluster.connected(ray_cluster.LOCAL) as workers:
        score.score(project, CONFIG, Silent(), ray="local")  # workers load torch and the weights
        for _ in range(3):
            here = timed(lambda: score.score(project, CONFIG, Silent()))
            there = timed(lambda: score.score(project, CONFIG, Silent(), ray="local"))
            print(f"score: here {n_images / here:.2f}, on the local Ray {n_images / there:.2f} images/s")
        print(f"detections in the file: {size_of(project, 'detection') / n_images / 1e3:.0f} kB an image")
        shards = list(score._shards(project, project.images.pool()))
        shards *= 160 // len(shards) + 1
        rate = len(shards) / timed(lambda: list(workers.results(weighed, shards, nothing)))
        size = np.mean([sum(map(len, shard.contents)) for shard in shards])
        print(f"tasks that do nothing: {rate:.0f} shards/s of {size / 1e6:.2f} MB")


def writing(project: Project) -> None:
    """Print how fast the one writer is, and how large what it gets and what it writes is."""
    model = project.models.serving()
    detector = checkpoint.load(project.models.checkpoint(model.id))
    scorer = score.Scorer(detector, CONFIG, ())
    pool = project.images.pool()[:16]
    scored = [each for _, each in score.score_here(project, pool, scorer, Silent())]
    n_cells = sum(len(cells) for _, cells in scored) / len(scored)
    print(f"{n_cells:.0f} cells an image, {len(pickle.dumps(scored)) / len(scored) / 1e3:.0f} kB of result")

    def write() -> None:
        for _ in range(20):
            ranking_id = project.rankings.begin(model.id, CONFIG)
            for image, what in zip(pool, scored, strict=True):
                project.rankings.add(ranking_id, image.id, *what)
            project.rankings.finish(ranking_id)

    rate = 20 * len(pool) / timed(write)
    print(f"writer: {rate:.0f} images/s, {rate * n_cells:.0f} detections/s")


def size_of(project: Project, table: str) -> int:
    """Return how many bytes of the file a table takes, in whole pages."""
    database = sqlite3.connect(project.path)
    [(size,)] = database.execute("SELECT sum(pgsize) FROM dbstat WHERE name = ?", (table,))
    database.close()
    return int(size)


def parameters() -> None:
    """Print what a detector weighs, and what of it learns."""
    backbones: tuple[Backbone, ...] = ("efficientnet_lite0", "vgg16")
    for backbone in backbones:
        config = replace(TrainConfig(), backbone=backbone, init="random", device="cpu")
        detector = build(config, 7, box_sides=np.full(4, 40, np.float32))
        learning = sum(parameter.numel() for parameter in detector.parameters())
        print(f"{backbone}: {learning:,} parameters, {4 * learning / 1e6:.0f} MB of gradients in float32")


if __name__ == "__main__":
    n_images = int(sys.argv[1]) if len(sys.argv) > 1 else 48
    with tempfile.TemporaryDirectory() as folder:
        project = drawn(Path(folder, "drawn.rbcal"), n_images)
        writing(project)
        scoring(project, n_images)
        project.close()
    parameters()
