"""Small copies of the images of a project, as the browser takes them."""

from __future__ import annotations

import base64
from collections.abc import Callable

import numpy as np
import streamlit as st

from rbcal.formats import crops, pictures
from rbcal.store.project import Project

_AROUND = 0.35  # sides of a cell that its picture shows beyond it, on either side


def thumbnail(project: Project, image_id: int) -> str:
    """Return the address of an image's small copy, which is made and stored when it is first asked for."""
    small = project.images.thumbnail(image_id)
    if small is None:
        with project.transaction():  # no restore may exchange the picture meanwhile
            layer = project.images.get(image_id).layer
            small = pictures.thumbnail(project.images.content(image_id), layer=layer)
            project.images.save_thumbnail(image_id, small)
    return address(small)


def cell_picture(project: Project, image_id: int, box: tuple[float, float, float, float]) -> bytes:
    """Return a picture of one cell of an image, as a JPEG; the last few hundred are kept."""

    def read() -> pictures.Pixels:
        return pictures.decode(project.images.content(image_id), project.images.get(image_id).layer)

    return _cell_picture(project.images.digest(image_id), box, read)


@st.cache_data(max_entries=500, show_spinner=False)
def _cell_picture(
    sha256: str, box: tuple[float, float, float, float], _read: Callable[[], pictures.Pixels]
) -> bytes:
    del sha256  # only the key
    return crops.crop(_read(), [np.array(box)], margin=_AROUND).jpeg()


def address(jpeg: bytes) -> str:
    """Return the address that has a JPEG in itself."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode("ascii")
