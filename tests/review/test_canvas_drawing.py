"""Boxes to the canvas and back: exact, whatever the size of the image and the zoom."""

from __future__ import annotations

import copy
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rbcal.review import canvas_drawing
from rbcal.review.boxes import EditedBox
from rbcal.review.canvas_drawing import Frame, Pen

STATUSES = ("open", "kept", "accepted_in_bulk", "changed")
FRAME = Frame.of(640, 480)
PEN = Pen(0.75)
CELL = EditedBox(0, (100.25, 80.5, 140.125, 119.0), 1, detection_id=7, flagged=True)

sizes = st.integers(32, 6000)
zooms = st.floats(0.05, 10)


@st.composite
def scenes(draw):
    """An image, and boxes of at least a pixel on it."""
    frame = Frame.of(draw(sizes), draw(sizes))
    boxes = []
    for number in range(draw(st.integers(0, 12))):
        x1 = draw(st.floats(0, frame.width - 1.5))
        y1 = draw(st.floats(0, frame.height - 1.5))
        x2 = draw(st.floats(x1 + 1, frame.width))
        y2 = draw(st.floats(y1 + 1, frame.height))
        label = draw(st.integers(0, 2))
        boxes.append(
            EditedBox(
                number, (x1, y1, x2, y2), label, number, draw(st.booleans()), draw(st.sampled_from(STATUSES))
            )
        )
    return frame, tuple(boxes)


def reported(boxes, frame=FRAME, pen=PEN):
    """What the component reports of a drawing that nobody touched: itself, rounded."""
    return copy.deepcopy(canvas_drawing.drawing(boxes, frame, pen, "1:1"))


def drawn_by_hand(left, top, width, height, **more):
    return {
        "type": "LabeledRect",
        "fillRule": "nonzero",
        "left": left,
        "top": top,
        "width": width,
        "height": height,
        "strokeWidth": PEN.line,
        "label": "",
        **more,
    }


def read(raw, drawn, frame=FRAME, pen=PEN):
    return canvas_drawing.read(raw, drawn, frame, pen, label=0)


@given(scenes(), zooms)
def test_boxes_that_nobody_touched_come_back_as_the_very_same_boxes(scene, zoom):
    frame, boxes = scene
    pen = Pen(zoom)
    assert read(reported(boxes, frame, pen), boxes, frame, pen).boxes == boxes


@given(scenes(), zooms, st.floats(3, 20), st.floats(3, 20))
def test_a_moved_box_comes_back_less_than_half_a_pixel_from_where_it_was_put(scene, zoom, dx, dy):
    frame, boxes = scene
    pen = Pen(zoom)
    raw = reported(boxes, frame, pen)
    for rectangle in raw["objects"]:
        rectangle["left"] = round(rectangle["left"] + dx * frame.scale_x, 4)
        rectangle["top"] = round(rectangle["top"] + dy * frame.scale_y, 4)
    for before, after in zip(boxes, read(raw, boxes, frame, pen).boxes, strict=True):
        x1, y1, x2, y2 = before.box
        wanted = frame.clip((x1 + dx, y1 + dy, x2 + dx, y2 + dy))
        assert max(abs(a - b) for a, b in zip(after.box, wanted, strict=True)) < 0.5
        assert after.touched
        assert (after.id, after.label, after.detection_id) == (before.id, before.label, before.detection_id)


@given(sizes, sizes, st.floats(0, 1), st.floats(0, 1))
def test_image_and_canvas_pixels_are_inverse(width, height, u, v):
    frame = Frame.of(width, height)
    box = (u * width, v * height, width, height)
    assert frame.to_image(frame.to_canvas(box)) == pytest.approx(box)
    assert frame.to_canvas((0, 0, width, height)) == pytest.approx(
        (0, 0, frame.canvas_width, frame.canvas_height)
    )


def test_a_stretched_box_keeps_its_fixed_corner():
    raw = reported([CELL])
    raw["objects"][0].update(scaleX=1.5, scaleY=0.5)
    x1, y1, x2, y2 = read(raw, [CELL]).boxes[0].box
    assert (x1, y1) == pytest.approx(CELL.box[:2], abs=1e-3)
    assert (x2 - x1, y2 - y1) == pytest.approx((39.875 * 1.5, 38.5 / 2), abs=1e-3)


