"""Approximate joint training of RPN and head on annotated images, equations (2) to (4)."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import UnpicklingError  # the error alone: nothing is unpickled
from types import TracebackType
from typing import Any, Self, cast

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  the name that every torch programme uses
from torch import Tensor, nn

from rbcal.config import TrainConfig
from rbcal.detector.augmentation import UNREAD, Window, recolour, window
from rbcal.detector.checkpoint import load, save
from rbcal.detector.crops import CropBank, fill_bank
from rbcal.detector.devices import is_out_of_memory, training_precision
from rbcal.detector.distributed import ALONE, ProcessGroup, gradients
from rbcal.detector.faster_rcnn import BackboneFeatures, Detector
from rbcal.detector.optimizer import make_name_optimizer, make_optimizer, rate_share
from rbcal.detector.sample_order import generator, nth_sample, one_epoch
from rbcal.detector.second_look import SecondLook
from rbcal.errors import DivergedError, TrainingError
from rbcal.formats.pictures import Pixels
from rbcal.types import Annotations, Ints

Sample = tuple[Pixels, Annotations]

_LOSSES = ("loss_classifier", "loss_box_reg", "loss_objectness", "loss_rpn_box_reg", "loss_second_look")
_IGNORED = -100  # a target that torchvision samples no proposal for: neither a class nor background
_NAME_STEPS = 2  # steps of the second look for each of the detector: names take longer than boxes
_CROPS_OF_COMPONENTS = 768  # of cells that taught: 3 s on a CPU, and six times the components
_SMOOTHING = 0.05  # of the second look's labels: experts disagree about that many cells, and more
_MAX_GRADIENT = 10.0  # norm; one odd batch must not undo the others
_VALIDATIONS = 6  # per training
_PATIENCE = 3  # validations without a better one, then training stops


@dataclass(frozen=True)
class StepLosses:
    """Where training stands after a step; losses fall as the detector learns."""

    step: int  # 1 .. steps
    steps: int
    loss: float  # equation (2) with the RPN's, the sum of those below
    loss_class: float  # equation (4)
    loss_box: float  # equation (3)
    loss_objectness: float  # of the RPN: cell or background
    loss_proposal: float  # of the RPN: boxes
    loss_name: float  # equation (4) again, of the second look; 0 without one


class Training:
    """One training of a detector, step by step, whose whole state can be kept and taken up again.

    Whatever is random in a step (images, windows, colours, sampled proposals, dropout) is drawn from the
    seed and the number of the step alone. So weights, optimiser and step are all that :meth:`state` must
    hold: on a CPU a training that was stopped and resumed gives, bit for bit, that which was not.

    Parameters
    ----------
    detector : Detector
        As :func:`rbcal.detector.faster_rcnn.build` returned it; it is trained in place.
    samples : sequence of (image (H, W, 3) uint8, Annotations)
        Read one at a time, in another thread, ahead of the step that needs it. Images without cells teach
        what is background.
    config : TrainConfig
    labels : sequence of (n,) int64, optional
        Of the cells of each sample that were read: what `config.rare_repeat` and the choice of crops need
        to know beforehand.
    validate : callable, optional
        Returns how good the detector is on annotated images that it is not trained on; higher is better.
        It is called a few times, the best weights are kept, and no progress for long ends the training.
    process_group : ProcessGroup, optional
        Processes that train together. Each sees `config.batch_size` windows of a step, the shares of one
        batch; the gradient is the mean of theirs, so the weights stay the same everywhere. The process
        that leads validates and says which step is next; the others :meth:`follow`.
    """

    def __init__(
        self,
        detector: Detector,
        samples: Sequence[Any],
        config: TrainConfig,
        *,
        labels: Sequence[Ints] | None = None,
        validate: Callable[[Detector], float] | None = None,
        process_group: ProcessGroup = ALONE,
    ) -> None:
        self.detector = detector
        self.process_group = process_group
        self.step = 0
        self.best: tuple[int, float] | None = None  # step and figure of the best validation
        self._samples = samples
        self._config = config
        self._validate = validate
        self._best_weights: dict[str, Tensor] = {}
        self._since_best = 0
        self._optimizer = make_optimizer(detector, config)
        second_look = detector.second_look
        self._name_optimizer = None if second_look is None else make_name_optimizer(second_look, config)
        self._optimizers = [
            (each, [group["lr"] for group in each.param_groups])
            for each in (self._optimizer, self._name_optimizer)
            if each is not None
        ]
        self._epoch = one_epoch(len(samples), labels, config)
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="rbcal-images")
        self._ahead: tuple[int, Future[list[Window]]] | None = None
        self._labels = labels
        self._bank: CropBank | None = None

    @property
    def finished(self) -> bool:
        """Whether all steps are done, or further ones would not help."""
        return self.step >= self._config.steps or self._since_best >= _PATIENCE

    def prepare(self, report: Callable[[int], None] = lambda n_images: None) -> None:
        """Cut out what the second look learns from, if there is one; the first step would do it otherwise.

        `report` is told how many images are done; what it raises ends the cutting.
        """
        if self.detector.second_look is None or self._bank is not None:
            return
        labels = self._labels or [self._samples[k][1].read_labels for k in range(len(self._samples))]
        detector, rng = self.detector, generator(self._config, 0, "crops")
        cell_side = self.detector.second_look.cell_side
        self._bank = fill_bank(self._samples, labels, cell_side, detector.tiles, rng, report)

    def advance(self) -> StepLosses:
        """Do one step and return where training stands.

        Raises
        ------
        DivergedError
            If the loss or its gradient is no longer finite. The weights are those before that.
        """
        self.prepare()
        self.process_group.begin_step()
        config, step = self._config, self.step + 1
        windows = self._windows_ahead(step)
        self._set_rates(step)
        self.detector.train()
        losses = self._move(self._optimizer, *self._learn(step, windows))
        second_look, optimizer = self.detector.second_look, self._name_optimizer
        if second_look is not None and optimizer is not None:
            for turn in range(_NAME_STEPS):
                losses |= self._move(optimizer, *self._learn_names(second_look, optimizer, step, turn))
        loss = sum(losses.values())
        self.step = step
        if self._validate and (step == config.steps or step % math.ceil(config.steps / _VALIDATIONS) == 0):
            self._judge(self._validate(self.detector.eval()))
        return StepLosses(step, config.steps, loss, *(losses.get(name, 0.0) for name in _LOSSES))

    def follow(self) -> None:
        """Take part in every step of the process that leads, until that one closes its training."""
        while self.process_group.receive():
            try:
                self.advance()
            except DivergedError:
                pass  # of all alike: the one that leads says what comes next
            except (RuntimeError, MemoryError) as err:
                if not is_out_of_memory(err):
                    raise

    def finish(self) -> int:
        """Put the best validated weights into the detector, else leave the last; return their step.

        The second look then finds the components of what it sees of the cells that taught.
        """
        if self.best is not None:
            self.detector.load_state_dict(self._best_weights)
        second_look = self.detector.eval().second_look
        if second_look is not None and self._bank is not None:
            crops = self._bank.middle(_CROPS_OF_COMPONENTS, generator(self._config, 0, "components"))
            second_look.fit_components(crops.to(self.detector.device))
        return self.step if self.best is None else self.best[0]

    def state(self) -> bytes:
        """Return all that :meth:`resumed` needs to go on after this step."""
        file = io.BytesIO()
        torch.save(
            {
                "step": self.step,
                "detector": torch.frombuffer(bytearray(save(self.detector)), dtype=torch.uint8),
                "optimizers": [optimizer.state_dict() for optimizer, _ in self._optimizers],
                "best": self.best,
                "best_weights": self._best_weights,
                "since_best": self._since_best,
            },
            file,
        )
        return file.getvalue()

    @classmethod
    def resumed(
        cls,
        state: bytes,
        samples: Sequence[Sample],
        config: TrainConfig,
        *,
        labels: Sequence[Ints] | None = None,
        validate: Callable[[Detector], float] | None = None,
        process_group: ProcessGroup = ALONE,
    ) -> Self:
        """Return a training that goes on from the :meth:`state` of the same one; opening it runs no code."""
        try:
            kept: dict[str, Any] = torch.load(io.BytesIO(state), "cpu", weights_only=True)
            detector = load(kept["detector"].numpy().tobytes(), config.device)
        except (UnpicklingError, RuntimeError, ValueError, EOFError, LookupError, TypeError) as err:
            if is_out_of_memory(err):
                raise
            raise TrainingError(
                "The interrupted training is damaged, or is not one of rbcal. Start a new training."
            ) from err
        training = cls(
            detector, samples, config, labels=labels, validate=validate, process_group=process_group
        )
        for (optimizer, _), at in zip(training._optimizers, kept["optimizers"], strict=True):
            optimizer.load_state_dict(at)
        training.step, training.best = kept["step"], kept["best"]
        training._best_weights, training._since_best = kept["best_weights"], kept["since_best"]
        return training

    def close(self) -> None:
        """Stop reading images, and let the processes that follow go."""
        self._reader.shutdown(cancel_futures=True)
        self.detector.eval()
        if not self.process_group.is_follower:
            self.process_group.broadcast(False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, err: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _set_rates(self, step: int) -> None:
        for optimizer, rates in self._optimizers:
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * rate_share(step - 1, self._config)

    def _learn(self, step: int, windows: list[Window]) -> tuple[dict[str, float], float]:
        """Compute losses and gradients of the detector on windows; return losses and norm of the gradient."""

        def compute() -> dict[str, Tensor]:
            images, targets = zip(*(self._example(each) for each in windows), strict=True)
            losses: dict[str, Tensor] = self.detector(images, list(targets))
            return losses

        return self._compute(self._optimizer, self._own_generator(step, "torch"), compute)

    def _learn_names(
        self, second_look: SecondLook, optimizer: torch.optim.Optimizer, step: int, turn: int
    ) -> tuple[dict[str, float], float]:
        """Compute loss and gradients of the second look on crops of the cells of all samples."""
        rng, device = self._own_generator(step, f"crops {turn}"), self.detector.device

        def compute() -> dict[str, Tensor]:
            crops, labels = (each.to(device) for each in cast(CropBank, self._bank).draw(self._config, rng))
            logits = second_look(second_look.features(crops))
            loss = F.cross_entropy(logits, labels, label_smoothing=_SMOOTHING)
            return {"loss_second_look": loss}

        return self._compute(optimizer, rng, compute)

    def _compute(
        self,
        optimizer: torch.optim.Optimizer,
        rng: np.random.Generator,
        of: Callable[[], dict[str, Tensor]],
    ) -> tuple[dict[str, float], float]:
        """Return losses, the mean over all processes, and the norm of the gradient that they leave."""
        device, precision = self.detector.device, training_precision(self.detector.device)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(int(rng.integers(2**63)))
            with self._all_have_memory():
                with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                    losses = of()
                parts = torch.stack([loss.float() for loss in losses.values()])
                optimizer.zero_grad()
                torch.autograd.backward(parts.sum())
            shares = parts.detach()
            if self.process_group.size > 1:
                self.process_group.average([*gradients(parameters), shares])
            norm = nn.utils.clip_grad_norm_(parameters, _MAX_GRADIENT)
        return dict(zip(losses, shares.tolist(), strict=True)), norm.item()

    def _move(
        self, optimizer: torch.optim.Optimizer, losses: dict[str, float], norm: float
    ) -> dict[str, float]:
        """Follow the gradient, unless it is no number."""
        if not math.isfinite(sum(losses.values())) or not math.isfinite(norm):
            raise DivergedError(
                f"The loss was no longer a finite number at step {self.step + 1} of {self._config.steps}. "
                f"Train with a learning rate below {self._config.learning_rate:g}."
            )
        optimizer.step()
        return losses

    @contextmanager
    def _all_have_memory(self) -> Iterator[None]:
        """Raise in every process of the group when one has too little memory: all begin again, with less."""
        lacking: BaseException | None = None
        try:
            yield
        except (RuntimeError, MemoryError) as err:
            if not is_out_of_memory(err):
                raise
            lacking = err
        if self.process_group.any(lacking is not None):
            raise lacking or MemoryError("another process of this training is out of memory")

    def _own_generator(self, step: int, purpose: str) -> np.random.Generator:
        """Return the generator of this process for a step; who leads draws what one alone would draw."""
        rank = self.process_group.rank
        return generator(self._config, step, f"{purpose} of {rank}" if rank else purpose)

    def _windows_ahead(self, step: int) -> list[Window]:
        """Return the windows of a step, and have those of the next one made in the meantime."""
        if self._ahead is None or self._ahead[0] != step:
            self._ahead = (step, self._reader.submit(self._windows, step))
        _, windows = self._ahead
        ready = windows.result()
        if step < self._config.steps:
            self._ahead = (step + 1, self._reader.submit(self._windows, step + 1))
        return ready

    def _windows(self, step: int) -> list[Window]:
        config = self._config
        rng = self._own_generator(step, "windows")
        upright = bool(rng.integers(2))  # or all lying: portrait and landscape would need more padding
        first = ((step - 1) * self.process_group.size + self.process_group.rank) * config.batch_size
        chosen = [nth_sample(self._epoch, first + i, config) for i in range(config.batch_size)]
        return [self._draw(self._samples[index], rng, upright) for index in chosen]

    def _draw(self, sample: Any, rng: np.random.Generator, upright: bool) -> Any:
        """Return how a sample is seen this time: a random window of it."""
        pixels, truth = sample
        return window(pixels, truth, self.detector.blueprint.scale, self._config, rng, upright)

    def _example(self, view: Any) -> tuple[Tensor | BackboneFeatures, dict[str, Tensor]]:
        """Return what the detector gets, and its targets."""
        return example(self.detector, view)

    def _judge(self, figure: float) -> None:
        """Keep the weights if they are the best so far; of equals, those trained for longer."""
        if self.best is None or figure >= self.best[1]:
            self.best, self._since_best = (self.step, figure), 0
            self._best_weights = {
                key: tensor.detach().cpu().clone() for key, tensor in self.detector.state_dict().items()
            }
        else:
            self._since_best += 1


def train(
    detector: Detector,
    samples: Sequence[Sample],
    config: TrainConfig,
    report: Callable[[StepLosses], None] = lambda progress: None,
) -> None:
    """Train the detector in place to the last step, and leave it ready for inference.

    Raises
    ------
    TrainingError
        If there is no sample, or the loss is no longer finite.
    """
    with Training(detector, samples, config) as training:
        while not training.finished:
            report(training.advance())
        training.finish()


def example(detector: Detector, view: Window) -> tuple[Tensor, dict[str, Tensor]]:
    """Return a window (3, h, w) at working scale, recoloured, and its targets.

    A box that nobody read teaches the RPN that a cell is there. The head learns nothing from the proposals
    that are of it: no class, no background, no box.
    """
    working = detector.rescale(view.pixels, view.scale)
    (height, width), (working_height, working_width) = view.pixels.shape[:2], working.shape[1:]
    y, x = working_height / height, working_width / width
    labels = np.where(view.labels == UNREAD, _IGNORED, view.labels + 1)  # 0 is background
    target = {
        "boxes": torch.from_numpy(view.boxes * np.array([x, y, x, y], np.float32)).to(detector.device),
        "labels": torch.from_numpy(labels).to(detector.device),
    }
    return recolour(working, view.colour, view.contrast), target
