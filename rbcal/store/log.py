"""The log: every act on the boxes of an image. Reviews and unfinished work follow from it.

An image has versions of its boxes, one an act: 1, 2, 3, ... Whoever makes an act says which version it comes
after, so an act of a stale tab, or of another process, is refused and never lost in silence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

from rbcal.class_merges import Merges
from rbcal.errors import ConflictError
from rbcal.store.classes import read_merges
from rbcal.store.database import Database, now

Kind = Literal["import", "begin", "edit", "undo", "redo", "restore", "save"]
ReviewStatus = Literal["open", "kept", "accepted_in_bulk", "changed", "drawn", "unsure"]
"""What the expert did with a box: nothing, looked and kept it, accepted it with all green ones, ...

Of an unsure one the expert cannot say what it is: nothing learns from its class or is measured by it.
"""

NOT_NAMED: tuple[ReviewStatus, ...] = ("open", "unsure")  # nobody says which class such a box is of
IS_NAMED = "coalesce(review_status, '') NOT IN ('open', 'unsure')"  # the same, as SQL
_ORIGINS = ("import", "begin", "save")  # acts that the expert goes on from, and undo does not go beyond
_NO_END = 2**62  # later than any version
_STATE = ("x1", "y1", "x2", "y2", "class", "review_status", "detection", "note")
_BEFORE, _AFTER = (", ".join(f"{name}_{when}" for name in _STATE) for when in ("before", "after"))
_EVENT = f"image_id, version, box, {_BEFORE}, {_AFTER}"


class BoxState(NamedTuple):  # a dataclass would cost more than the row that it comes from
    """A box at one moment: ``x1, y1, x2, y2`` in image pixels, its label, and where it came from.

    `review_status` is None for a box that was imported; `detection_id` is None for
    one that no model found. `note` is what the expert wrote beside it.
    """

    box: tuple[float, float, float, float]
    label: int
    review_status: ReviewStatus | None = None
    detection_id: int | None = None
    note: str = ""

    @property
    def is_named(self) -> bool:
        """Whether somebody said, or vouched for, which class it is of."""
        return self.review_status not in NOT_NAMED


Boxes = Mapping[int, BoxState]  # by number; a box keeps its number for as long as it lives


class Event(NamedTuple):
    """What an act did to one box; None before: it is new, None after: it is gone."""

    box: int
    before: BoxState | None
    after: BoxState | None


@dataclass(frozen=True)
class Act:
    """What one undo takes back: a version of an image's boxes, and what changed from the one before."""

    image_id: int
    version: int
    kind: Kind
    who: str
    at: str
    seconds: float
    ranking_id: int | None
    review_id: int | None
    events: tuple[Event, ...]


@dataclass(frozen=True)
class Work:
    """The boxes of an image as somebody began with them, and every act since.

    `start` are those of the last review, or of the ranking `ranking_id` where there is none, as the act
    `origin` put them there; it is None for an image on which nobody has worked.
    """

    origin: Act | None
    start: Boxes
    ranking_id: int | None
    acts: tuple[Act, ...]

    @property
    def last(self) -> Act | None:
        """The last act; None where nobody has worked."""
        return self.acts[-1] if self.acts else self.origin

    @property
    def version(self) -> int:
        """The last version."""
        return self.last.version if self.last else 0

    @property
    def seconds(self) -> float:
        """The expert's time since the start."""
        return sum(act.seconds for act in self.acts)

    @property
    def boxes(self) -> Boxes:
        """The boxes as they are now."""
        return apply_acts(self.start, self.acts)


