"""Drafts and the log: every act on the open image is in the project file as soon as it is one.

What is open can be rebuilt from the file at any moment, undo and redo with it. An act that comes after
somebody else's is refused by the store; then the expert chooses, and both are in the log.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from rbcal.errors import ConflictError
from rbcal.review.boxes import EditedBox, EditedBoxes, from_states, to_states
from rbcal.review.history import History, replay
from rbcal.review.predictions import CellPredictions
from rbcal.review.spot_checks import check_outcomes
from rbcal.store.log import BoxState, Kind, Work
from rbcal.store.project import Project, ProjectFile

_IDLE = 60.0  # seconds; a longer pause is not work


@dataclass
class EditLog:
    """What the project file has of the work on the open image."""

    file: ProjectFile
    image_id: int
    sha256: str  # of the image's own bytes
    predictions: CellPredictions
    start: EditedBoxes  # as the model left them, or the last review
    version: int = 0  # of the boxes in the log
    begun: bool = False  # whether the log has what the expert started from
    revision: int = 0  # how often the image was reviewed
    seconds: float = 0.0  # of the expert's time since the start
    logged: float = 0.0  # of them, those that the log has
    gone: frozenset[int] = frozenset()  # detections that a newer ranking dropped
    theirs: Work | None = None  # what somebody else did meanwhile
    is_behind: bool = False  # whether the expert sees a change that is not in the log
    acted_at: float = field(default_factory=time.monotonic)

    def count_time(self) -> None:
        """Count the time since the last act as the expert's."""
        now = time.monotonic()
        self.seconds += min(now - self.acted_at, _IDLE)
        self.acted_at = now

    def is_stale(self, project: Project) -> bool:
        """Return whether the image can, and should, be opened anew: the log has all of this, and more."""
        is_whole = self.theirs is None and not self.is_behind
        return is_whole and project.log.version(self.image_id) != self.version

    def record(self, kind: Kind, boxes: EditedBoxes, review_id: int | None = None) -> None:
        """Log an act after which the boxes are `boxes`; it is on disk when this returns.

        Raises
        ------
        ConflictError
            When somebody else changed this image meanwhile; `theirs` has what they did.
        """
        with self.transaction() as project:
            version = self._record(project, kind, boxes, review_id)
        self.version, self.begun, self.logged, self.is_behind = version, True, self.seconds, False

    def save(self, boxes: EditedBoxes, spots: Collection[int]) -> None:
        """Store the boxes as annotations, and what the spot checks said; raises as :meth:`record` does."""
        with self.transaction() as project:
            version = self._begin(project)
            project.reviews.save_boxes(
                self.image_id,
                self.states(tuple(map(self._settled, boxes))),
                origin="expert",
                version=version,
                spot_checks={} if self.gone else check_outcomes(boxes, self.start, spots),
                ranking_id=self._ranking_id,
                seconds=self.seconds - self.logged,
            )

    def reviewed(self, review_id: int) -> EditedBoxes:
        """Return the boxes of an earlier review."""
        with self.file.open() as project:
            return from_states(project.log.reviewed(review_id), self.predictions.flagged)

    def settle(self, boxes: EditedBoxes, *, theirs_last: bool) -> History:
        """Log these boxes and what somebody else did, one after the other, and return the history of both."""
        flagged = self.predictions.flagged
        with self.transaction() as project:
            theirs = project.log.work(self.image_id)  # by now
            self.version, self.begun = theirs.version, True
            self.version, self.logged = self._record(project, "edit", boxes), self.seconds
            if theirs_last:
                self.version = self._record(project, "edit", from_states(theirs.boxes, flagged))
            work, self.revision = project.log.work(self.image_id), project.reviews.revision(self.image_id)
        self.theirs, self.is_behind = None, False
        self.start = from_states(work.start, flagged)
        return replay(work, flagged)

    def states(self, boxes: EditedBoxes) -> dict[int, BoxState]:
        """Return boxes as the log keeps them: without the detections that are gone."""
        return {
            number: state._replace(detection_id=None) if state.detection_id in self.gone else state
            for number, state in to_states(boxes).items()
        }

    @contextmanager
    def transaction(self) -> Iterator[Project]:
        """Open the project for writes on the open image.

        Raises
        ------
        ReplacedError
            When it is not the project any more in which the image was opened, or not that image.
        """
        try:
            with self.file.open() as project, project.transaction():
                project.images.check(self.image_id, self.sha256)
                yield project
        except ConflictError:
            with self.file.open() as project:
                self.theirs = project.log.work(self.image_id)
            raise

    @property
    def _ranking_id(self) -> int | None:
        return None if self.predictions.ranking is None else self.predictions.ranking.id

    def _record(self, project: Project, kind: Kind, boxes: EditedBoxes, review_id: int | None = None) -> int:
        """Log an act, and before the first one what the expert started from; return its version."""
        version, seconds = self._begin(project), self.seconds - self.logged
        return project.log.record(
            self.image_id, kind, self.states(boxes), version=version, seconds=seconds, review_id=review_id
        )

    def _begin(self, project: Project) -> int:
        """Log what the expert starts from, unless it is there, and return the version of it."""
        if self.begun:
            return self.version
        ranking_id = self._ranking_id
        there = project.rankings.cells(ranking_id, self.image_id) if ranking_id else []
        self.gone = frozenset(self.predictions.cells) - {cell.detection_id for cell in there}
        return project.log.record(
            self.image_id, "begin", self.states(self.start), version=self.version, ranking_id=ranking_id
        )

    def _settled(self, box: EditedBox) -> EditedBox:
        """Return a box with what became of it; one that was changed, and changed back since, is kept."""
        was = next((each for each in self.start if each.id == box.id), None)
        if was is None or box.review_status != "changed" or was.review_status == "changed":
            return box
        return replace(box, review_status="kept") if (was.box, was.label) == (box.box, box.label) else box
