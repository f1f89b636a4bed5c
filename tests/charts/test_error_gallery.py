"""The error gallery: captions, crops, and which mistakes are of a cell of the confusion matrix."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rbcal.charts.confusion import NOTHING
from rbcal.charts.error_gallery import all_mistakes, caption, framed_crop, of_cell
from rbcal.evaluation.matching import Mistake
from tests.charts.test_confusion import CELLS, NAMES, PREDICTED


def test_a_cell_of_the_matrix_has_its_mistakes():
    wrong = all_mistakes({1: CELLS}, {1: PREDICTED, 2: PREDICTED})
    assert {each.image_id for each in wrong} == {1}  # of image 2 nobody knows the truth
    [confused] = of_cell(wrong, "disc", "slit", NAMES)
    assert (confused.mistake.kind, confused.image_id) == ("confused", 1)
    [false] = of_cell(wrong, NOTHING, "disc", NAMES)
    assert false.mistake.kind == "false"
    assert of_cell(wrong, "disc", "disc", NAMES) == []


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        (Mistake("confused", 0, 1, (0,), (0,), 0.75), "annotated: disc; model: slit, and 25% for disc"),
        (Mistake("missed", 1, None, (0,), None, 1.0), "annotated: slit; the model sees no cell"),
        (
            Mistake("false", None, 0, None, (0,), 0.9),
            "model: disc, 90% sure that it is a cell; nothing is annotated",
        ),
    ],
)
def test_a_mistake_has_its_caption(mistake, words):
    assert caption(mistake, NAMES) == words


@pytest.mark.parametrize("corner", [0, 14, 28])
def test_a_crop_shows_both_boxes_also_at_the_border(corner):
    pixels = np.full((40, 60, 3), 200, np.uint8)
    box = np.array([corner, corner, corner + 12, corner + 12])
    mistake = Mistake("confused", 0, 1, tuple(box.tolist()), tuple((box - 1).tolist()), 0.9)
    picture = Image.open(io.BytesIO(framed_crop(pixels, mistake))).convert("RGB")
    assert picture.size == (256, 256)
    colours = {tuple(colour) for colour in np.asarray(picture).reshape(-1, 3).tolist()}
    assert {(0x00, 0x72, 0xB2), (0xE6, 0x9F, 0x00), (200, 200, 200)} <= colours
    assert (0, 0, 0) not in colours  # all of it is image
