"""Two processes that train one detector together, over gloo on the CPU."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.optim import Optimizer

from rbcal.detector import distributed, trainer
from rbcal.detector.checkpoint import save
from rbcal.detector.devices import one_core
from rbcal.detector.distributed import ProcessGroup, gradients
from rbcal.detector.faster_rcnn import build
from rbcal.detector.trainer import Training
from rbcal.errors import TrainingError
from tests.detector.conftest import SIDES
from tests.detector.member import CONFIG, PICTURES

ROOT = Path(__file__).parents[2]


def two(folder: Path, *words: str) -> list[subprocess.CompletedProcess[str]]:
    """Run two members to their end, as torchrun would, but without its killing the one that is left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.detector.member", str(folder), *words]
    members = [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **common, "RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    said = [member.communicate(timeout=300)[1] for member in members]
    return [
        subprocess.CompletedProcess(command, member.returncode, stderr=words)
        for member, words in zip(members, said, strict=True)
    ]


class Share(ProcessGroup):
    """One share of a batch, computed where the others are computed too."""

    def any(self, here: bool) -> bool:
        return here

    def average(self, tensors: list[Tensor]) -> None:
        self.kept = [tensor.clone() for tensor in tensors]


def apart(training: Training, optimizer: Optimizer, learn: Callable[[], object]) -> None:
    """Take a step on both shares one after the other, and the mean of their gradients."""
    shares = [Share(0, 2), Share(1, 2)]
    for training.process_group in shares:
        learn()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for gradient, *each in zip(gradients(parameters), *(share.kept for share in shares), strict=False):
        gradient.copy_(sum(each) / 2)
    torch.nn.utils.clip_grad_norm_(parameters, 10)
    optimizer.step()


@one_core()
def in_one_process() -> bytes:
    """Train on both shares of each batch one after the other, and take the mean of their gradients."""
    with Training(build(CONFIG, 2, box_sides=SIDES), PICTURES, CONFIG) as training:
        for step in (1, 2, 3):
            training._set_rates(step)
            training.detector.train()
            training.prepare()
            windows = training._windows
            look, optimizer = training.detector.second_look, training._name_optimizer
            learn = partial(training._learn_names, look, optimizer, step)
            apart(training, training._optimizer, lambda: training._learn(step, windows(step)))  # noqa: B023
            for turn in range(trainer._NAME_STEPS):
                apart(training, optimizer, partial(learn, turn))
        training.process_group = distributed.ALONE
    return save(training.detector)


def test_two_processes_learn_bit_for_bit_what_one_learns_from_both_shares(tmp_path):
    done = two(tmp_path)
    assert [each.returncode for each in done] == [0, 0], done
    leading, following = ((tmp_path / f"{rank}.safetensors").read_bytes() for rank in range(2))
    assert leading == following == in_one_process()


def test_the_shares_of_a_batch_are_different_pictures():
    class Noting(list):
        seen: list[int] = []  # noqa: RUF012

        def __getitem__(self, index):
            self.seen.append(index)
            return super().__getitem__(index)

    samples = Noting(PICTURES)
    with Training(build(CONFIG, 2, box_sides=SIDES), samples, CONFIG) as training:
        for step in (1, 2):
            for training.process_group in (Share(0, 2), Share(1, 2)):
                training._windows(step)
        training.process_group = distributed.ALONE
    assert sorted(samples.seen) == [0, 1, 2, 3]  # each once before any comes again


@pytest.mark.crash
def test_a_process_that_dies_ends_the_other_with_an_error(tmp_path):
    leading, following = two(tmp_path, "dies")
    assert following.returncode == 7
    assert leading.returncode == 1
    assert "Another process of this training ended" in leading.stderr
    assert not list(tmp_path.iterdir())


def test_a_team_of_one_waits_for_nobody():
    assert distributed.current() is distributed.ALONE
    distributed.ALONE.broadcast("nothing")
    assert not distributed.ALONE.is_follower
    assert distributed.ALONE.any(True)
    assert not distributed.ALONE.any(False)


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(TrainingError, match="Use --nproc-per-node 2"), distributed.joined("auto"):
        pass
    with pytest.raises(TrainingError, match="Leave out --device cuda:1"), distributed.joined("cuda:1"):
        pass
