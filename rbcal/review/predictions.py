"""What the serving model says of the cells of one image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rbcal.review.boxes import EditedBox, EditedBoxes
from rbcal.review.canvas_drawing import Frame
from rbcal.review.explanations import CellColours, Verdict, by_chance, most_uncertain_first, verdicts
from rbcal.review.remnants import remnants_last
from rbcal.review.spot_checks import is_spot_check
from rbcal.store.project import Project
from rbcal.store.rankings import Cell, StoredRanking


@dataclass(frozen=True)
class CellPredictions:
    """The cells that a ranking has of an image, by detection, and why some of them are red."""

    ranking: StoredRanking | None = None
    cells: Mapping[int, Cell] = field(default_factory=dict)
    verdicts: Mapping[int, Verdict] = field(default_factory=dict)
    spot_checks: tuple[int, int] = (0, 0)  # wrong, checked: the model's green boxes so far
    colours: CellColours = field(default_factory=CellColours)
    live_cells: int = 0  # answers that the names learnt from since the training

    @classmethod
    def read(cls, project: Project, ranking: StoredRanking | None, image_id: int) -> CellPredictions:
        """Return what a ranking has of an image; nothing where there is no ranking."""
        colours = cell_colours(project, ranking)
        if ranking is None:
            return cls(colours=colours)
        cells = project.rankings.cells(ranking.id, image_id, live=True)
        head = project.live_heads.get(ranking.id)
        names, rare = project.classes.names(), project.classes.rare_labels()
        of_cells = verdicts(cells, names, rare, ranking.config)
        if colours.by == "chance":
            image = project.images.get(image_id)
            own = project.rankings.own_probs(ranking.id, [image_id])
            of_cells = by_chance(of_cells, cells, own, colours.change)
            of_cells = remnants_last(of_cells, cells, image.width, image.height)
        return cls(
            ranking,
            {cell.detection_id: cell for cell in cells},
            {each.detection_id: each for each in of_cells},
            project.reviews.spot_checks(ranking.model_id),
            colours,
            0 if head is None or head.fitted is None else head.n_cells,
        )

    def unjudged(self) -> CellPredictions:
        """Return the same cells, all of them red and without a reason: for an image that is read blind."""
        return replace(self, verdicts={key: Verdict(key, True, (), "", 0.0) for key in self.verdicts})

    @property
    def flagged(self) -> set[int | None]:
        """The detections that are red while nobody has dealt with them; None: boxes that no model made."""
        if self.ranking is None:
            return {None}
        return {key for key, verdict in self.verdicts.items() if verdict.flagged}

    @property
    def red(self) -> list[int]:
        """The same, the most uncertain first."""
        cells = list(self.cells.values())
        return [cells[k].detection_id for k in most_uncertain_first(cells, list(self.verdicts.values()))]

    @property
    def spots(self) -> list[int]:
        """The green detections that are drawn for a check."""
        ranking = self.ranking
        green = [key for key, verdict in self.verdicts.items() if not verdict.flagged]
        return [] if ranking is None else [key for key in green if is_spot_check(ranking.id, key)]

    def boxes(self, frame: Frame) -> EditedBoxes:
        """Return the boxes of the model, as an image opens with them."""
        flagged = self.flagged
        return tuple(
            EditedBox(number, frame.clip(tuple(cell.box.tolist())), cell.label, key, key in flagged)
            for number, (key, cell) in enumerate(self.cells.items())
        )


def cell_colours(project: Project, ranking: StoredRanking | None) -> CellColours:
    """Return what makes a cell of a ranking green."""
    change = None if ranking is None else project.colours.get(ranking.id)
    return CellColours(project.colours.by, project.colours.promise, change)
