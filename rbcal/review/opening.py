"""Opening an image to edit it, from what the project file has of it."""

from __future__ import annotations

from collections.abc import Callable

from rbcal.review import navigation
from rbcal.review.boxes import from_states, unnamed
from rbcal.review.canvas_drawing import Frame
from rbcal.review.canvas_state import CanvasState
from rbcal.review.cell_review import CellReview, waiting
from rbcal.review.edit_log import EditLog
from rbcal.review.editor import Editor, Picture
from rbcal.review.history import History, replay
from rbcal.review.outlines import cell_outlines, outlined
from rbcal.review.predictions import CellPredictions
from rbcal.review.view import View
from rbcal.store.classes import CellClass
from rbcal.store.images import Image
from rbcal.store.project import Project


def open_editor(
    project: Project, image_id: int, view: View, picture: Picture, has_canvas: Callable[[], bool]
) -> Editor:
    """Return an image to edit: unfinished work, else its last review, else the model's boxes."""
    image, classes = project.images.get(image_id), project.classes.all()
    frame = Frame.of(image.width, image.height)
    log, history = _open_log(project, image, frame)
    from_nothing = log.predictions.ranking is None
    by_outline = from_nothing and project.by_outline and not log.begun and not history.present
    _fit_view(view, classes)
    if by_outline:
        log.start = unnamed(cell_outlines(project, image, frame), view.label)
        history, view.drawing = History(log.start), False
    view.drawing = view.drawing or (from_nothing and not history.present)  # there is nothing else to do
    editor = Editor(
        image,
        picture,
        classes,
        view,
        log,
        history,
        CanvasState(image.id, frame, has_canvas),
        CellReview(log.predictions.red, [] if image.revision else log.predictions.spots, from_nothing),
        hides_names=project.splits.names_are_hidden,
        notice=outlined(len(log.start)) if by_outline else "",
    )
    if view.cell_review and waiting(editor.cells):
        navigation.enter_cell_review(editor)
    return editor


def _open_log(project: Project, image: Image, frame: Frame) -> tuple[EditLog, History]:
    """Return what the project file has of the work on an image, and its history."""
    work, ranking = project.log.work(image.id), project.rankings.current()
    begun = bool(image.revision) or work.boxes != work.start
    if begun or (work.version and work.ranking_id == (ranking and ranking.id)):
        begun, ranking = True, None if work.ranking_id is None else project.rankings.get(work.ranking_id)
    predictions = CellPredictions.read(project, ranking, image.id)
    if image.split == "test" and project.splits.names_are_hidden:
        predictions = predictions.unjudged()
    start = from_states(work.start, predictions.flagged) if begun else predictions.boxes(frame)
    history = replay(work, predictions.flagged) if begun else History(start)
    log = EditLog(
        project.file,
        image.id,
        project.images.digest(image.id),
        predictions,
        start,
        version=work.version,
        begun=begun,
        revision=image.revision,
        seconds=work.seconds,
        logged=work.seconds,
    )
    return log, history


def _fit_view(view: View, classes: tuple[CellClass, ...]) -> None:
    """Choose no class that there is not."""
    own = [each.label for each in classes if each.merged_into is None]
    if view.label not in own:
        view.label = own[0]
    if isinstance(view.only, int) and view.only not in own:
        view.only = "all"
