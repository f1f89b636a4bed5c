"""A program that does so many acts beside another one: ``python -m tests.crash.writer FILE SEED ACTS``."""

from __future__ import annotations

import random
import sys
import time
from pathlib import Path

from rbcal.errors import ConflictError
from rbcal.store.project import Project
from tests.crash.editor import changed, plain
from tests.crash.kill import say, say_ready

START = ".start"  # a file beside the project: both writers are ready


def main(path: Path, seed: str, n_acts: int) -> None:
    """Edit the same images as the other writer; where it was faster, look again and go on from its boxes."""
    rng = random.Random(seed)
    conflicts = 0
    with Project.open(path) as project:
        images = [image.id for image in project.images.all()]
        say_ready()
        while not path.with_suffix(START).exists():  # else the first would be done before the other is there
            time.sleep(0.001)
        began = time.monotonic()
        for _ in range(n_acts):
            image_id = rng.choice(images)
            while True:
                version, boxes = project.log.version(image_id), project.log.boxes(image_id)
                boxes = changed(boxes, rng, project.log.next_number(image_id))
                try:
                    version = project.log.record(
                        image_id, "edit" if version else "begin", boxes, version=version
                    )
                except ConflictError:
                    conflicts += 1
                else:
                    break
            say({"image": image_id, "version": version, "boxes": plain(boxes)})
        say({"conflicts": conflicts, "seconds": time.monotonic() - began})


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
