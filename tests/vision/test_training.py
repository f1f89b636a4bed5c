from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from rbcal.boxes import Annotations
from rbcal.config import TrainConfig
from rbcal.errors import TrainingError
from rbcal.vision.detector import Detector, build, save
from rbcal.vision.evaluation import evaluate
from rbcal.vision.sampling import detect
from rbcal.vision.training import Progress, Sample, _crop, _rate, _turn, train
from tests.vision.conftest import RANDOM, SIDES, picture

PICTURES = [picture(seed) for seed in range(4)]


def trained(
    samples: Sequence[Sample] = PICTURES, config: TrainConfig = RANDOM
) -> tuple[Detector, list[Progress]]:
    detector, steps = build(config, 2, box_sides=SIDES), list[Progress]()
    train(detector, samples, config, steps.append)
    return detector, steps


def test_training_finds_the_cells_of_pictures_it_has_not_seen() -> None:
    config = TrainConfig(steps=30, device="cpu")
    detector, steps = trained([picture(seed) for seed in range(8)], config)
    first, last = (np.mean([step.loss for step in part]) for part in (steps[:5], steps[-5:]))
    assert last < 0.5 * first
    unseen = [picture(seed) for seed in range(100, 105)]
    result = evaluate([(truth, detect(detector, image)) for image, truth in unseen], 2, [])
    assert result.precision_all > 0.8


def test_every_step_is_reported_with_the_parts_of_its_loss() -> None:
    _, steps = trained()
    assert [(step.step, step.steps) for step in steps] == [(1, 2), (2, 2)]
    for step in steps:
        parts = step.loss_class + step.loss_box + step.loss_objectness + step.loss_proposal
        assert step.loss == pytest.approx(parts)


def test_the_same_seed_trains_the_same_detector() -> None:
    torch.manual_seed(1)
    one = save(trained()[0])
    torch.manual_seed(2)
    assert save(trained()[0]) == one
    assert save(trained(config=replace(RANDOM, seed=1))[0]) != one


def test_training_leaves_the_global_random_state_alone() -> None:
    before = torch.get_rng_state()
    trained()
    assert torch.equal(before, torch.get_rng_state())


def test_what_report_raises_ends_the_training_within_the_step() -> None:
    class CancelledError(Exception):
        pass

    seen = []

    def cancel(progress: Progress) -> None:
        seen.append(progress.step)
        raise CancelledError

    detector = build(RANDOM, 2, box_sides=SIDES)
    with pytest.raises(CancelledError):
        train(detector, PICTURES, RANDOM, cancel)
    assert seen == [1]
    assert not detector.training


def test_images_are_read_when_a_step_needs_them() -> None:
    class Lazy(Sequence[Sample]):
        opened: list[int] = []  # noqa: RUF012

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.opened.append(index)
            return PICTURES[index]

    samples = Lazy()
    trained(samples, replace(RANDOM, steps=1, batch_size=2))
    assert len(samples.opened) == 1 + 2  # one to see that there are cells, two to train


def test_an_image_without_cells_teaches_what_is_background() -> None:
    empty = picture(9, n_cells=0)
    _, steps = trained([empty, PICTURES[0]])
    assert np.isfinite([step.loss for step in steps]).all()


def test_training_without_an_annotated_cell_is_refused() -> None:
    detector = build(RANDOM, 2, box_sides=SIDES)
    for samples in ([], [picture(0, n_cells=0)]):
        with pytest.raises(TrainingError, match=f"1 annotated cell; these {len(samples)} images have 0"):
            train(detector, samples, RANDOM, lambda progress: None)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    detector = build(RANDOM, 2, box_sides=SIDES)
    torch.nn.init.constant_(detector.roi_heads.box_predictor.cls_score.bias, float("nan"))
    with pytest.raises(TrainingError, match="at step 1 of 2"):
        train(detector, PICTURES, RANDOM, lambda progress: None)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [_rate(step, TrainConfig(steps=100)) for step in range(100)]
    assert max(rates) == 1
    assert rates[0] < 0.2
    assert rates[-1] < 0.01
    assert [_rate(0, TrainConfig(steps=1))] == [1]


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("quarter_turns", [0, 1, 2, 3])
def test_boxes_turn_with_their_pixels(quarter_turns: int, mirror: bool) -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[5:15, 20:50] = 255
    turned, boxes = _turn(
        image, np.array([[20, 5, 50, 15]], np.float32), quarter_turns=quarter_turns, mirror=mirror
    )
    x1, y1, x2, y2 = boxes[0].astype(int)
    assert turned.shape[:2] == ((40, 60) if quarter_turns % 2 == 0 else (60, 40))
    assert turned[y1:y2, x1:x2].min() == 255
    assert turned.sum() == image.sum()
    assert (x2 - x1) * (y2 - y1) == 300


def test_a_crop_shows_a_cell_and_keeps_boxes_on_their_pixels() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    image[200:220, 350:370] = 255
    truth = Annotations(np.array([[350, 200, 370, 220]]), np.array([1]))
    for seed in range(20):
        window, boxes, labels = _crop(image, truth, 64, np.random.default_rng(seed))
        assert window.shape == (64, 64, 3)
        for (x1, y1, x2, y2), label in zip(boxes.astype(int), labels, strict=True):
            assert label == 1
            assert window[y1:y2, x1:x2].min() == 255
            assert (x2 - x1) * (y2 - y1) >= 200  # at least half of the cell
        assert (window > 0).any()


def test_a_small_image_is_not_cropped() -> None:
    image, truth = PICTURES[0]
    window, boxes, _ = _crop(image, truth, 96, np.random.default_rng(0))
    assert window is image
    assert boxes is truth.boxes
