from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest
import torch

from rbcal.config import TrainConfig
from rbcal.detector.augmentation import UNREAD, Window
from rbcal.detector.checkpoint import save
from rbcal.detector.faster_rcnn import Detector, build
from rbcal.detector.mc_dropout import detect
from rbcal.detector.optimizer import rate_share
from rbcal.detector.trainer import Sample, StepLosses, Training, example, train
from rbcal.errors import DivergedError, TrainingError
from rbcal.evaluation.average_precision import evaluate
from rbcal.types import Annotations
from tests.detector.conftest import RANDOM, SIDES, picture

PICTURES = [picture(seed) for seed in range(4)]


def trained(
    samples: Sequence[Sample] = PICTURES, config: TrainConfig = RANDOM
) -> tuple[Detector, list[StepLosses]]:
    detector, steps = build(config, 2, box_sides=SIDES), list[StepLosses]()
    train(detector, samples, config, steps.append)
    return detector, steps


def test_training_finds_the_cells_of_pictures_it_has_not_seen(able: Detector) -> None:
    unseen = [picture(seed) for seed in range(100, 105)]
    result = evaluate([(truth, detect(able, image)) for image, truth in unseen], 2, [])
    assert result.precision_all > 0.8


def test_the_loss_falls() -> None:
    _, steps = trained(config=replace(RANDOM, init="imagenet", steps=12))
    assert steps[-1].loss < 0.7 * steps[0].loss


