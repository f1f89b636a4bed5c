"""Simulations as charts, tables and words."""

from __future__ import annotations

import csv
import io
import struct
from dataclasses import replace

import pandas as pd
import pytest

from rbcal.charts import chart_files, simulation, simulation_words
from rbcal.config import SimulationConfig
from rbcal.evaluation.learning_curves import METRICS, arm_curves, on_common_grid
from rbcal.evaluation.metrics import Evaluation
from rbcal.evaluation.strategy_comparison import summaries
from rbcal.store.evaluations import CurvePoint
from rbcal.store.simulations import Simulation
from tests.evaluation.test_learning_curves import arm_of, many, two_by_two

PRECISION = METRICS["Precision_all"]
CONFIG = SimulationConfig(strategies=("random", "balanced"), repeats=2, rounds=2)
HALF_DONE = Simulation(3, CONFIG, "ab" * 32, "0.1.0", "2026-11-23T12:00:00", finished=False)


def simulated(points=None):
    arms = arm_curves(two_by_two() if points is None else points, PRECISION)
    return arms, on_common_grid(arms, 3)


def rows(chart, *columns):
    """Return the rows of the one dataset of a chart that has these columns."""
    sets = chart.to_dict()["datasets"].values()
    return next(each for each in sets if set(columns) <= each[0].keys())


def test_the_band_is_one_standard_deviation_on_either_side():
    arms, curves = simulated()
    last = rows(simulation.curves_chart(curves, arms, "cells", "Precision_all"), "Deviation")[-1]
    assert last["Strategy"] == "balanced"
    assert (last["x"], last["Mean"]) == (200, pytest.approx(0.6))
    assert last["High"] - last["Mean"] == pytest.approx(0.02**0.5)
    assert last["Mean"] - last["Low"] == pytest.approx(0.02**0.5)


def test_a_single_repeat_has_a_line_and_no_band():
    arms, curves = simulated(arm_of(0, "random", [0.2, 0.4]))
    row = rows(simulation.curves_chart(curves, arms, "cells", "AP"), "Deviation")[-1]
    assert (row["Mean"], row["Low"]) == (0.4, None)


def test_every_arm_is_shown_on_demand_also_beyond_the_common_range():
    arms, curves = simulated([*two_by_two(), *arm_of(2, "random", [0.1, 0.2])])
    chart = simulation.curves_chart(curves, arms, "cells", "AP", every_arm=True)
    assert max(row["x"] for row in rows(chart, "Repeat")) == 200
    assert max(row["x"] for row in rows(chart, "Mean")) == 100


def test_a_strategy_keeps_its_colour_where_others_are_hidden():
    arms, curves = simulated([*two_by_two(), *arm_of(0, "bald", [0.1, 0.2, 0.3])])
    whole = simulation.curves_chart(curves, arms, "cells", "AP")
    alone = simulation.curves_chart(curves, arms, "cells", "AP", shown=["bald"])
    scales = [chart.to_dict()["layer"][0]["encoding"]["color"]["scale"] for chart in (whole, alone)]
    colours = [dict(zip(scale["domain"], scale["range"], strict=True)) for scale in scales]
    assert colours[1] == {"bald": colours[0]["bald"]}
    assert len(set(colours[0].values())) == 3


def test_the_difference_to_random_has_a_line_at_0_and_no_line_for_random():
    _, curves = simulated()
    chart = simulation.difference_chart(curves, "cells", "AP")
    assert rows(chart, "zero") == [{"zero": 0.0}]
    assert {row["Strategy"] for row in rows(chart, "Difference")} == {"balanced"}
    assert rows(chart, "Difference")[-1]["Difference"] == pytest.approx(0.1)


def test_without_random_there_is_no_difference():
    _, curves = simulated(arm_of(0, "balanced", [0.2, 0.4]))
    assert simulation.difference_table(curves).empty


def test_the_projects_own_curve_lies_on_the_simulated_ones_by_all_of_its_cells():
    _, curves = simulated()
    figures = Evaluation(0.5, 0.4, 0.2, None, (0.5, None), (9, 0), 3)
    own = [CurvePoint(1, 12, 400, "2026", figures)]
    chart = simulation.live_chart(own, curves, PRECISION, "Precision_all")
    assert rows(chart, "Model") == [{"x": 400, "Value": 0.5, "Model": 1}]
    assert min(row["x"] for row in rows(chart, "Mean")) == 275  # seed images of the simulation


