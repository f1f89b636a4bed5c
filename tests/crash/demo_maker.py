"""A program that makes a small demo, image by image: ``python -m tests.crash.demo_maker FILE``."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from rbcal.interchange import synthetic_dataset
from rbcal.store.images import Images
from tests.crash.kill import say, say_ready


def make(path: Path) -> None:
    """Make a demo of 8 images."""
    synthetic_dataset.DEMO_IMAGES, synthetic_dataset.DEMO_ANNOTATED = 8, 2
    from rbcal.synth import slides

    slides.PER_SLIDE = 2
    synthetic_dataset.create_demo(path)


def main(path: Path) -> None:
    """Say so at each image that is stored, and wait for the kill."""
    add = Images.add

    def noted(self: Images, *args: Any, **options: Any) -> int:
        image_id = add(self, *args, **options)
        say({"image": image_id})
        time.sleep(0.05)
        return image_id

    Images.add = noted  # type: ignore[method-assign]
    say_ready()
    make(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
