from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torchvision.ops import box_iou

from rbcal.config import ScoringConfig
from rbcal.detector import mc_dropout
from rbcal.detector.crops import as_tensor, cut_out
from rbcal.detector.faster_rcnn import Detector
from rbcal.detector.mc_dropout import McDropout, detect, dropout_masks, sample, second_look_masks
from rbcal.detector.second_look import mixed
from rbcal.formats.pictures import Pixels
from rbcal.types import iou
from tests.detector.conftest import picture

CONFIG = ScoringConfig(passes=4, cell_threshold=0.3)


@torch.inference_mode()
def full_forward_pass(
    detector: Detector, image: Pixels, masks: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """The slow reference: everything from the pixels on, dropout as a product with a mask of 0 and 2."""
    working = detector.rescale(image, detector.blueprint.scale)
    batch = detector._batch([working])
    features = {"0": detector.backbone(batch.tensors)}
    proposals, _ = detector.rpn(batch, features)
    head = detector.roi_heads.box_head
    hidden = detector.roi_heads.box_roi_pool(features, proposals, batch.image_sizes).flatten(1)
    for layer, mask in zip((head.fc6, head.fc7), masks, strict=True):
        hidden = F.relu(layer(hidden)) * mask / (1 - head.dropout)
    logits, deltas = detector.roi_heads.box_predictor(hidden)
    boxes = detector.roi_heads.box_coder.decode(deltas, proposals)  # (R, C + 1, 4)
    return logits.softmax(-1), boxes


@pytest.mark.parametrize("backbone", ["without_second_look", "vgg"])
def test_cached_passes_equal_full_forward_passes_with_the_same_masks(
    backbone: str, request: pytest.FixtureRequest
) -> None:
    detector: Detector = request.getfixturevalue(backbone)
    image, _ = picture(0, side=168)
    detections, passes = sample(detector, image, CONFIG)
    masks = [(k6.float(), k7.float()) for k6, k7 in dropout_masks(CONFIG, detector)]
    full = [full_forward_pass(detector, image, pair) for pair in masks]
    probs = torch.stack([p for p, _ in full]).numpy()
    # every cell is one proposal, in all passes the same one
    rows = [int(np.abs(probs - passes.probs[:, [n]]).max(axis=(0, 2)).argmin()) for n in range(len(passes))]
    assert len(rows) > 3
    np.testing.assert_allclose(passes.probs, probs[:, rows], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(detections.probs, probs[:, rows].mean(0), rtol=1e-5, atol=1e-6)
    best = passes.probs[..., 1:].argmax(-1) + 1
    for t, (_, boxes) in enumerate(full):
        expected = boxes[rows, best[t]].clamp(0, 168).numpy()
        np.testing.assert_allclose(passes.boxes[t], expected, rtol=1e-5, atol=1e-3)  # pixels, of about 100


@torch.inference_mode()
def test_cached_passes_of_a_second_look_equal_passes_from_the_pixels_on_with_the_same_masks(
    detector: Detector,
) -> None:
    """The slow reference: in each pass the detector and the second look do all that they do, from pixels."""
    look = detector.second_look
    assert look is not None
    image, _ = picture(0, side=168)
    seen = McDropout(detector, CONFIG).predict(image)
    # what the detector finds by itself are the boxes that are looked at again
    detector.second_look = None
    found, passes = sample(detector, image, CONFIG)
    detector.second_look = look
    boxes = torch.from_numpy(found.boxes.copy())
    for t, kept in enumerate(second_look_masks(CONFIG, look)):
        hidden = torch.relu(look.narrow(look.features(cut_out(as_tensor(image), boxes, look.cell_side))))
        logits = look.classes(hidden * kept / (1 - look.dropout))
        expected = mixed(torch.from_numpy(passes.probs[t].copy()), logits).numpy()
        # the same boxes, but for those that the second look moved onto another one
        rows = [int(np.abs(expected - each).max(1).argmin()) for each in seen.passes.probs[t]]
        assert len(rows) > 3
        np.testing.assert_allclose(seen.passes.probs[t], expected[rows], rtol=1e-4, atol=1e-5)


def test_passes_differ_from_one_another_and_from_the_pass_without_dropout(detector: Detector) -> None:
    _, passes = sample(detector, picture(0)[0], CONFIG)
    assert np.abs(passes.probs[0] - passes.probs[1]).max() > 1e-3


def test_the_mean_over_many_passes_is_near_the_pass_without_dropout(detector: Detector) -> None:
    image, _ = picture(0)
    roi_features = detector.roi_features(image)
    with torch.inference_mode():
        _, deltas = McDropout(detector, ScoringConfig(passes=400)).passes(roi_features)
        _, plain = detector.plain_pass(roi_features.first)
    assert (deltas.mean(0) - plain).abs().mean() < 0.3 * deltas.std(0).mean()


def test_sampling_is_reproducible_and_independent_of_the_global_state(detector: Detector) -> None:
    image, other = picture(0)[0], picture(1)[0]
    _, first = sample(detector, image, CONFIG)
    torch.manual_seed(99)
    before = torch.get_rng_state()
    sample(detector, other, CONFIG)
    _, second = sample(detector, image, CONFIG)
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_array_equal(first.probs, second.probs)
    np.testing.assert_array_equal(first.boxes, second.boxes)


def test_another_seed_gives_other_passes(detector: Detector) -> None:
    image, _ = picture(0)
    one, other = (sample(detector, image, ScoringConfig(passes=2, seed=seed))[1] for seed in (0, 1))
    assert not np.array_equal(one.probs[:, :3], other.probs[:, :3])


def test_more_passes_begin_with_the_same_passes(detector: Detector) -> None:
    few, many = (dropout_masks(ScoringConfig(passes=t), detector) for t in (2, 5))
    assert torch.equal(few, many[:2])


@pytest.mark.parametrize("size", [(64, 96), (200, 33), (20, 20)])
def test_boxes_lie_within_an_image_of_any_shape(detector: Detector, size: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 255, (*size, 3), np.uint8)
    detections, passes = sample(detector, image, ScoringConfig(passes=2, cell_threshold=0))
    assert len(detections)
    for boxes in (detections.boxes, passes.boxes, detect(detector, image).boxes):
        assert boxes.min() >= 0
        assert (boxes.reshape(-1, 4).max(0) <= [size[1], size[0], size[1], size[0]]).all()


def test_a_cell_comes_out_once(detector: Detector) -> None:
    boxes = torch.from_numpy(sample(detector, picture(0)[0], CONFIG)[0].boxes.copy())
    overlap = box_iou(boxes, boxes).fill_diagonal_(0)
    assert overlap.max() <= 0.5


def test_cells_are_shown_when_they_are_more_probable_than_the_threshold(detector: Detector) -> None:
    detections, _ = sample(detector, picture(0)[0], CONFIG)
    assert (1 - detections.probs[:, 0] >= CONFIG.cell_threshold - 1e-6).all()
    assert (np.diff(detections.probs[:, 0]) >= -1e-6).all()  # the most certain first


def test_the_box_of_a_cell_is_near_that_of_its_passes(detector: Detector) -> None:
    detections, passes = sample(detector, picture(0)[0], CONFIG)
    assert iou(detections.boxes, passes.boxes).mean() > 0.3


@pytest.mark.parametrize("passes", [2, 7])
def test_one_sampler_sees_many_images_as_new_ones_would(detector: Detector, passes: int) -> None:
    config = replace(CONFIG, passes=passes)
    sampler = McDropout(detector, config)
    for seed in (0, 1):
        image, _ = picture(seed)
        for one, other in zip(sampler(image), sample(detector, image, config), strict=True):
            np.testing.assert_array_equal(one.boxes, other.boxes)
            np.testing.assert_array_equal(one.probs, other.probs)


def test_a_proposal_that_is_far_from_the_threshold_without_dropout_changes_nothing(
    able: Detector, monkeypatch: pytest.MonkeyPatch
) -> None:
    image, _ = picture(200, side=168, n_cells=20)
    fast, _ = sample(able, image, ScoringConfig())
    monkeypatch.setattr(mc_dropout, "_HOPELESS", 0.0)
    slow, _ = sample(able, image, ScoringConfig())
    np.testing.assert_allclose(fast.boxes, slow.boxes, atol=1e-3)


def test_an_image_in_tiles_has_every_cell_once(able: Detector, monkeypatch: pytest.MonkeyPatch) -> None:
    image, truth = picture(300, side=480, n_cells=120)
    whole = sample(able, image, ScoringConfig(passes=2))[0]
    monkeypatch.setattr(able, "tile", 600)
    assert len(able.tiles(480, 480)) == 4
    tiled = sample(able, image, ScoringConfig(passes=2))[0]
    for detections in (whole, tiled):
        overlap = iou(truth.boxes[:, None], detections.boxes[None])
        assert (overlap.max(1) > 0.5).mean() > 0.97
        n_certain = int((detections.probs[:, 0] < 0.2).sum())  # how faint a cell is depends on what is around
        assert n_certain <= len(truth) + 3  # a hundred cells lie in the overlaps: none comes out twice


def test_a_box_within_a_more_certain_one_or_around_it_is_the_same_cell_and_a_touching_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    boxes = torch.tensor(
        [
            [10.0, 10, 30, 30],  # a cell
            [8, 8, 44, 44],  # around it: IoU 0.31; and around most of the one that touches it
            [12, 12, 24, 24],  # within it: IoU 0.36
            [28, 10, 50, 30],  # touches it
            [10, 22, 30, 42],  # overlaps it by 0.4 of its area
        ]
    )
    cellness = torch.tensor([0.9, 0.8, 0.85, 0.7, 0.6])
    probs = torch.stack([1 - cellness, cellness], 1)
    for at_once in (2048, 2):
        monkeypatch.setattr(mc_dropout, "_AT_ONCE", at_once)
        assert mc_dropout.choose_cells(boxes, probs).tolist() == [0, 3, 4]
