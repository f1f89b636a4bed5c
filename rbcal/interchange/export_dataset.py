"""A project's images, annotations and predictions as files that other programs read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np

from rbcal.acquisition.relevance import CellScores, Score, flags
from rbcal.errors import ProjectError
from rbcal.formats import coco, pictures, voc, yolo
from rbcal.formats.dataset import LabelledImage
from rbcal.formats.names import cell_text, file_names
from rbcal.formats.tables import BOX_SIDES, csv_table, side_columns
from rbcal.interchange.annotation_tables import NAMED, named_columns, write_tables
from rbcal.outputs import new_folder
from rbcal.store.images import Image
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking
from rbcal.wording import count

Format = Literal["coco", "voc", "yolo", "annotations-csv", "predictions-csv", "predictions-coco"]
_UNCERTAINTY = ("u_d", "u_c", "u_r")
_ABOUT = ("model", "ranked_at")
_CELL_COLUMNS = (
    *BOX_SIDES,
    "class",
    "probability",
    "U_d",
    "U_c",
    "U_r",
    "flagged",
    "change_probability",
    "green",
)
_SCORES = {
    "R": "relevance",
    "cells": "n_cells",
    "flagged": "n_flagged",
    "class_unsure": "n_class",
    "box_unsure": "n_box",
    "maybe_rare": "n_rare",
}
Track = Callable[[list[Image]], Iterable[Image]]
_APART = "not_annotated"  # a folder of its own: elsewhere an image without objects is one without cells
_SIDES = {"train": "work", "test": "test"}
_Part = tuple[str, str, list[Image]]  # the folder that it goes into, its side of the test set, its images


@dataclass(frozen=True)
class ExportReport:
    """What an export did: how many images it wrote, and left out as nobody reviewed them, or only in part.

    `unsure` were left out as they have an unsure cell, which YOLO cannot say.
    """

    images: int
    left_out: int = 0
    unsure: int = 0


def summary(report: ExportReport, where: str) -> str:
    """Return what an export did as people say it.

    >>> print(summary(ExportReport(1, left_out=1), "o/"))
    1 image written to o/. 1 image was left out: its boxes are not reviewed, not all read, or not saved.
    """
    said = f"{count(report.images, 'image')} written to {where}."
    if report.left_out:
        were = "was left out: its boxes are" if report.left_out == 1 else "were left out: their boxes are"
        said += f" {count(report.left_out, 'image')} {were} not reviewed, not all read, or not saved."
    if report.unsure:
        has = "was left out: it has" if report.unsure == 1 else "were left out: they have"
        said += f" {count(report.unsure, 'image')} {has} an unsure cell, which YOLO cannot say."
    return said


def export(
    project: Project,
    folder: Path,
    format_: Format,
    *,
    with_images: bool = True,
    overwrite: bool = False,
    unreviewed: bool = False,
    track: Track = iter,
) -> ExportReport:
    """Write annotations, or what the current ranking predicts, into a new folder, and say how much.

    The folder is there once it is complete, and not before.

    Parameters
    ----------
    with_images : bool
        Whether the pictures come, too, each the file that was imported; of DICOM and HEIC, a TIFF.
    overwrite : bool
        Whether the folder may have things in it already; they are kept beside it, as FOLDER.before-1.
    unreviewed : bool
        Whether images come that nobody has reviewed, or only in part, or whose review is not saved yet: into
        the folder ``not_annotated``, without boxes, for another project. Other programs must not learn from
        them.
    track : callable, optional
        Wraps the images on their way, to show progress.

    Raises
    ------
    ExistsError
        When the folder has things in it already.
    ProjectError
        When it cannot be written, no image is reviewed, or there is no ranking whose predictions are asked
        for.
    """
    with project.read_transaction(), new_folder(folder, overwrite=overwrite) as part:
        return _Export(project, part, with_images, unreviewed, track).write(format_)


class _Export:
    """One export on its way: the images, under names that any file system takes."""

    def __init__(
        self, project: Project, folder: Path, with_images: bool, unreviewed: bool, track: Track
    ) -> None:
        self._project, self._folder, self._track = project, folder, track
        self._with_images, self._unreviewed = with_images, unreviewed
        self._classes = project.classes.names()
        self._images = project.images.all()
        ids, names = [each.id for each in self._images], [self._with_ending(each) for each in self._images]
        self._names = dict(zip(ids, file_names(names), strict=True))

    def _with_ending(self, image: Image) -> str:
        """Return the name of an image, with the ending by which programs know what its file is.

        What came as DICOM or HEIC is a TIFF in the project.
        """
        if image.name.lower().endswith(pictures.OWN_SUFFIXES):
            return image.name
        return image.name + pictures.suffix(self._project.images.content(image.id))

    def write(self, format_: Format) -> ExportReport:
        if format_ == "annotations-csv":
            reviewed = [each for each in self._images if each.review_id is not None]
            write_tables(self._project, self._folder, self._track(reviewed))
            return ExportReport(len(reviewed))
        if format_ == "predictions-csv":
            return ExportReport(self._write_csv())
        if format_ == "predictions-coco":
            return ExportReport(self._write_results())
        writers = {"coco": self._write_coco, "voc": self._write_voc, "yolo": self._write_yolo}
        unsure = [each for each in self._images if _is_whole(each) and each.n_unsure and format_ == "yolo"]
        parts = list(self._parts({each.id for each in unsure}))
        if unsure and not parts:
            raise ProjectError(
                f"Each image of {self._project.path.name} that is reviewed whole has an unsure cell, which "
                "YOLO cannot say, so there is nothing to write. COCO and Pascal VOC can."
            )
        if not parts:
            raise ProjectError(
                f"No image of {self._project.path.name} is reviewed whole, so there are no annotations to "
                "write. Review some images first, or export those that are not reviewed, too."
            )
        writers[format_](parts)
        n = sum(len(images) for _, _, images in parts)
        return ExportReport(n, len(self._images) - n - len(unsure), len(unsure))

    def _parts(self, unsure: set[int]) -> Iterator[_Part]:
        """Yield the images that are written together: those that are not reviewed whole lie apart.

        Those of `unsure` are in none.
        """
        for place, is_reviewed in (("", True), (f"{_APART}/", False))[: 1 + self._unreviewed]:
            for side, split in _SIDES.items():
                images = [
                    each
                    for each in self._images
                    if each.split == split and _is_whole(each) == is_reviewed and each.id not in unsure
                ]
                if images:
                    yield place, side, images

    def _labelled(self, image: Image) -> LabelledImage:
        """Return an image with its annotations."""
        boxes = {}
        if image.review_id is not None and _is_whole(image):
            boxes = self._project.log.reviewed(image.review_id)
        name = self._names[image.id]
        return LabelledImage(
            file_name=name,
            width=image.width,
            height=image.height,
            group=image.group,
            boxes=[state.box for state in boxes.values()],
            classes=[self._classes[state.label] for state in boxes.values()],
            split=image.split,
            annotated=_is_whole(image),
            title=None if name == image.name else image.name,
            layer=image.layer or None,
            unsure=[n for n, state in enumerate(boxes.values()) if state.review_status == "unsure"],
        )

    # ---- annotations -------------------------------------------------------------------------

    def _write_coco(self, parts: list[_Part]) -> None:
        rare = [each.name for each in self._project.classes.all() if each.rare]
        about = "synthetic, exported by rbcal" if self._project.is_synthetic else "exported by rbcal"
        for place, side, images in parts:
            for image in self._track(images):
                self._copy(image, f"{place}images/{self._names[image.id]}")
            path = self._folder / f"{place}annotations/instances_{side}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            numbered = partial(self._numbered, images)
            with path.open("w", encoding="utf-8") as file:
                file.writelines(coco.write(numbered, self._classes, rare, about))

    def _numbered(self, images: list[Image]) -> Iterator[tuple[int, LabelledImage]]:
        return ((image.id, self._labelled(image)) for image in images)

    def _write_voc(self, parts: list[_Part]) -> None:
        self._put("labelmap.txt", voc.label_map(self._classes).encode())
        for place, side, images in parts:
            stems = []
            for image in self._track(images):
                labelled = self._labelled(image)
                stems.append(PurePosixPath(labelled.file_name).stem)
                self._put(f"{place}Annotations/{stems[-1]}.xml", voc.write(labelled))
                self._copy(image, f"{place}JPEGImages/{labelled.file_name}")
            name = "test" if side == "test" else "trainval"
            self._put(f"{place}ImageSets/Main/{name}.txt", "".join(f"{stem}\n" for stem in stems).encode())

    def _write_yolo(self, parts: list[_Part]) -> None:
        has_test = any(side == "test" and not place for place, side, _ in parts)
        self._put("data.yaml", yolo.description(self._classes, has_test=has_test).encode())
        groups: dict[str, str] = {}
        for place, side, images in parts:
            for image in self._track(images):
                labelled = self._labelled(image)
                stem = PurePosixPath(labelled.file_name).stem
                groups[stem] = image.group
                self._copy(image, f"{place}images/{side}/{labelled.file_name}")
                if labelled.annotated:
                    self._put(f"labels/{side}/{stem}.txt", yolo.write(labelled, self._classes).encode())
        self._put(yolo.GROUPS, json.dumps({"groups": groups}, indent=0).encode())

    # ---- predictions -------------------------------------------------------------------------

    def _ranking(self) -> StoredRanking:
        ranking = self._project.rankings.current()
        if ranking is None:
            raise ProjectError(
                f"{self._project.path.name} has no predictions yet: train a model, then let it sort the "
                "images."
            )
        return ranking

    def _write_csv(self) -> int:
        ranking = self._ranking()
        about = {"model": ranking.model_id, "ranked_at": ranking.created_at}
        chances = [f"p({name})" for name in self._classes]  # no spreadsheet takes that for a formula
        with (
            csv_table(self._folder / "cells.csv", (*NAMED, *_CELL_COLUMNS, *chances, *_ABOUT)) as add_cell,
            csv_table(self._folder / "images.csv", (*NAMED, *_SCORES, *_ABOUT)) as add_image,
        ):
            n = 0
            for image, score, cells in self._scored(ranking):
                n += 1
                named = named_columns(image)
                add_image(
                    {**named, **{column: getattr(score, name) for column, name in _SCORES.items()}, **about}
                )
                for cell in cells:
                    sides = side_columns(cell[side] for side in BOX_SIDES)
                    add_cell({**named, **cell, **sides, "class": cell_text(cell["class"]), **about})
        return n

    def _write_results(self) -> int:
        ranking, per_image = self._ranking(), []
        categories = {name: label + 1 for label, name in enumerate(self._classes)}
        with (self._folder / "results.json").open("w", encoding="utf-8") as file:
            file.write("[")
            separator = "\n"
            for image, score, cells in self._scored(ranking):
                figures = {"R": score.relevance, "cells": score.n_cells, "flagged": score.n_flagged}
                per_image.append({"image_id": image.id, "image": image.name, **figures})
                for cell in cells:
                    file.write(separator + json.dumps(_result(image, cell, categories[cell["class"]])))
                    separator = ",\n"
            file.write("]\n")
        document = {"model": ranking.model_id, "ranked_at": ranking.created_at, "images": per_image}
        self._put("images.json", json.dumps(document, indent=1).encode())
        return len(per_image)

    def _scored(self, ranking: StoredRanking) -> Iterator[tuple[Image, Score, list[dict[str, Any]]]]:
        """Yield each image of a ranking, its scores, and its cells as rows of the table."""
        for image in self._track(self._images):
            score = self._project.rankings.score(ranking.id, image.id)
            if score is not None:
                cells = self._project.rankings.cells(ranking.id, image.id)
                u_d, u_c, u_r = (
                    np.array([getattr(cell, u) for cell in cells], np.float32) for u in _UNCERTAINTY
                )
                flagged = flags(CellScores(u_d, u_c, u_r), ranking.config).any.tolist()
                chances, green = self._chances(ranking, cells)
                yield image, score, list(map(self._cell_row, cells, flagged, chances, green))

    def _chances(self, ranking: StoredRanking, cells: Sequence[Cell]) -> tuple[list[Any], list[int]]:
        """Return how likely each cell of an image would be changed, "" while unknown, and if it is green."""
        change = self._project.colours.get(ranking.id)
        if change is None or not cells:
            return [""] * len(cells), [0] * len(cells)
        e = change.chances(np.stack([cell.probs for cell in cells]), np.zeros(len(cells), np.int64))
        return e.tolist(), change.is_green(e).astype(int).tolist()

    def _cell_row(self, cell: Cell, is_flagged: bool, chance: Any, is_green: int) -> dict[str, Any]:
        probs = cell.probs[1:].tolist()
        columns = (*_CELL_COLUMNS, *(f"p({name})" for name in self._classes))
        about = (self._classes[cell.label], probs[cell.label], cell.u_d, cell.u_c, cell.u_r)
        colours = (int(is_flagged), chance, is_green)
        return dict(zip(columns, (*cell.box.tolist(), *about, *colours, *probs), strict=True))

    # ---- files -------------------------------------------------------------------------------

    def _copy(self, image: Image, name: str) -> None:
        if self._with_images:
            self._put(name, self._project.images.content(image.id))

    def _put(self, name: str, content: bytes) -> None:
        path = self._folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def _is_whole(image: Image) -> bool:
    """Return whether the boxes of an image are all that is in it: it is reviewed, and every box was read."""
    return image.review_id is not None and not image.n_unread


def _result(image: Image, cell: Mapping[str, Any], category: int) -> dict[str, Any]:
    """Return a cell as COCO writes a detection; its ids are those of the annotations."""
    return {
        "image_id": image.id,
        "category_id": category,
        "bbox": [cell["x1"], cell["y1"], cell["x2"] - cell["x1"], cell["y2"] - cell["y1"]],
        "score": cell["probability"],
        "u_d": cell["U_d"],
        "u_c": cell["U_c"],
        "u_r": cell["U_r"],
        "flagged": bool(cell["flagged"]),
    }
