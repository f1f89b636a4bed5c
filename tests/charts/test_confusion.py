"""The error gallery: words, crops, and the confusion matrix as a table and a chart."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rbcal.charts import confusion
from rbcal.evaluation.matching import Mistake
from rbcal.types import Annotations, Detections

NAMES = ("disc", "slit")
CELLS = Annotations([[0, 0, 10, 10], [20, 0, 30, 10]], [0, 1])
FOUND = Detections([[0, 0, 10, 10], [60, 0, 70, 10]], [[0.1, 0.2, 0.7], [0.2, 0.7, 0.1]])


def test_the_matrix_has_a_row_for_each_annotated_class_and_for_nothing():
    table = confusion.confusion_table({1: CELLS}, {1: FOUND}, NAMES)
    counted = {(row.Annotated, row.Found): row.Cells for row in table.itertuples() if row.Cells}
    nothing = confusion.NOTHING
    assert counted == {("disc", "slit"): 1, ("slit", confusion.MISSED): 1, (nothing, "disc"): 1}
    assert not ((table.Annotated == nothing) & (table.Found == confusion.MISSED)).any()
    assert table[table.Annotated == "disc"].Share.sum() == 1


def test_a_cell_of_the_matrix_has_its_mistakes():
    wrong = confusion.all_mistakes({1: CELLS}, {1: FOUND, 2: FOUND})
    assert {each.image_id for each in wrong} == {1}  # of image 2 nobody knows the truth
    [confused] = confusion.of_cell(wrong, "disc", "slit", NAMES)
    assert (confused.mistake.kind, confused.image_id) == ("confused", 1)
    [false] = confusion.of_cell(wrong, confusion.NOTHING, "disc", NAMES)
    assert false.mistake.kind == "false"
    assert confusion.of_cell(wrong, "disc", "disc", NAMES) == []


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        (Mistake("confused", 0, 1, (0,), (0,), 0.75), "annotated: disc; model: slit, and 25% for disc"),
        (Mistake("missed", 1, None, (0,), None, 1.0), "annotated: slit; the model sees no cell"),
        (
            Mistake("false", None, 0, None, (0,), 0.9),
            "model: disc, 90% sure that it is a cell; nothing is annotated",
        ),
    ],
)
def test_a_mistake_is_said_in_words(mistake, said):
    assert confusion.caption(mistake, NAMES) == said


def test_a_crop_shows_both_boxes_also_at_the_border():
    pixels = np.full((40, 40, 3), 200, np.uint8)
    mistake = Mistake("confused", 0, 1, (0, 0, 12, 12), (1, 1, 13, 13), 0.9)
    picture = np.asarray(Image.open(io.BytesIO(confusion.crop(pixels, mistake))).convert("RGB")).reshape(
        -1, 3
    )
    colours = {tuple(colour) for colour in picture.tolist()}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00)} <= colours
    assert (136, 136, 136) in colours  # beyond the border


def test_the_chart_draws_every_number():
    chart = confusion.confusion_chart(
        confusion.confusion_table({1: CELLS}, {1: FOUND}, NAMES), NAMES
    ).to_dict()
    assert len(chart["layer"]) == 2
    assert any(each["name"] == "cell" for each in chart["params"])
