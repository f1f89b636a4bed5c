"""Small copies of the images of a project, as the browser takes them."""

from __future__ import annotations

import base64

from rbcal.formats import pictures
from rbcal.store.project import Project


def thumbnail(project: Project, image_id: int) -> str:
    """Return the address of an image's small copy, which is made and stored when it is first asked for."""
    small = project.images.thumbnail(image_id)
    if small is None:
        with project.transaction():  # no restore may exchange the picture meanwhile
            layer = project.images.get(image_id).layer
            small = pictures.thumbnail(project.images.content(image_id), layer=layer)
            project.images.save_thumbnail(image_id, small)
    return address(small)


def address(jpeg: bytes) -> str:
    """Return the address that has a JPEG in itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
