"""Labelled brightfield-like images of red blood cells, drawn from a seed: for demo, races and tests.

Everything made from it is synthetic, and says so.
"""

from rbcal.synth.shapes import SUBTYPES
from rbcal.synth.sketch import draw, encode
from rbcal.synth.slides import GROUP, Field, draw_fields, draw_one, redraw

__all__ = ["GROUP", "SUBTYPES", "Field", "draw", "draw_fields", "draw_one", "encode", "redraw"]
