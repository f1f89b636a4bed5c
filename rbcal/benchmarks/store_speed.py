"""How fast a project file is when it is large, measured on one that is drawn for it.

Nothing here loads torch. Times depend on the machine; the ratios to a bare sqlite3 script over the same rows
do not.
"""

from __future__ import annotations

import hashlib
import platform
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from rbcal import __version__, synth
from rbcal.acquisition.relevance import Score
from rbcal.acquisition.strategies import DEFAULT_STRATEGY
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.formats import pictures
from rbcal.formats.dataset import Box, Dataset, LabelledImage
from rbcal.interchange.import_images import import_images
from rbcal.jobs import rank
from rbcal.jobs.cells import AskedCell
from rbcal.review.wall import Wall
from rbcal.store.log import BoxState
from rbcal.store.project import Project
from rbcal.store.rankings import Cell
from rbcal.types import EMBEDDING_SIZE, Annotations, Floats

_CLASSES = ("disc", "slit", "spiky")
_WIDTH, _HEIGHT = 640, 480  # of a picture
_PASSES = 20
_ROUND = 200  # images that are opened and saved
_COMPARED = 300  # images that go through the bare script
_EMBEDDED_IMAGES = 64  # annotated images, whose cells the strategies compare those of the pool with
_SCREENS = 40  # of cells, that are named
_LIKES = 20  # cells of which others that look like them are asked for, after a first one
_FILMSTRIP = 12  # images whose thumbnails the Review page shows


def bench_store(folder: Path, *, n_images: int, n_boxes: int, say: Callable[[str], object]) -> dict[str, Any]:
    """Draw a project, half of it annotated and half a ranked pool, work in it, and return what it took.

    Parameters
    ----------
    folder : Path
        An empty one, with room for about 65 kB an image.
    n_images, n_boxes : int
        In all; the boxes are spread evenly.
    say : callable
        Gets a line before each stage.
    """
    drawing = _Drawing(n_images, n_boxes)
    path = folder / "large.rbcal"
    with Project.create(path, classes=_CLASSES, rare=_CLASSES[-1:]) as project:
        say(f"Importing {n_images:,} images, half of them with boxes")
        imported = _import(project, drawing)
        say("Ranking the other half")
        _rank(project, drawing)
    say("Opening it, and reviewing")
    document = {
        "machine": {"rbcal": __version__, "python": platform.python_version(), "system": platform.platform()},
        "sqlite": sqlite3.sqlite_version,
        "images": n_images,
        "boxes": n_boxes,
        "file_mb": path.stat().st_size / 1e6,
        "import": imported,
        **_review(path),
    }
    say("Beside a bare sqlite3 script")
    return {**document, "ratio_to_bare_sqlite3": _compare(folder, path, drawing)}


