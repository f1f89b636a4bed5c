"""What the expert does to the boxes of the open image; each edit is in the log when it returns."""

from __future__ import annotations

from rbcal.review import navigation
from rbcal.review.boxes import same_cell, usual_side
from rbcal.review.cell_review import waiting
from rbcal.review.editor import Editor
from rbcal.review.history import History
from rbcal.review.outlines import cell_outlines, outlined
from rbcal.store.log import Kind
from rbcal.wording import count

NAME_IT = "Say what this cell is: press its class key. What the model calls it is hidden here."
NAMELESS = "Nobody has named this cell yet: press its class key."
LONGEST_NOTE = 300  # characters: a sentence or two


def relabel(editor: Editor, label: int) -> None:
    """Give the box that the expert means a class; while drawing, the last one drawn and those to come."""
    target = editor.selected
    if editor.cell_review.is_open:
        if target is None:
            return  # a batch, of which no cell is chosen
        order = editor.cells
        editor.change(editor.history.answer(label, target))
        navigation.go_on(editor, order, target)
        return
    if editor.view.drawing:
        editor.view.label = label
        drawn = {each.id for each in editor.boxes if each.review_status == "drawn"} - editor.opened_with
        target = max(drawn, default=None)
    if target is not None and editor.is_hidden(
        editor.chosen
    ):  # the same class as the model's is an answer, too
        editor.change(editor.history.answer(label, target))
    elif target is None:
        editor.view.label = label
        editor.redraw()  # what was drawn before has its class from now on; the canvas would not tell it
    else:
        editor.change(editor.history.relabel(target, label))


def name_it(editor: Editor) -> str:
    """Say why a cell without a name cannot just be kept."""
    return NAMELESS if editor.is_from_nothing else NAME_IT


def keep(editor: Editor) -> None:
    """Find the selected box right as it is, or all of a batch that nobody mended."""
    if editor.cell_review.batch:
        batch = [each for each in editor.cells if each.id in editor.cell_review.batch]
        editor.change(editor.history.keep(*(each.id for each in waiting(batch))))
        navigation.open_batch(editor)
    elif editor.is_hidden(editor.chosen):
        editor.notice = name_it(editor)
    elif editor.selected is not None:
        order, target = editor.cells, editor.selected
        editor.change(editor.history.keep(target))
        navigation.go_on(editor, order, target)


def keep_and_go_on(editor: Editor) -> None:
    """Find the selected box right as it is, and point at the next red one, on the whole image."""
    if editor.is_hidden(editor.chosen):
        editor.notice = name_it(editor)
        return
    if editor.selected is not None:
        editor.change(editor.history.keep(editor.selected))
    navigation.go_to_waiting(editor)


def leave_unsure(editor: Editor) -> None:
    """Say that nobody can tell what the selected box is, and go on."""
    if editor.selected is not None:
        order, target = editor.cells, editor.selected
        editor.change(editor.history.leave_unsure(target))
        if editor.cell_review.is_open:
            navigation.go_on(editor, order, target)
        else:
            editor.notice = "Left unsure: no model learns from it."


def note(editor: Editor, text: str) -> None:
    """Write a sentence beside the selected box; an empty one takes it away."""
    if editor.selected is not None:
        editor.change(editor.history.note(editor.selected, " ".join(text.split())[:LONGEST_NOTE]))


def outline(editor: Editor) -> None:
    """Box the cells by their outline, here and on the images to come that no model has seen."""
    if not editor.is_from_nothing:
        editor.notice = "A model has boxed the cells of this image."
        return
    with editor.log.transaction() as project:
        project.box_by_outline(box=True)
        sides = cell_outlines(project, editor.image, editor.canvas.frame)
    new = [box for box in sides if same_cell(editor.boxes, box) is None]
    editor.view.drawing = False
    editor.change(editor.history.outline(new, editor.view.label))
    editor.notice = outlined(len(new))


def pin(editor: Editor) -> None:
    """Let the selected cell stand for its class on the class's card, or no more."""
    if editor.chosen is not None:
        with editor.log.transaction() as project:
            is_pinned = project.references.toggle(editor.image.id, editor.chosen.box)
        saved = "" if editor.log.revision else ", once the image is saved"
        editor.notice = f"Pinned: its class shows it{saved}." if is_pinned else "Not pinned any more."


def keep_rest(editor: Editor) -> None:
    """Find every box right that is still open: the expert has looked at all of them."""
    rest = [each.id for each in editor.boxes if each.review_status == "open" and not editor.is_hidden(each)]
    editor.change(editor.history.keep(*rest))


