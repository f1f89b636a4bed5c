"""The harness: start a program, kill it at a seeded moment, and read what it had acknowledged by then.

A program under test prints ``ready`` and then one JSON line for each act, once the act has returned. What is
in the pipe when the program dies was acknowledged; a line that broke off was not.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any, Protocol

from rbcal.store.verification import verify

ROOT = Path(__file__).parents[2]
PATIENCE = 120.0  # seconds until a program must have said that it is ready


@dataclass
class Tally:
    """What became of the kills of one scene."""

    scene: str
    kills: int = 0
    midway: int = 0  # the program had not come to its end yet
    acts: int = 0  # acknowledged before the kill
    losses: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)  # verify says no, or it cannot be worked on
    seconds: float = 0.0

    @contextmanager
    def looking(self, where: str) -> Iterator[None]:
        """Note what does not hold after a kill; the other kills go on."""
        try:
            yield
        except LostError as err:
            self.losses.append(f"{where}: {err}")
        except Exception as err:
            self.unsound.append(f"{where}: {type(err).__name__}: {err}")

    @property
    def clean(self) -> bool:
        """Whether nothing was lost and every file was sound."""
        return not self.losses and not self.unsound


class Scene(Protocol):
    """A kind of work; called, it is begun, killed once and looked at."""

    name: str

    def __call__(self, rng: random.Random, number: int, tally: Tally) -> None: ...


class LostError(AssertionError):
    """An act that was acknowledged is not in the file, or not as it was."""


class Program:
    """One of the programs of this folder, in a process of its own."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name = name
        command = [sys.executable, "-W", "ignore", "-m", f"tests.crash.{name}", *map(str, arguments)]
        with tempfile.TemporaryFile() as words:  # a pipe that nobody reads would fill up
            self.process = subprocess.Popen(
                command, cwd=ROOT, stdout=subprocess.PIPE, stderr=words, text=True, bufsize=1
            )
            self._words = os.dup(words.fileno())
        weakref.finalize(self, os.close, self._words)
        self._lines: Queue[str] = Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._lines.put(line)
        self._lines.put("")  # it ended

    def ready(self) -> Any:
        """Wait until it is ready; return what it says with that."""
        try:
            line = self._lines.get(timeout=PATIENCE)
        except Empty:
            line = ""
        if not line:
            self.kill()
            raise RuntimeError(f"{self.name} never was ready: {self.words()}")
        return json.loads(line)["ready"]

    def span(self) -> float:
        """Return how long its one act takes; it is let come to its end."""
        self.ready()
        began = time.monotonic()
        line = self._lines.get(timeout=PATIENCE)
        span = time.monotonic() - began
        self._lines.put(line)
        self.finish()
        return span

    def kill_at(self, n: int) -> None:
        """Kill it as soon as it has acknowledged so many acts."""
        self.ready()
        for _ in range(n):
            assert self._lines.get(timeout=PATIENCE), self.words()
        assert self.kill()

    def kill(self) -> bool:
        """Kill it as the out-of-memory killer would; return whether it was still at it."""
        midway = self.process.poll() is None
        self.process.kill()  # SIGKILL; TerminateProcess on Windows
        self.process.wait()
        return midway

    def acknowledged(self) -> list[Any]:
        """Return what it acknowledged until it ended."""
        self.process.wait()
        self._reader.join(PATIENCE)
        lines = []
        while not self._lines.empty():
            lines.append(self._lines.get())
        return [json.loads(line) for line in lines if line.endswith("\n")]

    def words(self) -> str:
        """Return what it said on stderr."""
        os.lseek(self._words, 0, os.SEEK_SET)
        return os.read(self._words, 10**6).decode("utf-8", "replace")[-3000:]

    def finish(self, seconds: float = 600) -> list[Any]:
        """Let it come to its end; return what it acknowledged."""
        code = self.process.wait(seconds)
        assert code == 0, self.words()
        return self.acknowledged()


def say(word: Any) -> None:
    """Acknowledge an act; the line is in the pipe when this returns."""
    sys.stdout.write(json.dumps(word) + "\n")
    sys.stdout.flush()


def say_ready(word: Any = True) -> None:
    """Say that the next thing is what shall be killed."""
    say({"ready": word})


def kill_after(program: Program, delay: float) -> list[Any]:
    """Kill a program some seconds after it was ready; return its acts."""
    deadline = time.monotonic() + delay
    while program.process.poll() is None and time.monotonic() < deadline:
        time.sleep(min(0.002, max(0.0, deadline - time.monotonic())))
    assert program.kill() or program.process.returncode == 0, program.words()
    return program.acknowledged()


def expect_sound(path: Path) -> None:
    """Raise if a project file is not whole."""
    verification = verify(path)
    assert verification.ok, [problem for check in verification.checks for problem in check.problems][:3]


def repeat(scene: Scene, numbers: Iterable[int], seed: int, tally: Tally) -> Tally:
    """Kill once for each number, at a moment that the seed and the number say."""
    for number in numbers:
        began = time.monotonic()
        with tally.looking(f"{scene.name}, seed {seed}, kill {number}"):
            scene(random.Random(f"{scene.name} {seed} {number}"), number, tally)
        tally.kills += 1
        tally.seconds += time.monotonic() - began
    return tally