def test_every_point_has_recall_precision_and_f1_of_each_class_in_its_table():
    figures = Evaluation(0.5, 0.4, 0.2, None, (0.5, 0.7), (3, 2), 3, n_named=(5, 0), n_correct=(3, 0))
    [row] = simulation.points_table([replace(two_by_two()[0], evaluation=figures)], ["disc", "S.D"]).to_dict(
        "records"
    )
    assert (row["Macro F1"], row["F1 of disc"], row["F1 of S.D"]) == (0.375, 0.75, 0)
    assert (row["Recall of disc"], row["Precision of disc"]) == (1, 0.6)
    assert (row["AP@0.5 of S.D"], row["Recall of S.D"], row["Precision of S.D"]) == (0.7, 0, None)


def test_the_table_gives_each_figure_its_interval():
    points = many([0.1, 0.12, 0.08, 0.11, 0.09])
    _, curves = simulated(points)
    table = simulation.summary_table(summaries(curves), "cells", "AP").set_index("Strategy")
    balanced = table.loc["balanced"]
    assert balanced["AP at the end"] == "0.500 ± 0.016"
    assert balanced["End above random (95 %)"].startswith("+0.100 (+0.08")
    assert balanced["Cells to the target"] == "67 (0.67 × random)"
    assert balanced["Verdict"] == "Above random, on few repeats (5)"


def test_a_single_repeat_shows_no_interval():
    table = simulation.summary_table(summaries(simulated(many([0.1]))[1]), "cells", "AP")
    assert table["End above random (95 %)"].tolist() == ["", "+0.100"]
    assert table["AP at the end"].tolist() == ["0.400", "0.500"]


def test_repeats_count_when_every_strategy_has_them():
    points = [*arm_of(0, "random", [0.2, 0.4]), *arm_of(0, "balanced", [0.2, 0.4])]
    points += arm_of(1, "random", [0.2, 0.4])
    words = simulation_words.state_words(HALF_DONE, points, active=False)
    assert words == "stopped, 1 of 2 repeats done so far"
    assert simulation_words.state_words(HALF_DONE, points, active=True).startswith("under way")


def test_means_over_different_repeats_come_with_a_warning():
    assert simulation_words.unequal_words(simulated()[1]) == ""
    _, curves = simulated([*two_by_two(), *arm_of(2, "random", [0.1, 0.2, 0.3])])
    assert "different repeats so far (random 3, balanced 2)" in simulation_words.unequal_words(curves)


def test_the_settings_are_enough_to_do_it_again():
    words = simulation_words.settings_words(HALF_DONE, two_by_two())
    for part in (
        "12 seed images",
        "2 rounds of 200 cells",
        "50 images",
        "abababababab",
        "rbcal 0.1.0",
        "150",
    ):
        assert part in words


def test_minutes_say_whether_anybody_was_timed():
    assert "assumed" in simulation_words.cost_model_words(CONFIG)
    timed = SimulationConfig(cost_model=(9.0, 0.5, 3.0))
    assert "this project's own reviews" in simulation_words.cost_model_words(timed)
    assert "9.0 s for an image" in simulation_words.cost_model_words(timed)


def test_what_cells_the_control_and_the_oracle_did_is_said():
    config = SimulationConfig(
        strategies=("random", "cells_uncertain", "none"), second_look=True, error_rate=0.1, live_every=60
    )
    words = simulation_words.settings_words(replace(HALF_DONE, config=config), two_by_two())
    for part in ("in screens of 60", "nothing annotated", "10% of the answers at random", "a second look"):
        assert part in words
    assert "1.0 s beside others of its class, 3.0 s alone" in simulation_words.cost_model_words(config)
    plain = simulation_words.settings_words(HALF_DONE, two_by_two())
    assert "no second look" in plain
    assert not any(part in plain for part in ("cells_", "none:", "at random;"))


def test_a_csv_holds_every_point_and_no_formula():
    table = simulation.points_table(two_by_two(), ["=cmd()", "disc"])
    read = list(csv.DictReader(io.StringIO(chart_files.as_csv(table).decode())))
    assert len(read) == 12
    assert read[-1]["New cells"] == "200"
    assert read[-1]["AP@0.5 of =cmd()"] == "0.7"
    hostile = pd.DataFrame({"+a": ["=cmd()", "disc"], "n": [1, -2]})
    assert chart_files.as_csv(hostile).decode().splitlines() == ["'+a,n", "'=cmd(),1", "disc,-2"]


def test_a_chart_becomes_a_png_and_an_svg_file():
    arms, curves = simulated()
    chart = simulation.curves_chart(curves, arms, "cells", "AP")
    png = chart_files.as_picture(chart, "png")
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">I", png[16:20])[0] > 1900  # pixels wide
    assert b"<svg" in chart_files.as_picture(chart, "svg", "Slides <of> Monday")