def name_rest(editor: Editor, label: int) -> None:
    """Say that every box without a name is of one class: the expert has looked at all of them."""
    rest = [each.id for each in editor.boxes if each.review_status == "open" and editor.is_hidden(each)]
    editor.change(editor.history.answer(label, *rest))


def remove(editor: Editor) -> None:
    """Delete the selected box."""
    if editor.selected is not None:
        order, target = editor.cells, editor.selected
        editor.change(editor.history.remove(target))
        navigation.go_on(editor, order, target)


def move(editor: Editor, *sides: float) -> None:
    """Put the sides of the selected box elsewhere."""
    if editor.selected is not None:
        x1, y1, x2, y2 = map(float, sides)
        editor.change(editor.history.move(editor.selected, editor.canvas.frame.clip((x1, y1, x2, y2))))


def nudge(editor: Editor, left: float, top: float, right: float, bottom: float) -> None:
    """Move the sides of the selected box by some pixels of the image."""
    if editor.chosen is not None:
        x1, y1, x2, y2 = editor.chosen.box
        if x2 + right > x1 + left and y2 + bottom > y1 + top:
            move(editor, x1 + left, y1 + top, x2 + right, y2 + bottom)


def insert(editor: Editor, x: float, y: float) -> None:
    """Draw a box of the usual size around a point of the canvas, and select it."""
    x, y = editor.canvas.to_image(x, y)
    half = usual_side(editor.boxes) / 2
    box = editor.canvas.frame.clip((x - half, y - half, x + half, y + half))
    history = editor.history.draw(box, editor.view.label)
    editor.selected = history.present[-1].id
    editor.change(history)


def keep_green(editor: Editor) -> None:
    """Accept every green box at once; a few of them, drawn at random, come back to be checked."""
    before = editor.boxes
    editor.change(editor.history.keep_green())
    accepted = [b for a, b in zip(before, editor.boxes, strict=True) if a is not b]
    n, hidden = len(accepted), sum(not editor.is_shown(each) for each in accepted)
    accepts = f"{count(n, 'green box', 'green boxes')} accepted."
    editor.notice = accepts if n else "There is no green box to accept."
    if hidden and not editor.cell_review.is_open:
        editor.notice += f" Hidden by the filter under View: {hidden:,} of them."
    spots = [each for each in waiting(editor.cells) if each.detection_id in editor.cell_review.spots]
    if n and spots:
        editor.notice += f" Check {len(spots):,} of them, drawn at random."
        if editor.view.batches:
            navigation.enter_cell_review(editor)
        elif not editor.cell_review.is_open:
            editor.cell_review.is_open, editor.selected = True, spots[0].id


def undo(editor: Editor) -> None:
    """Take the last change back, and point at what it brings back."""
    _turn(editor, editor.history.undo(), "undo")


def redo(editor: Editor) -> None:
    """Repeat the change that was taken back last."""
    _turn(editor, editor.history.redo(), "redo")


def start_over(editor: Editor) -> None:
    """Go back to what the model drew; an undo brings the edits back."""
    _turn(editor, editor.history.change(editor.log.start), "edit")


def _turn(editor: Editor, history: History, kind: Kind) -> None:
    changed = history.changed(editor.history)
    editor.change(history, kind=kind)
    if history.find(changed) is not None:
        editor.selected = changed
    review = editor.cell_review
    if review.is_open and (review.batch or editor.selected not in [each.id for each in editor.cells]):
        navigation.enter_cell_review(editor)


def show_version(editor: Editor, review_id: int) -> None:
    """Show the boxes of an earlier review; an undo goes back."""
    before = editor.history
    editor.cell_review.close()
    history = before.change(editor.log.reviewed(review_id))
    editor.change(history, kind="restore", review_id=review_id)
    editor.notice = "You see the boxes of that version."
    if editor.history is not before:
        editor.notice += " Save makes them the newest."


def settle(editor: Editor, *, theirs_last: bool) -> None:
    """Log these boxes and what somebody else did meanwhile, one after the other; an undo shows the first."""
    if editor.log.theirs is not None:
        editor.history = editor.log.settle(editor.boxes, theirs_last=theirs_last)
        if editor.log.revision:
            editor.cell_review.spots = []  # they are for the first review alone
        editor.redraw()


def keep_mine(editor: Editor) -> None:
    """Go on with these boxes."""
    settle(editor, theirs_last=False)


def show_theirs(editor: Editor) -> None:
    """Go on with those of somebody else, on the whole image."""
    if editor.log.theirs is not None:
        editor.cell_review.close()
        settle(editor, theirs_last=True)
        editor.notice = "These are the boxes of the other window. Undo brings yours back."