class Log:
    """The log of one project."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def record(
        self,
        image_id: int,
        kind: Kind,
        boxes: Boxes,
        *,
        version: int,
        seconds: float = 0.0,
        ranking_id: int | None = None,
        review_id: int | None = None,
    ) -> int:
        """Append an act after which the boxes are `boxes`, and return its version.

        Parameters
        ----------
        version : int
            The version that it comes after.
        seconds : float
            Of the expert's time since that version.

        Raises
        ------
        ConflictError
            When another act came first; nothing is written.
        """
        with self._db.transaction():
            if self.version(image_id) != version:
                raise ConflictError(
                    "This image was changed elsewhere since you opened it: in another tab, or by another "
                    "program. Your boxes are still here. Choose which to go on with."
                )
            was = self._stored(image_id) if version else {}
            boxes = self.as_stored(image_id, boxes)
            self._db.insert(
                "act",
                image_id=image_id,
                version=version + 1,
                kind=kind,
                who=self._db.signature(),
                at=now(),
                seconds=seconds,
                ranking_id=ranking_id,
                review_id=review_id,
            )
            changed = sorted(k for k in was.keys() | boxes.keys() if was.get(k) != boxes.get(k))
            self._db.write_many(
                f"INSERT INTO event ({_EVENT})"  # noqa: S608  our names
                f" VALUES ({', '.join('?' * (3 + 2 * len(_STATE)))})",
                [(image_id, version + 1, k, *_columns(was.get(k)), *_columns(boxes.get(k))) for k in changed],
            )
        return version + 1

    def version(self, image_id: int) -> int:
        """Return the last version of an image's boxes; 0: nobody has worked on it."""
        return int(
            self._db.value("SELECT coalesce(max(version), 0) FROM act WHERE image_id = ?", (image_id,))
        )

    def annotators(self) -> list[str]:
        """Return the names that signed edits and reviews, in the order of time; "" is none."""
        rows = self._db.tuples(
            "SELECT who FROM act WHERE kind <> 'import' AND who <> '' GROUP BY who ORDER BY min(id)"
        )
        return [who for (who,) in rows]

    def signed_by(self, review_id: int) -> dict[int, str]:
        """Return who said last what each box of a review is; "": nobody who gave a name, or an import."""
        rows = self._db.tuples(
            "SELECT box, max(event.version), iif(act.kind = 'import', '', act.who)"
            " FROM act AS saved JOIN act USING (image_id) JOIN event USING (image_id)"
            " WHERE saved.review_id = ? AND saved.kind IN ('import', 'save')"
            " AND act.version = event.version AND event.version <= saved.version"
            " AND (class_before IS NOT class_after OR review_status_before IS NOT review_status_after)"
            " GROUP BY box",
            (review_id,),
        )
        return {box: who for box, _, who in rows}

    def any_unsigned(self) -> bool:
        """Return whether boxes were imported, or answered without a name."""
        return bool(self._db.value("SELECT EXISTS (SELECT 1 FROM act WHERE kind = 'import' OR who = '')"))

    def next_number(self, image_id: int) -> int:
        """Return a number that no box of an image ever had."""
        highest = self._db.value("SELECT max(box) FROM event WHERE image_id = ?", (image_id,))
        return 0 if highest is None else int(highest) + 1

    def boxes(self, image_id: int, version: int | None = None) -> dict[int, BoxState]:
        """Return the boxes of an image as of one version; by default as they are now.

        A box of a class that was merged has the class that it counts as.
        """
        return _counted(self._stored(image_id, version), read_merges(self._db))

    def as_stored(self, image_id: int, boxes: Boxes) -> dict[int, BoxState]:
        """Return boxes with the classes that they were given, where those count as the ones that they have.

        So a merge that is taken back gives every cell its own class again, also on images saved meanwhile.
        """
        merges = read_merges(self._db)
        if not merges or not boxes:
            return dict(boxes)
        given: dict[tuple[int, int], int] = {}  # the last one of each box that counts as a class
        for box, label in self._db.tuples(
            "SELECT box, class_after FROM event WHERE image_id = ? AND class_after IS NOT NULL"
            " ORDER BY version",
            (image_id,),
        ):
            given[box, merges.target(label)] = label
        return {
            box: state._replace(label=given.get((box, state.label), state.label))
            for box, state in boxes.items()
        }

    def _stored(self, image_id: int, version: int | None = None) -> dict[int, BoxState]:
        rows = self._db.tuples(
            f"SELECT box, max(version), {_AFTER} FROM event"  # noqa: S608  our names; the row of the last version
            " WHERE image_id = ? AND version <= ? GROUP BY box ORDER BY box",
            (image_id, _NO_END if version is None else version),
        )
        states = {box: _state(*columns) for box, _, *columns in rows}
        return {box: state for box, state in states.items() if state is not None}

    def work(self, image_id: int) -> Work:
        """Return what there is of an image since its last review."""
        merges = read_merges(self._db)
        acts = [_act_counted(act, merges) for act in self.acts(image_id)]
        version = max((act.version for act in acts if act.kind in _ORIGINS), default=0)
        origin = acts[version - 1] if version else None
        ranking_id = None if origin is None else origin.ranking_id or self._ranking_of(origin.review_id)
        return Work(origin, apply_acts({}, acts[:version]), ranking_id, tuple(acts[version:]))

    def reviewed(self, review_id: int) -> dict[int, BoxState]:
        """Return the boxes of an image as of one of its reviews, as :meth:`boxes` does."""
        return _counted(self.reviewed_as_stored(review_id), read_merges(self._db))

    def reviewed_as_stored(self, review_id: int) -> dict[int, BoxState]:
        """Return the same, each box with the class that it was given."""
        row = self._db.row(
            "SELECT image_id, version FROM act WHERE review_id = ? AND kind IN ('import', 'save')",
            (review_id,),
        )
        if row is None:
            raise KeyError(review_id)
        return self._stored(row["image_id"], row["version"])

    def _ranking_of(self, review_id: int | None) -> int | None:
        return self._db.value("SELECT ranking_id FROM review WHERE id = ?", (review_id,))

    def acts(self, image_id: int, until: int | None = None) -> list[Act]:
        """Return the acts on an image, the oldest first; `until` is the last version of interest.

        They are history: a class that was merged since is still the one that the box was given.
        """
        return read_acts(self._db.tuples, image_id, until)


