"""What the browser's session holds: where the user is. Every fact is in the project file."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from rbcal.review.messages import Inbox
from rbcal.review.view import View
from rbcal.store.project import ProjectFile

if TYPE_CHECKING:
    from rbcal.doctor.collect import ErrorPlace
    from rbcal.interchange.import_images import ImportReport
    from rbcal.review.boxes import Box
    from rbcal.review.editor import Editor
    from rbcal.review.wall import Wall

T = TypeVar("T")


class Key(Generic[T]):
    """A value of the session, by the name of its attribute; None is as good as none at all."""

    def __init__(self, default: Callable[[], T]) -> None:
        self._default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, session: object, owner: type) -> T:
        if self._name not in st.session_state and (value := self._default()) is not None:
            st.session_state[self._name] = value
        return st.session_state.get(self._name)  # type: ignore[return-value]

    def __set__(self, session: object, value: T) -> None:
        if value is None:
            st.session_state.pop(self._name, None)
        else:
            st.session_state[self._name] = value


def _none() -> None:
    return None


class WayBack(NamedTuple):
    """Where one image was opened from; `widgets` are what was chosen there, by their keys.

    `ends` is when it is forgotten, on the monotonic clock; None: nobody has gone back yet.
    """

    image_id: int
    page: str  # "progress"
    widgets: dict[str, Any]
    ends: float | None = None


class Session:
    """Every key of the session that is ours; those of widgets stand beside the widgets."""

    project: Key[ProjectFile | None] = Key(_none)  # that is open
    project_name: Key[str | None] = Key(_none)  # as chosen in the sidebar
    wanted_project: Key[str | None] = Key(_none)  # to open next
    has_arrived: Key[bool] = Key(bool)  # the first page was shown: a later Home is wanted
    browsed_folder: Key[Path | None] = Key(_none)  # that the list of folders shows
    browsed: Key[tuple[str, str] | None] = Key(_none)  # a path that was chosen there, and for which field
    annotator: Key[str | None] = Key(_none)  # who works here; "": without a name; None: not asked yet
    notice: Key[str | None] = Key(_none)  # what happened to the project or its file, in words
    import_report: Key[tuple[ProjectFile, ImportReport] | None] = Key(_none)  # what came of the last import
    asked_image: Key[int | None] = Key(_none)  # of the grid of images, to open next
    n_imports: Key[int] = Key(int)  # a new name for the box of files empties it, and the memory
    test_draws: Key[int] = Key(int)  # how often the test set was drawn anew: each time another one
    running_job: Key[tuple[Path, int] | None] = Key(_none)  # of a project, that the sidebar shows at work
    ended_job: Key[tuple[Path, int] | None] = Key(_none)  # that ended while this session was open
    announced_job: Key[tuple[Path, int] | None] = Key(_none)  # whose end was told
    shown_page: Key[str | None] = Key(_none)  # by its title
    emptied: Key[bool] = Key(bool)  # whether the browser says that it shows nothing any more
    editor: Key[Editor | None] = Key(_none)  # the image that is open on the Review page
    view: Key[View] = Key(View)
    inbox: Key[Inbox] = Key(Inbox)
    view_of: Key[ProjectFile | None] = Key(_none)  # the project that the view is of
    wanted_image: Key[int | None] = Key(_none)  # to open next on the Review page
    wanted_box: Key[Box | None] = Key(_none)  # to bring into sight there
    way_back: Key[WayBack | None] = Key(_none)  # from an image that another page opened
    leaves: Key[bool] = Key(bool)  # whether that way is taken now
    wall: Key[Wall | None] = Key(_none)  # of cells
    wall_of: Key[ProjectFile | None] = Key(_none)  # the project that the wall is of
    filters_used: Key[int] = Key(int)  # how often: a new name for choices in a closed menu empties them
    saved: Key[str | None] = Key(_none)  # what was saved last, in words
    dialog: Key[str | None] = Key(_none)  # to open on the Review page: "queue", "keys" or "save"
    review_error: Key[str | None] = Key(_none)  # what a callback ran into
    bug_report_asked: Key[bool] = Key(bool)
    bug_report_error: Key[ErrorPlace | None] = Key(_none)  # below which it was asked for
    bug_report: Key[str | None] = Key(_none)  # its text, once it is made


session = Session()


def open_project() -> ProjectFile:
    """Return the project that app.py opened."""
    if session.project is None:
        # A fresh server whose first request names a page takes pages/ for Streamlit's first way of paging
        # and runs that page without app.py. So run app.py now: it opens the project and the page again.
        if (context := get_script_run_ctx()) is not None:
            runpy.run_path(context.main_script_path, run_name="__main__")
        st.stop()
    return session.project
