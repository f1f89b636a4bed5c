from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy.special import softmax
from torch import nn

from rbcal.config import ScoringConfig, TrainConfig
from rbcal.detector import crops
from rbcal.detector.checkpoint import load, save
from rbcal.detector.crops import CropBank, as_tensor, cut_out, fill_bank
from rbcal.detector.faster_rcnn import Detector, TiledFeatures, build, widen, with_second_look
from rbcal.detector.frozen_backbone import FrozenTraining, freeze, views
from rbcal.detector.mc_dropout import detect, sample
from rbcal.detector.optimizer import make_name_optimizer
from rbcal.detector.second_look import mixed
from rbcal.detector.tiling import Tile, tiles
from rbcal.errors import TrainingError
from rbcal.live_head import LastLayer
from rbcal.types import Annotations
from tests.detector.conftest import RANDOM, SIDES, picture

PICTURES = [picture(seed) for seed in range(4)]
LABELS = [truth.labels for _, truth in PICTURES]


def whole(height: int, width: int) -> list[Tile]:
    return tiles(height, width, side=1000, overlap=40)


def bank() -> CropBank:
    return fill_bank(PICTURES, LABELS, 17, whole, np.random.default_rng(0))


def looking(**changes: object) -> Detector:
    """Return a random detector for two classes whose second look tells them apart somehow."""
    detector = build(replace(RANDOM, second_look=True, **changes), 2, box_sides=np.full(4, 40, np.float32))
    assert detector.second_look is not None
    detector.precision = torch.float32
    return detector


def test_a_crop_shows_the_box_in_its_middle_at_the_project_s_scale_and_grey_beyond_the_image() -> None:
    image = np.full((60, 80, 3), 255, np.uint8)
    image[:, :20] = 0
    (crop,) = cut_out(as_tensor(image), torch.tensor([[8.0, 25, 12, 35]]), 16)  # x -6 .. 26, y 14 .. 46
    row = crop[0, 40]
    assert row[:12].abs().max() == 0  # beyond the image, 15 of 80
    np.testing.assert_allclose(row[20:60], -1)
    np.testing.assert_allclose(row[70:], 1)


def test_a_giant_cell_is_seen_whole_and_keeps_its_shape() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[44:56, 10:82] = 255
    (crop,) = cut_out(as_tensor(image), torch.tensor([[10.0, 44, 82, 56]]), 16)  # 86.4 x 86.4 around it
    bright = crop[0] > 0
    width, height = int(bright.any(0).sum()), int(bright.any(1).sum())
    assert abs(width - 72 * 80 / 86.4) <= 1
    assert abs(height - 12 * 80 / 86.4) <= 1


def test_a_patch_that_teaches_has_in_its_middle_what_is_cut_out_to_be_named() -> None:
    pixels, truth = PICTURES[0]
    margin = (round(crops.CROP_SIDE * crops._ROOM) - crops.CROP_SIDE) // 2
    middle = bank().patches[: len(truth), :, margin:-margin, margin:-margin]
    expected = (cut_out(as_tensor(pixels), torch.from_numpy(truth.boxes.copy()), 17) + 1) * 127.5
    assert (middle - expected).abs().max() <= 0.51  # rounded to bytes


def test_rare_classes_are_drawn_more_often_than_they_occur() -> None:
    labels = np.array([1] * 90 + [2] * 10)
    by_class = np.bincount(labels, crops._chances(labels))
    assert by_class[1] / by_class[2] == pytest.approx(3)  # the root of 9


def test_some_crops_teach_without_colour_and_some_out_of_focus() -> None:
    rng = np.random.default_rng(0)
    noise = torch.from_numpy(rng.integers(60, 200, (8, 3, 108, 108), dtype=np.uint8))
    noisy = CropBank(noise, torch.zeros(8, dtype=torch.int64), np.full(8, 1 / 8))
    drawn, _ = noisy.draw(TrainConfig(crops=300, jitter=0.0), rng)
    is_grey = (drawn.amax(1) - drawn.amin(1)).amax((1, 2)) < 1e-3
    assert 0.12 < is_grey.float().mean() < 0.28
    grain = drawn[~is_grey].diff(dim=-1).abs().mean((1, 2, 3))
    assert 0.15 < (grain < 0.8 * grain.median()).float().mean() < 0.4


def test_two_witnesses_name_a_cell_together_and_the_detector_alone_says_whether_it_is_one() -> None:
    probs = torch.tensor([[0.2, 0.6, 0.2]])  # of the classes: 3 to 1
    logits = torch.tensor([[0.0, np.log(12.0)]], dtype=torch.float32)  # 1 to 12
    torch.testing.assert_close(mixed(probs, logits), torch.tensor([[0.2, 0.8 / 3, 1.6 / 3]]))  # 1 to 2


