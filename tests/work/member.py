"""One of two processes that torchrun starts: ``torchrun ... -m tests.work.member PROJECT``.

The one that leads trains to the end, trains again and is cancelled at step 2, and resumes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from rbcal.config import TrainConfig
from rbcal.errors import JobCancelledError
from rbcal.store.project import Project
from rbcal.work import pipeline, together
from tests.work.test_pipeline import Silent

CONFIG = TrainConfig(steps=3, init="random", batch_size=1, crop=160, device="cpu")

if __name__ == "__main__":
    with together.leading("cpu") as leads:
        if leads:
            with Project.open(Path(sys.argv[1])) as project:
                pipeline.train(project, CONFIG, Silent())
                try:
                    pipeline.train(project, CONFIG, Silent(stop_after=2))
                except JobCancelledError:
                    pipeline.resume(project, Silent())