def read_acts(
    rows: Callable[[str, Sequence[Any]], list[tuple[Any, ...]]], image_id: int, until: int | None = None
) -> list[Act]:
    """Return the acts on an image, the oldest first, through a function that runs a query."""
    some = (image_id, _NO_END if until is None else until)
    events: dict[int, list[Event]] = {}
    for version, box, *states in rows(
        f"SELECT version, box, {_BEFORE}, {_AFTER} FROM event"  # noqa: S608  our names
        " WHERE image_id = ? AND version <= ? ORDER BY version, box",
        some,
    ):
        event = Event(box, _state(*states[: len(_STATE)]), _state(*states[len(_STATE) :]))
        events.setdefault(version, []).append(event)
    acts = rows(
        "SELECT image_id, version, kind, who, at, seconds, ranking_id, review_id FROM act"
        " WHERE image_id = ? AND version <= ? ORDER BY version",
        some,
    )
    return [Act(*act, events=tuple(events.get(act[1], ()))) for act in acts]  # type: ignore[misc]


def apply_acts(boxes: Boxes, acts: tuple[Act, ...] | list[Act]) -> dict[int, BoxState]:
    """Return boxes as they are after some acts, by number."""
    changed = dict(boxes)
    for act in acts:
        for event in act.events:
            if event.after is None:
                changed.pop(event.box, None)
            else:
                changed[event.box] = event.after
    return dict(sorted(changed.items()))


def _counted(boxes: Boxes, merges: Merges) -> dict[int, BoxState]:
    """Return boxes with the classes that they count as."""
    if not merges:
        return dict(boxes)
    return {box: state._replace(label=merges.target(state.label)) for box, state in boxes.items()}


def _act_counted(act: Act, merges: Merges) -> Act:
    def counted(state: BoxState | None) -> BoxState | None:
        return None if state is None else state._replace(label=merges.target(state.label))

    events = (Event(event.box, counted(event.before), counted(event.after)) for event in act.events)
    return replace(act, events=tuple(events)) if merges else act


def _columns(state: BoxState | None) -> tuple[object, ...]:
    if state is None:
        return (None,) * len(_STATE)
    return (*state.box, state.label, state.review_status, state.detection_id, state.note or None)


def _state(
    x1: float,
    y1: float,
    x2: float,
    y2: float,
    label: int | None,
    review_status: ReviewStatus | None,
    detection_id: int | None,
    note: str | None,
) -> BoxState | None:
    if label is None:
        return None
    return BoxState((x1, y1, x2, y2), label, review_status, detection_id, note or "")
