"""How fast a project file is: what the command measures and prints."""

from __future__ import annotations

from rbcal.benchmarks.store_speed import bench_store
from rbcal.benchmarks.tables import store_table


def test_cells_like_one_are_asked_for_a_first_time_and_again(tmp_path):
    document = bench_store(tmp_path, n_images=40, n_boxes=2400, say=str)
    table = store_table(document)
    assert f"cells like one, first {document['first_more_like_s'] * 1e3:8.0f} ms" in table
    assert f"of others, p95      {document['more_like_p95_s'] * 1e3:8.0f} ms" in table
