"""The worker, writing its state down at every step: ``python -m tests.crash.trainer FILE PROJECT JOB``."""

from __future__ import annotations

import sys

from rbcal.jobs import worker
from tests.crash.kill import say_ready

if __name__ == "__main__":
    say_ready()
    from rbcal.jobs import train

    train._KEEP_SECONDS = train._KEEP_SHARE = 0
    sys.exit(worker.main())