def test_a_box_turned_with_its_group_becomes_its_hull():
    raw = reported([CELL])
    rectangle = raw["objects"][0]
    line, side = rectangle["strokeWidth"], 40.0
    rectangle.update(left=200, top=200, width=side - line, height=side - line, angle=45)
    x1, y1, x2, y2 = read(raw, [CELL]).boxes[0].box
    middle, half = 200 + side / math.sqrt(2), (side - line) / math.sqrt(2)
    assert [x1 * 2, x2 * 2] == pytest.approx([200 - half, 200 + half])
    assert [y1 * 2, y2 * 2] == pytest.approx([middle - half, middle + half])


def test_a_new_box_lies_where_the_mouse_went():
    raw = reported([CELL])
    raw["objects"].append(drawn_by_hand(300, 200, 80, 60))
    new = canvas_drawing.read(raw, [CELL], FRAME, PEN, label=2).boxes[1]
    assert new.box == pytest.approx((150, 100, 190, 130))
    assert (new.id, new.label, new.detection_id, new.touched) == (1, 2, None, True)


def test_a_slip_of_the_mouse_is_litter_and_not_a_box():
    raw = reported([CELL])
    raw["objects"].append(drawn_by_hand(300, 200, 2 * PEN.line, 2 * PEN.line))
    reading = read(raw, [CELL])
    assert reading.boxes == (CELL,)
    assert reading.litter


def test_a_box_drawn_before_is_never_dropped_however_small_or_far_out():
    raw = reported([CELL])
    raw["objects"][0].update(left=-500, top=-500, scaleX=0.01, scaleY=0.01)
    assert read(raw, [CELL]).boxes[0].box == (0, 0, 1, 1)


def test_a_box_pushed_over_the_border_is_clipped():
    raw = reported([CELL])
    raw["objects"][0]["left"] = -20
    x1, _, x2, _ = read(raw, [CELL]).boxes[0].box
    assert x1 == 0
    assert x2 == pytest.approx(39.875 - 10 + PEN.line / 4, abs=0.01)


def test_a_deleted_box_is_gone():
    other = EditedBox(4, (10, 10, 30, 30), 0)
    raw = reported([CELL, other])
    raw["objects"] = [rectangle for rectangle in raw["objects"] if rectangle["fillRule"] != "box:0"]
    assert read(raw, [CELL, other]).boxes == (other,)


def test_the_token_tells_one_drawing_from_another():
    assert canvas_drawing.token_of(canvas_drawing.drawing([CELL], FRAME, PEN, "12:3")) == "12:3"
    assert canvas_drawing.token_of({"objects": []}) is None
    assert canvas_drawing.token_of(None) is None


def test_red_is_dashed_green_is_solid_and_blue_is_thicker():
    red = CELL
    green = EditedBox(1, CELL.box, 0)
    blue = EditedBox(2, CELL.box, 0, flagged=True, review_status="changed")
    kept = EditedBox(3, CELL.box, 0, flagged=True, review_status="kept")
    objects = {
        rectangle["fillRule"]: rectangle for rectangle in reported([red, green, blue, kept])["objects"]
    }
    assert objects["box:0"]["stroke"] == canvas_drawing.RED
    assert objects["box:0"]["strokeDashArray"]
    assert objects["box:1"]["stroke"] == canvas_drawing.GREEN
    assert not objects["box:1"]["strokeDashArray"]
    assert objects["box:2"]["stroke"] == objects["box:3"]["stroke"] == canvas_drawing.BLUE
    assert not objects["box:3"]["strokeDashArray"]
    assert objects["box:2"]["strokeWidth"] > objects["box:1"]["strokeWidth"]


def test_small_boxes_lie_on_top_of_large_ones():
    small, large = EditedBox(0, (10, 10, 20, 20), 0), EditedBox(1, (0, 0, 60, 60), 0)
    rules = [rectangle["fillRule"] for rectangle in reported([small, large])["objects"]]
    assert rules[:2] == ["box:1", "box:0"]


@given(zooms)
def test_lines_have_the_same_size_on_the_screen_at_every_zoom(zoom):
    pen = Pen(zoom)
    assert pen.line * zoom == pytest.approx(2, abs=0.01 * zoom)
