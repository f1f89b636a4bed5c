"""Which images of a project look alike: their hashes, made bit by bit."""

from __future__ import annotations

import time

from rbcal.errors import ImageError
from rbcal.formats import pictures
from rbcal.interchange.perceptual_hash import perceptual_hash
from rbcal.store.project import Project


def hash_some(project: Project, seconds: float) -> int:
    """Make perceptual hashes that are missing, for about that long; return how many are still missing.

    Import makes them; only a project of an older rbcal lacks some. Each is stored at once, so the next call
    goes on where this one ended.
    """
    until = time.monotonic() + seconds
    missing = project.images.without_hash()
    for done, image_id in enumerate(missing):
        if time.monotonic() >= until:
            return len(missing) - done
        project.images.save_hash(image_id, _hash(project, image_id))
    return 0


def _hash(project: Project, image_id: int) -> bytes:
    try:
        return perceptual_hash(
            pictures.decode(project.images.content(image_id), project.images.get(image_id).layer)
        )
    except ImageError:
        return b""  # the decoder of that day read it
