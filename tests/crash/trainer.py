"""The worker, writing its state down at every step: ``python -m tests.crash.trainer FILE JOB``."""

from __future__ import annotations

import sys

from rbcal.work import worker
from tests.crash.kill import say_ready

if __name__ == "__main__":
    say_ready()
    from rbcal.work import teaching

    teaching._KEEP_SECONDS = teaching._KEEP_SHARE = 0
    sys.exit(worker.main())
