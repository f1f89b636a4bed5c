"""Fixtures that every folder of tests uses: a small project of synthetic slides."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# Each process of pytest-xdist and what it starts computes with its own share of the cores: two that both take
# all of them wait for each other more than they compute. Before torch, which reads it once.
if "PYTEST_XDIST_WORKER_COUNT" in os.environ:
    share = (os.cpu_count() or 1) // int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, share)))

import rbcal.detector  # noqa: F401  before torch: it sets how threads wait
from rbcal import synth
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.offline import sitecustomize

OFFLINE = Path(__file__).parent / "offline"


LONG_FILES = (  # in the order in which two processes begin them, so that none is left for the end
    *("test_loop.py", "test_pipeline.py", "test_launcher.py", "test_simulate.py", "test_cli.py"),
    *("test_trainer.py", "test_review.py", "test_comfort.py", "test_cell_review.py", "test_second_look.py"),
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes longest; leave out the long runs unless they are named.

    A second -m would replace one in addopts.
    """
    places = {name: place for place, name in enumerate(LONG_FILES)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))
    if "crash" in config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("crash")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("crash")]


@pytest.fixture(scope="session", autouse=True)
def _nobody_asks_for_the_network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Fail where a test, or a process that it starts, tried to reach another machine."""
    notes = tmp_path_factory.mktemp("network") / "attempts.txt"
    os.environ[sitecustomize.NOTES] = str(notes)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(OFFLINE), os.environ.get("PYTHONPATH")]))
    yield
    assert not notes.exists(), notes.read_text()


settings.register_profile("exact", derandomize=True, deadline=None)
settings.load_profile("exact")

CLASSES = ("disc", "slit", "spiky")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project with three classes; the last is rare."""
    with Project.create(tmp_path / "slides.rbcal", classes=CLASSES, rare=["spiky"]) as opened:
        yield opened


@pytest.fixture
def two_cores() -> Iterator[None]:
    """Compute on two cores, for what must come out the same although several compute."""
    from rbcal.detector import devices  # and torch, which most tests do without

    with devices.on_cores(2):
        yield


def add_image(
    project: Project, seed: int, *, group: str = "slide", split: str = "work", annotated: bool = False
) -> tuple[int, Annotations]:
    """Add a synthetic image to a project; return its id and what is on it."""
    pixels, annotations = synth.draw(seed, width=160, height=120, n_cells=8)
    content = synth.encode(pixels)
    image_id = project.images.add(
        content, name=f"{seed:03}.png", width=160, height=120, group=group, split=split
    )
    if annotated:
        project.reviews.save(image_id, annotations, origin="import", base_revision=0)
    return image_id, annotations


def write_coco(folder: Path, n_images: int = 8, *, n_groups: int = 4, **picture: int) -> Path:
    """Write synthetic images and their COCO file into a folder; return the COCO file."""
    images, annotations = [], []
    (folder / "images").mkdir(parents=True, exist_ok=True)
    for image_id in range(1, n_images + 1):
        pixels, cells = synth.draw(image_id, **{"width": 160, "height": 120, "n_cells": 8, **picture})
        name = f"{image_id:03}.png"
        (folder / "images" / name).write_bytes(synth.encode(pixels))
        height, width = pixels.shape[:2]
        group = f"slide {image_id % n_groups}"
        images.append({"id": image_id, "file_name": name, "width": width, "height": height, "group": group})
        for (x1, y1, x2, y2), label in zip(cells.boxes.tolist(), cells.labels.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": label + 1,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                }
            )
    categories = [{"id": label + 1, "name": name} for label, name in enumerate(CLASSES)]
    path = folder / "annotations.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path
