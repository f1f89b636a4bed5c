"""Pictures and annotations on their way from the project file to the detector."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from rbcal.formats.pictures import Pixels, decode
from rbcal.store.images import Image
from rbcal.store.project import Project, ProjectFile
from rbcal.types import Annotations

_AHEAD = 2  # pictures decoded before they are needed; memory does not grow with the pool


class Samples(Sequence[tuple[Pixels, Annotations]]):
    """Annotated images; a picture is read and decoded when it is asked for, and not kept."""

    def __init__(self, project: Project, images: Sequence[Image]) -> None:
        self._project = project
        self._images = images
        self.annotations = [load_annotations(project, image) for image in images]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> tuple[Pixels, Annotations]:  # type: ignore[override]  # no slices
        image = self._images[index]
        return decode(self._project.images.content(image.id), image.layer), self.annotations[index]

    def sent(self, index: int) -> tuple[bytes, str, Annotations]:
        """Return an image as it goes to another process: its file, which layer of it, what is on it."""
        image = self._images[index]
        return self._project.images.content(image.id), image.layer, self.annotations[index]


def load_annotations(project: Project, image: Image) -> Annotations:
    """Return the annotations of the review that the image was read with, whatever was saved since."""
    return Annotations.empty() if image.review_id is None else project.reviews.annotations(image.review_id)


def decoded(file: ProjectFile, images: Sequence[Image]) -> Iterator[tuple[Image, Pixels]]:
    """Yield each image with its pixels, decoded in another thread ahead of whoever looks at them."""
    with file.open() as reader, ThreadPoolExecutor(1, thread_name_prefix="rbcal-pictures") as thread:

        def read(image: Image) -> Pixels:
            return decode(reader.images.content(image.id), image.layer)

        ahead: deque[tuple[Image, Future[Pixels]]] = deque()
        try:
            for image in images:
                ahead.append((image, thread.submit(read, image)))
                if len(ahead) > _AHEAD:
                    first, pixels = ahead.popleft()
                    yield first, pixels.result()
            for last, pixels in ahead:
                yield last, pixels.result()
        finally:
            thread.shutdown(cancel_futures=True)
