"""One of two processes that train together: ``python -m tests.detector.member FOLDER [dies]``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from rbcal.detector import distributed
from rbcal.detector.checkpoint import save
from rbcal.detector.faster_rcnn import build
from rbcal.detector.trainer import Training
from rbcal.errors import TrainingError
from tests.detector.conftest import RANDOM, SIDES, picture

CONFIG = replace(RANDOM, steps=3, batch_size=1, second_look=True)
PICTURES = [picture(seed) for seed in range(4)]


class Mortal(Training):
    def _learn(self, step, windows):
        if self.process_group.is_follower and step == 2 and "dies" in sys.argv:
            os._exit(7)
        return super()._learn(step, windows)


def main() -> None:
    with distributed.joined("cpu") as joined:
        with Mortal(build(CONFIG, 2, box_sides=SIDES), PICTURES, CONFIG, process_group=joined) as training:
            if joined.is_follower:
                training.follow()
            else:
                while not training.finished:
                    training.advance()
        Path(sys.argv[1], f"{joined.rank}.safetensors").write_bytes(save(training.detector))


if __name__ == "__main__":
    try:
        main()
    except TrainingError as err:
        sys.exit(str(err))
