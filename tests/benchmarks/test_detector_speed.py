from __future__ import annotations

import json
from functools import partial

import pytest

from rbcal.benchmarks import detector_speed, drawn, training_speed
from rbcal.benchmarks.detector_speed import bench
from rbcal.benchmarks.tables import bench_table
from rbcal.config import TrainConfig


@pytest.mark.parametrize("seconds", [0, 0.1])
def test_the_document_has_its_ratios_and_a_table(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    monkeypatch.setattr(detector_speed, "_WARM_UP_STEPS", 1)
    monkeypatch.setattr(training_speed, "_TIMED_STEPS", 1)
    monkeypatch.setattr(training_speed, "TrainConfig", partial(TrainConfig, crops=4))
    monkeypatch.setattr(detector_speed, "_POOLS", (1, 2))
    monkeypatch.setattr(drawn, "WIDTH", 128)
    monkeypatch.setattr(drawn, "HEIGHT", 96)
    small = {name: partial(model, min_size=96, max_size=128) for name, model in training_speed._STOCK.items()}
    monkeypatch.setattr(training_speed, "_STOCK", small)
    said: list[str] = []
    document = bench(
        backbones=["efficientnet_lite0"],
        device="cpu",
        passes=3,
        n_pictures=2,
        train_seconds=seconds,
        say=said.append,
    )
    found = json.loads(json.dumps(document))["scoring"]["efficientnet_lite0"]
    assert 0.5 < found["ratio_to_plain"] < 20
    assert found["speedup_over_full_passes"] > 1
    assert sum(found["stages_s"].values()) < 3 * found["scoring_s"]
    assert ("training" in document) == (seconds > 0)
    table = bench_table(document)
    assert "x a plain pass" in table
    assert ("fasterrcnn_resnet50_fpn" in table) == (seconds > 0)
    assert said