def test_of_too_many_cells_the_frequent_classes_lose_first() -> None:
    shares = crops._shares(np.array([10, 1000, 0, 400]), 500)
    assert shares[0] == 1
    assert shares[1] < shares[3] < 1
    assert (shares * [10, 1000, 0, 400]).sum() <= 500


def test_the_patches_of_an_image_in_tiles_are_those_of_a_whole_one() -> None:
    sample = picture(3, side=400, n_cells=60)
    counted = [sample[1].labels]
    one = fill_bank([sample], counted, 16, whole, np.random.default_rng(0))
    tiled = fill_bank([sample], counted, 16, partial(tiles, side=160, overlap=60), np.random.default_rng(0))
    assert len(tiles(400, 400, side=160, overlap=60)) > 4
    order, of_tiled = (each.patches.flatten(1).float().mean(1).argsort() for each in (one, tiled))
    assert (one.patches[order].int() - tiled.patches[of_tiled].int()).abs().max() <= 1
    assert torch.equal(one.labels[order], tiled.labels[of_tiled])


def test_draws_follow_the_generator_alone() -> None:
    filled = bank()
    one, other = (filled.draw(replace(RANDOM, crops=5), np.random.default_rng(3)) for _ in range(2))
    for a, b in zip(one, other, strict=True):
        assert torch.equal(a, b)
    assert one[0].shape == (5, 3, crops.CROP_SIDE, crops.CROP_SIDE)
    assert one[0].abs().max() <= 1


def test_no_crop_is_cut_of_a_cell_that_nobody_read() -> None:
    image, truth = PICTURES[0]
    half_read = replace(truth, labels=truth.labels + 5, read=np.arange(len(truth)) % 2 == 0)
    filled = fill_bank([(image, half_read)], [half_read.read_labels], 16, whole, np.random.default_rng(0))
    assert filled.labels.tolist() == (truth.labels + 5)[::2].tolist()


def test_images_without_cells_teach_nothing_and_break_nothing() -> None:
    blank = np.zeros((50, 50, 3), np.uint8), Annotations.empty()
    filled = fill_bank([blank, *PICTURES], [blank[1].labels, *LABELS], 16, whole, np.random.default_rng(0))
    assert torch.equal(filled.labels, bank().labels)


def test_an_image_in_tiles_is_seen_as_a_whole_one() -> None:
    detector = looking()
    image, truth = picture(3, side=400, n_cells=60)
    boxes = torch.from_numpy(truth.boxes.copy())
    whole = detector.features_of_boxes(image, boxes)
    detector.tile = 256
    assert len(detector.tiles(400, 400)) > 1
    torch.testing.assert_close(detector.features_of_boxes(image, boxes), whole, rtol=1e-4, atol=1e-4)


def test_it_names_what_it_has_learnt(able: Detector) -> None:
    image, truth = picture(500, side=168, n_cells=20)
    assert able.second_look is not None
    logits = able.second_look(able.features_of_boxes(image, torch.from_numpy(truth.boxes.copy())))
    assert (logits.argmax(1) == torch.from_numpy(truth.labels.copy())).float().mean() > 0.9


def test_a_checkpoint_keeps_it() -> None:
    detector = looking()
    image, _ = picture(0)
    again = load(save(detector))
    again.precision = torch.float32
    np.testing.assert_array_equal(detect(again, image).probs, detect(detector, image).probs)


def test_a_detector_gets_one_when_training_wants_it_and_loses_it_when_not() -> None:
    plain = build(replace(RANDOM, second_look=False), 2, box_sides=SIDES)
    assert plain.second_look is None
    assert with_second_look(plain, wanted=False, box_sides=SIDES) is plain
    seeing = with_second_look(plain, wanted=True, box_sides=SIDES)
    assert seeing.blueprint.cell_side == pytest.approx(np.median(SIDES))
    back = with_second_look(seeing, wanted=False, box_sides=SIDES)
    assert save(back) == save(plain)


def test_more_classes_leave_what_it_knows_of_the_old_ones() -> None:
    detector = looking()
    wider = widen(detector, 5)
    assert wider.second_look is not None
    features = torch.randn(4, len(wider.second_look.centre))
    torch.testing.assert_close(
        wider.second_look(features)[:, :2],
        detector.second_look(features),  # type: ignore[misc]
    )


def test_without_pixels_it_cannot_look() -> None:
    with pytest.raises(TypeError, match="only at pixels"):
        looking().features_of_boxes(TiledFeatures((), (9, 9)), torch.zeros(0, 4))


