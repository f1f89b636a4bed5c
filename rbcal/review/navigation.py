"""What of the open image is shown and selected: on the whole image, and in the cell review."""

from __future__ import annotations

from rbcal.review.boxes import Box, EditedBox, neighbour, same_cell
from rbcal.review.cell_review import next_batch, waiting
from rbcal.review.editor import Editor


def toggle_cell_review(editor: Editor) -> None:
    """Go from the whole image to the cell review, or back."""
    if editor.cell_review.is_open:
        editor.view.cell_review = False
        leave_cell_review(editor)
        return
    editor.view.cell_review, editor.view.drawing = True, False
    enter_cell_review(editor)
    if not editor.cell_review.is_open:
        editor.notice = "No red cell: there is nothing to walk through."


def enter_cell_review(editor: Editor) -> None:
    """Show the cells one by one or side by side, from the first that waits."""
    cells = editor.cells
    editor.cell_review.is_open, editor.cell_review.batch = True, []
    if not cells:
        leave_cell_review(editor)
    elif editor.view.batches and not editor.is_blind and waiting(cells):
        open_batch(editor)
    else:
        editor.selected = (waiting(cells) or cells)[0].id


def leave_cell_review(editor: Editor) -> None:
    """Show the whole image."""
    editor.cell_review.close()
    editor.select(editor.selected, centre=True)


def finish_cell_review(editor: Editor) -> None:
    """Show the whole image: cells may be missing."""
    leave_cell_review(editor)
    editor.notice = "Every cell of the walk is done. Look for missed cells, then save."


def toggle_batches(editor: Editor) -> None:
    """Show the cells side by side, or one by one."""
    if editor.is_from_nothing:
        editor.notice = "Side by side come cells of one name, and these have none yet: a model gives it."
        return
    editor.view.batches = not editor.view.batches
    if editor.cell_review.is_open:
        enter_cell_review(editor)


def open_batch(editor: Editor) -> None:
    """Show the next cells of one class side by side; after the last, the whole image."""
    named = [each for each in editor.cells if not editor.is_hidden(each)]  # side by side says of which class
    editor.cell_review.batch = [each.id for each in next_batch(named)]
    editor.selected = None
    if not editor.cell_review.batch:
        hidden = waiting(editor.cells)
        if hidden:
            editor.selected = hidden[0].id
        else:
            finish_cell_review(editor)


def choose(editor: Editor, box_id: int) -> None:
    """Select a cell of the batch."""
    editor.selected = box_id if box_id in editor.cell_review.batch else None


def step(editor: Editor, by: int) -> None:
    """Show the cell before or after this one."""
    order = [each.id for each in editor.cells]
    if editor.cell_review.is_open and editor.selected in order:
        place = order.index(editor.selected) + by
        editor.selected = order[min(max(place, 0), len(order) - 1)]


def go_on(editor: Editor, order: list[EditedBox], from_id: int) -> None:
    """Show the next cell that waits after one of an order; after the last, the whole image."""
    if not editor.cell_review.is_open:
        return
    if editor.cell_review.batch:
        editor.selected = None  # the batch stays until an Enter: the next one must not be kept unseen
        return
    editor.selected = editor.cell_review.next_waiting(order, from_id, editor.boxes)
    if editor.selected is None:
        finish_cell_review(editor)


def point_at(editor: Editor, sides: Box) -> None:
    """Bring the cell of a box into sight, on the whole image; where nobody boxed it, the place."""
    editor.cell_review.close()
    box = same_cell(editor.boxes, sides)
    if box is not None and not editor.is_shown(box):
        editor.view.only = "all"
    editor.select(None if box is None else box.id, centre=True)
    if box is None:
        editor.place = editor.canvas.frame.clip(sides)


def go(editor: Editor, right: int, down: int) -> None:
    """Point at the nearest box in a direction."""
    nearest = neighbour(editor.visible, editor.chosen, right, down)
    if nearest is not None:
        editor.select(nearest.id, centre=True)


def next_red(editor: Editor) -> None:
    """Point at the first red cell that nobody looked at."""
    left = [each for each in waiting(editor.red_cells) if each.id not in editor.visited]
    if left:
        editor.select(left[0].id, centre=True)


def go_to_waiting(editor: Editor) -> None:
    """Point at the next red cell that waits, those that nobody looked at first; say where there is none."""
    left = waiting(editor.red_cells)
    unseen = [each for each in left if each.id not in editor.visited]
    if left:
        editor.select((unseen or left)[0].id, centre=True)
    else:
        editor.notice = "No red cell waits. Look for missed cells, then save."


def show_only(editor: Editor, which: str | int) -> None:
    """Choose which boxes are shown; the others stay as they are."""
    editor.view.only = which
    if isinstance(which, int):
        editor.view.label = which
    editor.redraw()


def toggle_flagged(editor: Editor) -> None:
    """Show only flagged boxes, or all."""
    show_only(editor, "all" if editor.view.only == "flagged" else "flagged")


def toggle_drawing(editor: Editor) -> None:
    """Switch between editing and drawing boxes."""
    if editor.cell_review.is_open:
        toggle_cell_review(editor)
    editor.view.drawing = not editor.view.drawing
    editor.select(None)


def let_go(editor: Editor) -> None:
    """End drawing, else choose no cell."""
    if editor.view.drawing:
        toggle_drawing(editor)
    else:
        editor.select(None)


def toggle_passes(editor: Editor) -> None:
    """Show where each of the passes detected a cell, or not."""
    editor.view.passes = not editor.view.passes


def zoom_to(editor: Editor, zoom: float) -> None:
    """Draw lines for another zoom."""
    editor.view.zoom = float(zoom)
    editor.redraw()
