"""One of two processes that torchrun starts: ``torchrun ... -m tests.jobs.member PROJECT``.

The one that leads trains to the end, trains again and is cancelled at step 2, and resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rbcal.config import TrainConfig
from rbcal.errors import JobCancelledError
from rbcal.jobs import distributed_train, train
from rbcal.store.project import Project
from tests.jobs.test_pipeline import Silent

CONFIG = TrainConfig(steps=3, init="random", batch_size=1, crop=160, crops=4, device="cpu")

if __name__ == "__main__":
    with distributed_train.leading("cpu") as leads:
        if leads:
            with Project.open(Path(sys.argv[1])) as project:
                train.train(project, CONFIG, Silent())
                try:
                    train.train(project, CONFIG, Silent(stop_after=2))
                except JobCancelledError:
                    train.resume(project, Silent())
