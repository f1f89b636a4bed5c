"""A program that imports pictures with boxes: ``python -m tests.crash.importer FILE FOLDER [OPTIONS]``."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rbcal.formats import coco, files
from rbcal.formats.dataset import LabelledImage
from rbcal.interchange.import_images import import_images
from rbcal.store.project import Project
from tests.crash.kill import say, say_ready


class Track:
    """Acknowledges each picture when the import asks for the next; the first walk only reads."""

    def __init__(self) -> None:
        self.walks = 0

    def __call__(self, images: Sequence[LabelledImage]) -> Iterator[LabelledImage]:
        self.walks += 1
        for image in images:
            yield image
            if self.walks == 2:
                say({"name": image.file_name})


def main(path: Path, folder: Path, options: dict[str, Any]) -> None:
    """Import, and say so picture by picture."""
    annotations = coco.read((folder / "annotations.json").read_bytes())
    with Project.open(path) as project:
        say_ready()
        source = files.folder(folder / "images")
        import_images(project, source, annotations=annotations, track=Track(), **options)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads("".join(sys.argv[3:]) or "{}"))