def test_what_the_trunk_made_of_an_image_brings_its_pixels_along() -> None:
    detector, (image, truth) = looking(), PICTURES[0]
    boxes = torch.tensor(truth.boxes)
    from_pixels, from_features = (
        detector.features_of_boxes(each, boxes) for each in (image, detector.tiled_features(image))
    )
    assert torch.equal(from_pixels, from_features)
    assert detector.tiled_features(image).n_bytes > image.nbytes
    assert np.array_equal(
        detect(detector, image).probs, detect(detector, detector.tiled_features(image)).probs
    )


def test_another_last_layer_names_cells() -> None:
    second_look = looking().second_look
    assert second_look is not None
    layer = second_look.last_layer()
    turned = LastLayer(layer.weight[::-1].copy(), layer.bias[::-1].copy())
    features = torch.rand(5, len(second_look.centre))
    before, masks = second_look(features), torch.rand(3, second_look.width) > 0.5
    of_passes = second_look.passes(features, masks)
    second_look.set_last_layer(turned)
    assert torch.equal(second_look(features), before.flip(1))
    assert torch.equal(second_look.passes(features, masks), of_passes.flip(2))


def test_an_embedding_holds_the_logits_and_what_else_is_seen_of_cells(able: Detector) -> None:
    second_look = able.second_look
    assert second_look is not None
    filled = fill_bank(PICTURES, LABELS, second_look.cell_side, whole, np.random.default_rng(0))
    with torch.inference_mode():
        crops_of_cells = filled.middle(1000, np.random.default_rng(0))
        assert len(crops_of_cells) == len(filled.labels)
        second_look.fit_components(crops_of_cells)
        features = second_look.features(crops_of_cells)
        embeddings = second_look.embeddings(features).numpy()
        logits = second_look(features).numpy()
    own, others = embeddings[:, :2], embeddings[:, 2:]
    np.testing.assert_allclose(own, logits, atol=1e-5)
    np.testing.assert_allclose(second_look.last_layer().probs(embeddings), softmax(logits, 1), atol=1e-5)
    assert np.abs(others.mean(0)).max() < 1e-3  # centred, the largest first, as large as logits are
    spread = others.std(0)
    assert (np.diff(spread) <= 1e-4).all()
    n_used = int((spread > 1e-4).sum())
    assert n_used == min(126, len(features) - 1)
    assert np.sqrt((others[:, :n_used] ** 2).mean()) == pytest.approx(np.sqrt((own**2).mean()), rel=1e-3)


def test_too_many_classes_are_said() -> None:
    with pytest.raises(TrainingError, match="at most 120 classes, but the project has 121"):
        build(replace(RANDOM, second_look=True), 121, box_sides=SIDES)


def test_a_training_on_features_leaves_the_second_look_as_it_is() -> None:
    detector = looking()
    freeze(detector)
    config = TrainConfig(init="random", steps=1, crop=160)
    samples = [views(detector, *picture(0), config, 2, [0])]
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    with FrozenTraining(detector, samples, config) as run:
        assert run.advance().loss_name == 0
    moved = {
        name.split(".")[0]
        for name, tensor in detector.state_dict().items()
        if not torch.equal(tensor, before[name])
    }
    assert "roi_heads" in moved
    assert "second_look" not in moved


def test_a_training_leaves_layers_of_single_channels_and_edges_as_they_were() -> None:
    second_look = looking().second_look
    assert second_look is not None
    make_name_optimizer(second_look, TrainConfig(init="imagenet"))
    still = [
        layer for layer in second_look.body.modules() if isinstance(layer, nn.Conv2d) and layer.groups > 1
    ]
    moving = [each for each in second_look.body.parameters() if each.requires_grad]
    assert still
    assert not any(each.requires_grad for layer in still for each in layer.parameters())
    assert sum(map(torch.numel, moving)) > 0.9 * sum(map(torch.numel, second_look.body.parameters()))


@pytest.mark.parametrize("act", [detect, lambda d, i: sample(d, i, ScoringConfig(passes=2))[0]])
def test_an_image_in_which_nothing_is_found_gives_no_cells(act: Callable[..., object]) -> None:
    detector = looking()
    with torch.no_grad():
        detector.roi_heads.box_predictor.cls_score.bias.copy_(torch.tensor([50.0, 0, 0]))
    assert len(act(detector, picture(0)[0])) == 0  # type: ignore[arg-type]


def test_the_paper_s_detector_has_none() -> None:
    assert TrainConfig().second_look
    detector = build(
        TrainConfig(backbone="vgg16", init="random", device="cpu", second_look=False), 2, box_sides=SIDES
    )
    assert not any(name.startswith("second_look") for name in detector.state_dict())
