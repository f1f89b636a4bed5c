"""Every annotated cell of a project as a table, and the images that it is of, also those without a cell."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rbcal.formats.names import cell_text
from rbcal.formats.tables import BOX_SIDES, csv_table, side_columns
from rbcal.store.images import Image
from rbcal.store.project import Project

NAMED = ("image", "image_id", "group")
_CELL_COLUMNS = (*NAMED, "split", *BOX_SIDES, "class", "status", "note", "annotator", "saved_at")
_IMAGE_COLUMNS = (*NAMED, "split", "cells", "unsure", "not_read")
_STATUS = {None: "imported", "open": "not read", "accepted_in_bulk": "accepted in bulk"}  # others as they are


def write_tables(project: Project, folder: Path, images: Iterable[Image]) -> None:
    """Write `cells.csv`, a row for each cell with what the expert did with it, and `images.csv`.

    Also cells that teach nothing, and images without a cell.

    Parameters
    ----------
    images : iterable of Image
        Reviewed ones.
    """
    names = project.classes.names()
    with (
        csv_table(folder / "cells.csv", _CELL_COLUMNS) as add_cell,
        csv_table(folder / "images.csv", _IMAGE_COLUMNS) as add_image,
    ):
        for image in images:
            about = {**named_columns(image), "split": image.split}
            numbers = {"cells": image.n_cells, "unsure": image.n_unsure, "not_read": image.n_unread}
            add_image({**about, **numbers})
            for row in _cells(project, image, names):
                add_cell({**about, **row})


def named_columns(image: Image) -> Mapping[str, Any]:
    """Return the columns that say which image a row is of."""
    return {"image": cell_text(image.name), "image_id": image.id, "group": cell_text(image.group)}


def _cells(project: Project, image: Image, class_names: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    """Yield each cell of a reviewed image as a row, without the columns on the image."""
    saved = project.reviews.versions(image.id)[0]
    by_whom = {"annotator": cell_text(saved.who), "saved_at": saved.created_at}
    for state in project.log.reviewed(saved.review_id).values():
        status = _STATUS.get(state.review_status, state.review_status)
        named = {"class": cell_text(class_names[state.label]), "note": cell_text(state.note)}
        yield {**side_columns(state.box), **named, "status": status, **by_whom}
