"""Synthetic slides: exact boxes, seeded, and each subtype as a cytologist would name it."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from rbcal.store.classes import RBC7
from rbcal.synth import SUBTYPES, draw_fields
from rbcal.synth.optics import photograph
from rbcal.synth.shapes import draw_cell
from rbcal.synth.slides import FREQUENCIES, PER_SLIDE, draw_field, draw_slide
from rbcal.types import Annotations

SCALE = 10.0  # pixels per micrometre


def rng(*seed):
    return np.random.default_rng(seed)


def drawn(subtype, n=20):
    return [draw_cell(subtype, rng(seed)) for seed in range(n)]


def map_of(cell):
    """Return the thickness (H, W) of a cell at the origin, and the coordinates (W,) of its pixels."""
    side = ((np.arange(160) + 0.5) / SCALE - 8).astype(np.float32)
    return cell.thickness(side, side), side


def size(cell):
    return np.ptp(cell.outline(), axis=0).mean()


@pytest.mark.parametrize("subtype", SUBTYPES)
def test_the_box_of_the_outline_is_that_of_the_drawn_mask(subtype):
    for cell in drawn(subtype, 5):
        thickness, side = map_of(cell)
        rows, columns = np.nonzero(thickness.any(axis=1))[0], np.nonzero(thickness.any(axis=0))[0]
        measured = side[[columns[0], rows[0], columns[-1], rows[-1]]]
        outline = cell.outline()
        stated = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
        assert np.abs(measured - stated).max() * SCALE < 1.5  # half a pixel, and the steps of the outline


def test_the_boxes_of_a_field_are_where_the_picture_is_dark():
    slide = draw_slide(rng(4), 12.0)
    pixels, cells = draw_field(slide, rng(8))
    inside = np.zeros(pixels.shape[:2], bool)
    for x1, y1, x2, y2 in cells.boxes:
        inside[int(y1) : int(np.ceil(y2)), int(x1) : int(np.ceil(x2))] = True
    green = pixels[..., 1].astype(float)
    dark = green < 0.8 * np.median(green)
    assert len(cells) >= 5
    assert inside[dark].mean() > 0.95  # the rest is dirt, and slivers of cells beyond the border
    assert all(dark[int(y1) : int(y2), int(x1) : int(x2)].mean() > 0.4 for x1, y1, x2, y2 in cells.boxes)


def test_boxes_end_at_the_border_and_some_cells_are_cut_by_it():
    fields = list(draw_fields(10, seed=1))
    boxes = np.concatenate([each.annotations.boxes for each in fields])
    height, width, _ = fields[0].pixels.shape
    assert boxes.min() == 0
    assert (boxes <= (width, height, width, height)).all()
    assert 0.03 < ((boxes == 0) | (boxes == (width, height, width, height))).any(axis=1).mean() < 0.4


def test_some_cells_overlap():
    boxes = np.concatenate([_overlaps(each.annotations) for each in draw_fields(10, seed=1)])
    assert 0.02 < (boxes > 0.05).mean() < 0.5


def _overlaps(cells: Annotations) -> np.ndarray:
    from rbcal.types import iou

    both = iou(cells.boxes[:, None], cells.boxes[None])
    np.fill_diagonal(both, 0)
    return both.max(axis=1)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    first, again, other = (next(iter(draw_fields(1, seed=seed))) for seed in (7, 7, 8))
    assert first.encode() == again.encode()
    assert np.array_equal(first.annotations.boxes, again.annotations.boxes)
    assert first.encode() != other.encode()


def test_a_field_does_not_depend_on_those_before_it():
    alone = list(draw_fields(3, seed=2))[2]
    among = list(draw_fields(PER_SLIDE + 1, seed=2))[2]
    assert np.array_equal(alone.pixels, among.pixels)


def test_the_subtypes_are_the_papers_and_as_frequent():
    labels = np.concatenate([each.annotations.labels for each in draw_fields(60, seed=3, n_cells=60)])
    share = np.bincount(labels, minlength=len(RBC7)) / len(labels)
    assert SUBTYPES == RBC7
    assert share == pytest.approx(FREQUENCIES, abs=0.05)
    assert set(np.argsort(share)[-2:]) == {RBC7.index("D"), RBC7.index("E.1")}
    assert set(np.argsort(share)[:2]) == {RBC7.index("S.D"), RBC7.index("E.F")}


def test_a_discocyte_is_pale_in_its_centre_and_a_stomatocyte_along_a_slit():
    for cell in drawn("D"):
        thickness, _ = map_of(cell)
        assert thickness[78:82, 78:82].mean() < 0.85 * thickness.max()
    for cell in drawn("S.N"):
        pits = cell.pits
        assert 1 <= len(pits) <= 3
        assert (pits[:, 2] > 1.5 * pits[:, 3]).all()  # longer than wide


def test_a_dehydrated_stomatocyte_is_smaller_and_denser_than_a_normal_one():
    small, normal = drawn("S.D"), drawn("S.N")
    assert max(map(size, small)) < max(map(size, normal))
    assert np.mean([size(each) for each in small]) < 0.85 * np.mean([size(each) for each in normal])
    assert min(each.density for each in small) > max(each.density for each in normal)


def test_on_the_way_to_the_echinocyte_cells_shrink_grow_denser_and_get_more_and_finer_spikes():
    stages = [drawn(subtype, 60) for subtype in ("D", "E.1", "E.2", "E.3", "E.F")]
    sizes, densities = (
        [float(np.mean([figure(each) for each in cells])) for cells in stages]
        for figure in (size, lambda each: each.density)
    )
    spikes = [float(np.mean([len(each.bumps) for each in cells])) for cells in stages]
    assert sizes == sorted(sizes, reverse=True)
    assert densities == sorted(densities)
    assert spikes == sorted(spikes)
    assert max(np.ptp(each.radii) / each.radii.mean() for each in stages[0]) < 0.2  # a discocyte has none


def test_a_slide_has_its_own_imaging_conditions():
    fields = list(draw_fields(4 * PER_SLIDE, seed=5, n_cells=5))
    colours = np.array([np.median(each.pixels, axis=(0, 1)) for each in fields]).reshape(4, PER_SLIDE, 3)
    assert colours.std(axis=1).mean() < 0.5 * colours.mean(axis=1).std(axis=0).mean()
    assert [each.group for each in fields[::PER_SLIDE]] == [f"synthetic slide 5-{n}" for n in (1, 2, 3, 4)]


def test_empty_glass_is_bright_but_not_even():
    conditions = draw_slide(rng(1), 10.0).conditions
    glass = photograph(np.zeros((120, 160), np.float32), conditions, rng(2))
    assert glass.min() > 0.6 * glass.max()
    assert glass.std() > 0


def test_every_picture_says_that_it_is_synthetic():
    field = next(iter(draw_fields(1)))
    assert b"synthetic" in Image.open(io.BytesIO(field.encode())).info["comment"]
    assert field.name.startswith("synthetic")
    assert field.group.startswith("synthetic")
