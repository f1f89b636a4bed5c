"""Filters: which cells the expert wants to see."""

from __future__ import annotations

from rbcal.store.cell_filters import CellFilter

MACROCYTES = CellFilter("named", 1, "slide 7", by_size="smallest", annotator="Ada", of_test="only")


def test_test_images_are_of_no_kind_that_a_model_chooses():
    assert CellFilter("named", of_test="with").splits == ("work", "test")
    assert CellFilter("unsure", of_test="only").splits == ("test",)
    assert {CellFilter(kind, of_test="only").splits for kind in (None, "doubtful")} == {("work",)}
    assert (MACROCYTES.n_limits, CellFilter("named", by_size="largest").n_limits) == (3, 0)
