from __future__ import annotations

import json
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import torch as safetensors

from rbcal.config import ScoringConfig
from rbcal.detector.checkpoint import load, save
from rbcal.detector.devices import resolve_device
from rbcal.detector.faster_rcnn import Blueprint, Detector, build, widen
from rbcal.detector.mc_dropout import detect, sample
from rbcal.errors import DetectorError, TrainingError
from rbcal.types import Floats
from tests.detector.conftest import RANDOM, picture


def sides(*pixels: float) -> Floats:
    return np.array(pixels, np.float32)


def built(box_sides: Floats) -> Blueprint:
    return build(RANDOM, 3, box_sides=box_sides).blueprint


def test_a_cell_is_five_features_wide_whatever_its_size_in_the_image() -> None:
    assert built(sides(15, 20, 25)).scale == 2
    assert built(sides(150, 160, 170)).scale == 0.25


def test_a_scale_close_to_1_leaves_the_pixels_alone() -> None:
    assert built(sides(41, 41, 41)).scale == 1


def test_anchors_span_the_cells_without_gaps() -> None:
    anchors = np.array(built(np.linspace(20, 80, 101, dtype=np.float32)).anchor_sides)
    assert anchors[[0, -1]] == pytest.approx([23 * 0.8, 77 * 0.8])
    assert (anchors[1:] / anchors[:-1]).max() <= 1.5


def test_cells_of_one_size_have_one_anchor() -> None:
    assert built(sides(40, 40)).anchor_sides == (40.0,)


def test_the_same_seed_builds_the_same_detector_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(1)
    a = build(RANDOM, 2, box_sides=sides(20)).state_dict()
    after = torch.rand(1)
    b = build(RANDOM, 2, box_sides=sides(20)).state_dict()
    c = build(replace(RANDOM, seed=1), 2, box_sides=sides(20)).state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)
    assert not all(torch.equal(a[key], c[key]) for key in a)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))


def test_a_project_without_annotated_cells_cannot_build() -> None:
    with pytest.raises(TrainingError, match="1 annotated cell; this project has 2 and 0"):
        build(RANDOM, 2, box_sides=sides())


def test_a_saved_detector_sees_what_the_original_saw(detector: Detector) -> None:
    copy = load(save(detector))
    copy.precision = detector.precision
    image, _ = picture(0)
    original, again = detect(detector, image), detect(copy, image)
    assert len(original) > 3
    np.testing.assert_array_equal(again.boxes, original.boxes)
    np.testing.assert_array_equal(again.probs, original.probs)
    one, other = (sample(which, image, ScoringConfig(passes=3))[1] for which in (detector, copy))
    np.testing.assert_array_equal(one.boxes, other.boxes)


def test_a_saved_vgg16_can_be_loaded_without_its_imagenet_weights(blueprint: Blueprint) -> None:
    copy = load(save(Detector(blueprint)))
    assert copy.blueprint == blueprint
    assert len(detect(copy, picture(0)[0]).probs.T) == 3


def test_an_image_without_proposals_has_no_cells(detector: Detector) -> None:
    torch.nn.init.constant_(detector.rpn.head.cls_logits.bias, -100)
    detections, passes = sample(detector, picture(0)[0], ScoringConfig(passes=2))
    assert (len(detections), len(passes), passes.n_passes) == (0, 0, 2)
    assert len(detect(detector, picture(0)[0])) == 0


@pytest.mark.parametrize("end", [0, 7, 100, 100_000, -1])
def test_a_truncated_file_is_refused(detector: Detector, end: int) -> None:
    with pytest.raises(DetectorError, match="damaged, or is not a detector of rbcal"):
        load(save(detector)[:end])


def test_a_pickle_is_refused_and_not_run() -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return eval, ("1/0",)

    with pytest.raises(DetectorError, match="damaged"):
        load(pickle.dumps(Malicious()))


WRONG = [
    {"head_width": 10**12},
    {"backbone": "resnet"},
    {"n_classes": 5},
    {"scale": 0},
    {"anchor_sides": []},
]


@pytest.mark.parametrize("change", [*WRONG, {"unknown": 1}])
def test_a_blueprint_that_does_not_fit_is_refused(detector: Detector, change: dict[str, object]) -> None:
    content = save(detector)
    length = int.from_bytes(content[:8], "little")
    settings = json.loads(json.loads(content[8 : 8 + length])["__metadata__"]["rbcal"]) | change
    with pytest.raises(DetectorError, match="damaged"):
        load(safetensors.save(safetensors.load(content), {"rbcal": json.dumps(settings)}))


def test_weights_without_a_blueprint_are_refused() -> None:
    with pytest.raises(DetectorError, match="not a detector"):
        load(safetensors.save({"weight": torch.zeros(1)}))


@pytest.mark.parametrize("name", ["tpu", "", "meta", "cuda:99"])
def test_a_device_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(DetectorError, match=f"no device '{name}'"):
        resolve_device(name)


def test_auto_finds_a_device() -> None:
    assert resolve_device("auto").type in ("cpu", "cuda")
    assert resolve_device("cpu") == torch.device("cpu")


def test_more_classes_leave_what_was_known_as_it_was(detector: Detector) -> None:
    image, _ = picture(0)
    wider = widen(detector, 4)
    wider.precision = detector.precision
    first = detector.roi_features(image).first
    (logits, deltas), (more_logits, more_deltas) = (
        detector.plain_pass(first),
        wider.plain_pass(wider.roi_features(image).first),
    )
    assert more_logits.shape[1] == 5
    torch.testing.assert_close(more_logits[:, :3], logits)
    torch.testing.assert_close(more_deltas[:, :12], deltas)