class Always(torch.nn.Module):
    """A layer that returns the same, whatever comes in."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value

    def forward(self, *_: object) -> object:
        return self.value


def test_the_loss_of_the_head_is_that_of_equations_2_to_4() -> None:
    """Two proposals: one is background, u = 0; one is of class 2, off by 1 in x and by 0.05 in y."""
    detector = build(RANDOM, 2, box_sides=SIDES).train()
    heads = detector.roi_heads
    labels, v = [torch.tensor([0, 2])], [torch.tensor([[9.0, 9, 9, 9], [0, 0, 0, 0]])]
    logits = torch.tensor([[math.log(3), 0, 0], [0, 0, math.log(2)]])
    t = torch.full((2, 3, 4), 7.0)  # what is predicted for the other classes does not matter
    t[1, 2] = torch.tensor([1.0, 0.05, 0, 0])
    heads.select_training_samples = lambda proposals, targets: (proposals, None, labels, v)
    heads.box_roi_pool = heads.box_head = Always(torch.zeros(2, 1))
    heads.box_predictor = Always((logits, t.flatten(1)))
    _, losses = heads({}, [torch.zeros(2, 4)], [(9, 9)], [{"boxes": torch.zeros(1, 4), "labels": labels[0]}])
    # (4): -log p_u with p = 3/5 and 2/4, averaged over the proposals
    assert losses["loss_classifier"].item() == pytest.approx(-(math.log(3 / 5) + math.log(1 / 2)) / 2)
    # (3): smooth L1 as torchvision has it, square below 1/9: |1| - 1/18 and 0.05^2 / 2 * 9
    smooth_l1 = (1 - 1 / 18) + 0.05**2 / 2 * 9
    assert losses["loss_box_reg"].item() == pytest.approx(smooth_l1 / 2)


def with_unread(truth: Annotations, *unread: int, **changes: object) -> Annotations:
    """Return annotations of which nobody read some."""
    return replace(truth, read=~np.isin(np.arange(len(truth)), unread), **changes)


def test_a_box_that_nobody_read_is_neither_a_cell_of_a_class_nor_background_to_the_head() -> None:
    """Proposals: the unread box, the read one, nothing; torchvision adds the two boxes themselves."""
    detector = build(RANDOM, 2, box_sides=SIDES).train()
    boxes = torch.tensor([[0.0, 0, 9, 9], [20, 20, 29, 29], [50, 50, 59, 59]])
    view = Window(
        np.zeros((64, 64, 3), np.uint8), boxes[:2].numpy(), np.array([UNREAD, 1]), 1.0, np.eye(3), 1.0
    )
    target = example(detector, view)[1] | {"boxes": boxes[:2]}
    heads = detector.roi_heads
    heads.box_roi_pool = heads.box_head = Always(torch.zeros(3, 1))
    logits = torch.tensor([[math.log(3), 0, 0]]).expand(3, 3)  # p = 3/5, 1/5, 1/5
    heads.box_predictor = Always((logits, torch.zeros(3, 12)))  # more than 3 rows would not fit
    _, losses = heads({}, [boxes], [(64, 64)], [target])
    # (4) over background, and the read box twice: as a proposal and as itself
    assert losses["loss_classifier"].item() == pytest.approx(-(math.log(3 / 5) + 2 * math.log(1 / 5)) / 3)


def test_the_label_of_a_box_that_nobody_read_changes_no_loss_and_that_of_a_read_one_does() -> None:
    config = replace(RANDOM, steps=1, second_look=True)
    image, truth = PICTURES[0]
    others = np.where(np.arange(len(truth)) == 2, 1 - truth.labels, truth.labels)

    def losses(annotations: Annotations) -> StepLosses:
        return trained([(image, annotations)], config)[1][0]

    assert losses(with_unread(truth, 2)) == losses(with_unread(truth, 2, labels=others))
    assert losses(truth).loss_class != losses(replace(truth, labels=others)).loss_class


def test_a_box_that_nobody_read_still_teaches_that_a_cell_is_there() -> None:
    image, truth = PICTURES[0]
    without = Annotations(truth.boxes[:2], truth.labels[:2])
    read, unread, gone = (
        trained([(image, each)], replace(RANDOM, steps=1))[1][0]
        for each in (truth, with_unread(truth, *range(2, len(truth))), without)
    )
    assert unread.loss_objectness == read.loss_objectness
    assert unread.loss_proposal == read.loss_proposal
    assert unread.loss_objectness != gone.loss_objectness


def test_validation_keeps_the_best_weights_and_ends_a_training_that_gains_nothing() -> None:
    figures = iter([0.2, 0.5, 0.4, 0.3, 0.1])
    detector = build(RANDOM, 2, box_sides=SIDES)
    config = replace(RANDOM, steps=12)
    with Training(detector, PICTURES, config, validate=lambda seen: next(figures)) as training:
        at_step = {}
        while not training.finished:
            training.advance()
            at_step[training.step] = save(detector)
        assert training.step == 10  # the fifth of six validations is the third without a gain
        assert training.finish() == 4
    assert training.best == (4, 0.5)
    assert save(detector) == at_step[4]


def test_rare_classes_are_seen_more_often_if_the_config_wants_it() -> None:
    class Counting(Sequence[Sample]):
        seen: ClassVar[list[int]] = []

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index):  # type: ignore[no-untyped-def]
            self.seen.append(index)
            return PICTURES[0]

    labels = [np.array([0]), np.array([0]), np.array([0]), np.array([0, 1])]
    config = replace(RANDOM, steps=5, batch_size=1, rare_repeat=1.0, second_look=False)
    with Training(build(config, 2, box_sides=SIDES), Counting(), config, labels=labels) as training:
        while not training.finished:
            training.advance()
    assert sorted(Counting.seen) == [0, 1, 2, 3, 3]


@pytest.mark.usefixtures("two_cores")
def test_a_state_holds_all_that_the_training_needs_to_go_on() -> None:
    config = replace(RANDOM, steps=4, second_look=True)
    whole, _ = trained(config=config)
    with Training(build(config, 2, box_sides=SIDES), PICTURES, config) as first:
        first.advance()
        state = first.state()
        first.advance()  # what is done after the state was taken does not matter
    torch.manual_seed(77)
    with Training.resumed(state, PICTURES, config) as second:
        assert second.step == 1
        while not second.finished:
            second.advance()
        second.finish()
    assert save(second.detector) == save(whole)


def test_every_step_is_reported_with_the_parts_of_its_loss() -> None:
    _, steps = trained()
    assert [(step.step, step.steps) for step in steps] == [(1, 2), (2, 2)]
    for step in steps:
        parts = step.loss_class + step.loss_box + step.loss_objectness + step.loss_proposal + step.loss_name
        assert step.loss == pytest.approx(parts)


@pytest.mark.usefixtures("two_cores")
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

    def cancel(progress: StepLosses) -> None:
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
    trained(samples, replace(RANDOM, steps=1, batch_size=2, second_look=False))
    assert len(samples.opened) == 2


def test_an_image_without_cells_teaches_what_is_background() -> None:
    empty = picture(9, n_cells=0)
    _, steps = trained([empty, PICTURES[0]])
    assert np.isfinite([step.loss for step in steps]).all()


def test_training_without_an_image_is_refused() -> None:
    detector = build(RANDOM, 2, box_sides=SIDES)
    with pytest.raises(TrainingError, match="1 annotated image; this project has 0"):
        train(detector, [], RANDOM)


def test_a_loss_that_is_not_finite_ends_the_training() -> None:
    detector = build(RANDOM, 2, box_sides=SIDES)
    torch.nn.init.constant_(detector.roi_heads.box_predictor.cls_score.bias, float("nan"))
    with pytest.raises(DivergedError, match="at step 1 of 2"):
        train(detector, PICTURES, RANDOM, lambda progress: None)


def test_the_rate_rises_then_falls_to_nothing() -> None:
    rates = [rate_share(step, TrainConfig(steps=100)) for step in range(100)]
    assert max(rates) == 1
    assert rates[0] < 0.2
    assert rates[-1] < 0.01
    assert [rate_share(0, TrainConfig(steps=1))] == [1]