class _Drawing:
    """Pictures and boxes, made when they are asked for: the same picture, with other bytes at its end."""

    def __init__(self, n_images: int, n_boxes: int) -> None:
        pixels, _ = synth.draw(0, width=_WIDTH, height=_HEIGHT, n_cells=60)
        self._picture = synth.encode(pixels, "JPEG")
        self.n_images, self.per_image = n_images, max(1, n_boxes // n_images)

    def content(self, number: int) -> bytes:
        return self._picture + number.to_bytes(8, "little")

    def boxes(self, number: int) -> np.ndarray[Any, np.dtype[np.float32]]:
        rng = np.random.default_rng(number)
        corners = rng.uniform(0, (_WIDTH - 60, _HEIGHT - 60), (self.per_image, 2))
        return np.hstack([corners, corners + rng.uniform(15, 60, corners.shape)]).astype(np.float32)

    def labels(self, number: int) -> Any:
        return np.random.default_rng(number).integers(0, len(_CLASSES), self.per_image)

    def annotations(self, number: int) -> Annotations:
        return Annotations(self.boxes(number), self.labels(number))

    def cells(self, number: int) -> list[Cell]:
        boxes, rng = self.boxes(number), np.random.default_rng(number)
        probs = rng.dirichlet(np.ones(1 + len(_CLASSES)), len(boxes)).astype(np.float32)
        u_d, u_c, bald, agreement, rate = rng.uniform(size=(5, len(boxes))).tolist()
        embeddings = self.embeddings(number)
        return [
            Cell(
                0,
                box,
                u_d[k],
                u_c[k],
                0.0,
                probs[k],
                np.repeat(box[None], _PASSES, axis=0),
                bald[k],
                agreement[k],
                rate[k],
                embeddings[k],
            )
            for k, box in enumerate(boxes)
        ]

    def embeddings(self, number: int) -> Floats:
        return np.random.default_rng(number).normal(size=(self.per_image, EMBEDDING_SIZE)).astype(np.float32)


# ---- the life of a project -----------------------------------------------------------------------------


def _import(project: Project, drawing: _Drawing) -> dict[str, float]:
    names = [f"{number:06}.jpg" for number in range(drawing.n_images)]
    images = tuple(
        LabelledImage(
            name,
            _WIDTH,
            _HEIGHT,
            group=f"slide {number // 20}",
            boxes=[_box(row) for row in drawing.boxes(number).tolist()],
            classes=[_CLASSES[label] for label in drawing.labels(number)],
        )
        for number, name in enumerate(names[: drawing.n_images // 2])
    )
    memory: list[float] = []

    def track(on_their_way: Sequence[LabelledImage]) -> Iterator[LabelledImage]:
        for place, image in enumerate(on_their_way):
            if place % (drawing.n_images // 2) == drawing.n_images // 4:
                memory.append(_used_mib())
            yield image

    begun = time.perf_counter()
    import_images(
        project,
        {name: partial(drawing.content, number) for number, name in enumerate(names)},
        annotations=Dataset(images, _CLASSES),
        track=track,
    )
    seconds = time.perf_counter() - begun
    return {
        "seconds": seconds,
        "images_per_second": drawing.n_images / seconds,
        "mib_after_a_quarter": memory[-2],
        "mib_after_three_quarters": memory[-1],
    }


def _rank(project: Project, drawing: _Drawing) -> None:
    annotated, pool = project.images.annotated(), project.images.pool()
    model_id = project.models.add(TrainConfig(), b"no weights", {"train": annotated[:1]}, 0.0)
    project.models.promote(model_id, "gate")
    ranking_id = project.rankings.begin(model_id, ScoringConfig())
    for number, image in enumerate(pool, start=drawing.n_images // 2):
        cells = drawing.cells(number)
        n = len(cells)
        score = Score(float(number * 7919 % 1000), n, n // 2, n // 3, n // 4, 0)
        project.rankings.add(ranking_id, image.id, score, cells)
    project.rankings.save_annotated_embeddings(
        ranking_id, np.concatenate([drawing.embeddings(k) for k in range(_EMBEDDED_IMAGES)])
    )
    project.rankings.finish(ranking_id)


def _review(path: Path) -> dict[str, Any]:
    opening = _seconds(lambda: _open(path))
    with Project.open(path) as project:
        reordering = _seconds(lambda: rank.rerank(project, DEFAULT_STRATEGY))
        queue = max(_seconds(lambda: _queue(project)) for _ in range(5))
        order = [image_id for image_id, _ in project.queue.order()]
        opened, saved, memory = [], [], [_used_mib()]
        for place, image_id in enumerate(order[: min(_ROUND, len(order) // 2)]):
            opened.append(_seconds(lambda: _open_image(project, image_id, order[place : place + _FILMSTRIP])))  # noqa: B023
            saved.append(_seconds(lambda: _save(project, image_id)))  # noqa: B023
        memory.append(_used_mib())
        cells = _name_cells(project)
    return {
        "open_s": opening,
        "reorder_s": reordering,
        "queue_s": queue,
        "next_image_p95_s": float(np.percentile(opened, 95)),
        "save_p95_s": float(np.percentile(saved, 95)),
        "reviewed": len(opened),
        "mib_before_reviewing": memory[0],
        "mib_after_reviewing": memory[1],
        **cells,
    }


def _name_cells(project: Project) -> dict[str, float]:
    """Time screens of the wall: until the next cells are known, and until they are stored."""
    wall, filled, settled, shown = Wall(), [], [], []
    for _ in range(_SCREENS):
        filled.append(_seconds(lambda: wall.fill(project)))
        shown += wall.screen
        answers = {cell.id: cell.label for cell in wall.screen}
        settled.append(_seconds(lambda: wall.settle(project, answers, seconds=1.0)))  # noqa: B023
    first, *later = [_seconds(partial(_show_like, project, wall, cell)) for cell in shown[: 1 + _LIKES]]
    return {
        "next_cells_p95_s": float(np.percentile(filled, 95)),
        "save_cells_p95_s": float(np.percentile(settled, 95)),
        "first_more_like_s": first,
        "more_like_p95_s": float(np.percentile(later, 95)),
    }


def _show_like(project: Project, wall: Wall, cell: AskedCell) -> None:
    wall.more_like(cell)
    wall.fill(project)


def _open(path: Path) -> None:
    """Read what the Project page shows."""
    with Project.open(path) as project:
        project.images.counts()
        project.reviews.cells_per_class()
        project.models.serving()
        project.rankings.current()


def _queue(project: Project) -> None:
    """Read the order of the pool, and what the strip shows of its first images."""
    project.queue.entries([image_id for image_id, _ in project.queue.order()][:_FILMSTRIP])


def _open_image(project: Project, image_id: int, filmstrip: Sequence[int]) -> None:
    """Read and make what the Review page shows of an image, without Streamlit's own share."""
    image, work, ranking = (
        project.images.get(image_id),
        project.log.work(image_id),
        project.rankings.current(),
    )
    if ranking is None or work.version:
        raise RuntimeError("The images of the pool are ranked, and nobody has worked on them.")
    project.rankings.cells(ranking.id, image_id)
    project.queue.order()
    project.queue.entries(filmstrip)
    pictures.display(project.images.content(image_id), image.layer)
    for each in filmstrip:
        if project.images.thumbnail(each) is None:
            project.images.save_thumbnail(each, pictures.thumbnail(project.images.content(each)))


def _save(project: Project, image_id: int) -> None:
    """Accept what the model found, and store it."""
    ranking = project.rankings.current()
    cells = project.rankings.cells(ranking.id, image_id) if ranking else []
    boxes = {
        number: BoxState(_box(cell.box.tolist()), cell.label, "kept", cell.detection_id)
        for number, cell in enumerate(cells)
    }
    with project.transaction():
        version = project.log.record(
            image_id, "begin", boxes, version=0, ranking_id=ranking.id if ranking else None
        )
        project.reviews.save_boxes(image_id, boxes, origin="expert", version=version, seconds=1.0)


# ---- beside a bare script ------------------------------------------------------------------------------


def _compare(folder: Path, large: Path, drawing: _Drawing) -> dict[str, float]:
    """Return how many times as long the store takes as a script that only moves the same rows."""
    numbers = range(min(_COMPARED, drawing.n_images))
    with Project.create(folder / "ours.rbcal", classes=_CLASSES) as project:
        ours = _seconds(lambda: _insert(project, drawing, numbers))
    Project.create(folder / "bare.rbcal", classes=_CLASSES).close()
    with closing(sqlite3.connect(folder / "bare.rbcal", isolation_level=None)) as bare:
        bare.execute("PRAGMA synchronous=FULL")
        theirs = _seconds(lambda: _insert_bare(bare, drawing, numbers))
    ratios = {"insert": ours / theirs}
    with Project.open(large) as project, closing(sqlite3.connect(large)) as bare:
        reviews = [image.review_id for image in project.images.annotated()[: len(numbers)]]
        pool = [image_id for image_id, _ in project.queue.order()[: len(numbers)]]
        ranking = project.rankings.current()
        ranking_id = ranking.id if ranking else 0
        ratios["read_annotations"] = _ratio(
            reviews,
            lambda review_id: project.reviews.annotations(review_id),
            lambda review_id: bare.execute(
                "SELECT x1, y1, x2, y2, class_id, detection_id, review_status FROM annotation"
                " WHERE review_id = ? ORDER BY id",
                (review_id,),
            ).fetchall(),
        )
        ratios["read_detections"] = _ratio(
            pool,
            lambda image_id: project.rankings.cells(ranking_id, image_id),
            lambda image_id: bare.execute(
                "SELECT id, u_d, u_c, u_r, x1, y1, x2, y2, probs, passes FROM detection"
                " WHERE ranking_id = ? AND image_id = ? ORDER BY id",
                (ranking_id, image_id),
            ).fetchall(),
        )
        ratios["read_pictures"] = _ratio(
            pool,
            project.images.content,
            lambda image_id: bare.execute(
                "SELECT content FROM image_content WHERE image_id = ?", (image_id,)
            ).fetchone(),
        )
    return ratios


def _insert(project: Project, drawing: _Drawing, numbers: Iterable[int]) -> None:
    for number in numbers:
        with project.transaction():
            image_id = project.images.add(
                drawing.content(number),
                name=f"{number}.jpg",
                width=_WIDTH,
                height=_HEIGHT,
                group=f"slide {number // 20}",
                split="work",
            )
            project.reviews.save(image_id, drawing.annotations(number), origin="import", base_revision=0)


def _insert_bare(bare: sqlite3.Connection, drawing: _Drawing, numbers: Iterable[int]) -> None:
    """Write the rows that :func:`_insert` writes, with the same hashes, durability and transactions."""
    for number in numbers:
        content, annotations = drawing.content(number), drawing.annotations(number)
        labels = annotations.labels.tolist()
        cells = [(*box, label) for box, label in zip(annotations.boxes.tolist(), labels, strict=True)]
        image, group, at = number + 1, number // 20 + 1, "2026-01-01T00:00:00.000+00:00"
        bare.execute("BEGIN IMMEDIATE")
        bare.execute("INSERT OR IGNORE INTO image_group VALUES (?, ?, 'work')", (group, f"slide {group}"))
        bare.execute(
            "INSERT INTO image (id, sha256, name, width, height, group_id, split, added_at)"
            " VALUES (?, ?, ?, ?, ?, ?, 'work', ?)",
            (image, hashlib.sha256(content).hexdigest(), f"{number}.jpg", _WIDTH, _HEIGHT, group, at),
        )
        bare.execute("INSERT INTO image_content VALUES (?, ?)", (image, content))
        bare.execute("INSERT INTO review VALUES (?, ?, 1, 'import', NULL, 0, ?)", (image, image, at))
        bare.execute(
            "INSERT INTO act VALUES (?, ?, 1, 'import', '', ?, 0, NULL, ?)", (image, image, at, image)
        )
        bare.executemany(
            "INSERT INTO event (image_id, version, box, x1_after, y1_after, x2_after, y2_after, class_after)"
            " VALUES (?, 1, ?, ?, ?, ?, ?, ?)",
            [(image, place, *cell) for place, cell in enumerate(cells)],
        )
        bare.executemany(
            "INSERT INTO annotation (review_id, x1, y1, x2, y2, class_id) VALUES (?, ?, ?, ?, ?, ?)",
            [(image, *cell) for cell in cells],
        )
        bare.execute("COMMIT")


def _ratio(things: Sequence[Any], ours: Callable[[Any], object], theirs: Callable[[Any], object]) -> float:
    """Return the ratio of the best of five rounds of each, taken in turn."""
    times = [
        (
            _seconds(lambda: [ours(each) for each in things]),
            _seconds(lambda: [theirs(each) for each in things]),
        )
        for _ in range(5)
    ]
    return min(time_ for time_, _ in times) / min(time_ for _, time_ in times)


def _used_mib() -> float:
    return float(psutil.Process().memory_info().rss / 2**20)


def _seconds(act: Callable[[], object]) -> float:
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def _box(sides: Sequence[float]) -> Box:
    x1, y1, x2, y2 = sides
    return x1, y1, x2, y2
