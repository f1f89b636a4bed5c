"""Draw the chart of each page of docs/benchmarks from figures.json: poe charts."""

from __future__ import annotations

import json
from pathlib import Path

import altair as alt
import vl_convert

HERE = Path(__file__).parent
WIDTH = 480
FIGURES = json.loads((HERE / "figures.json").read_text("utf-8"))


def speed() -> alt.Chart:
    """Return where the time of scoring one image goes, as shares, for each backbone."""
    parts = list(dict.fromkeys(row["part"] for row in FIGURES["speed"]))
    return (
        chart("speed", "Share of the time that scoring one image takes")
        .mark_bar()
        .encode(
            x=alt.X("ms:Q", title=None, stack="normalize", axis=alt.Axis(format="%")),
            y=alt.Y("backbone:N", title=None),
            color=alt.Color("part:N", title=None, sort=parts),
            order=alt.Order("place:Q"),
        )
        .transform_calculate(place=f"indexof({parts}, datum.part)")
    )


def learner() -> alt.Chart:
    """Return precision against annotated images."""
    return (
        chart("learner", "Default settings, CHULA, 120 test images")
        .mark_line(point=True)
        .encode(
            x=alt.X("images:Q", title="annotated images", scale=alt.Scale(type="log", domain=[10, 320])),
            y=alt.Y("value:Q", title=None, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("measure:N", title=None, sort=None),
        )
        .properties(height=220)
    )


def choice_of_images() -> alt.FacetChart:
    """Return how far each strategy is above random, with its interval."""
    base = chart("choice_of_images").properties(width=WIDTH // 2)
    order = alt.Y("strategy:N", title=None, sort=None)
    above = "above random, mean over 0 to 800 new cells"
    rule = base.mark_rule().encode(x=alt.X("low:Q", title=above), x2="high:Q", y=order)
    point = base.mark_point(filled=True, size=60).encode(x="mean:Q", y=order)
    zero = base.mark_rule(strokeDash=[4, 3], color="grey").encode(x=alt.datum(0))
    return (zero + rule + point).facet(column=alt.Column("measure:N", title=None))


def review() -> alt.LayerChart:
    """Return the acts that a cell takes, for each way to review."""
    bars = chart("review", "Acts (clicks, drags, keys) per cell").encode(
        x=alt.X("acts:Q", title=None), y=alt.Y("way:N", title=None, sort=None, axis=alt.Axis(labelLimit=240))
    )
    return bars.mark_bar() + bars.mark_text(align="left", dx=4).encode(text="acts:Q")


def store() -> alt.LayerChart:
    """Return what each act takes on a large project, and the goal."""
    base = chart("store", "Milliseconds on a project of 10,000 images; the line is the goal").encode(
        y=alt.Y("act:N", title=None, sort=None)
    )
    scale = alt.Scale(type="log", domain=[1, 2000], nice=False)
    bars = base.mark_bar().encode(x=alt.X("ms:Q", title=None, scale=scale), x2=alt.datum(1))
    return bars + base.mark_tick(thickness=3, size=18, color="black").encode(x="goal:Q")


def chart(page: str, title: str = "") -> alt.Chart:
    """Return an empty chart over the figures of a page."""
    return alt.Chart(alt.Data(values=FIGURES[page]), title=title, width=WIDTH)


def svg(page: str) -> str:
    """Return the chart of a page as an SVG file; it needs no browser and no network."""
    drawn = {each.__name__: each for each in (speed, learner, choice_of_images, review, store)}[page]()
    return vl_convert.vegalite_to_svg(drawn.configure(background="white").to_json())


if __name__ == "__main__":
    for page in FIGURES:
        (HERE / f"{page}.svg").write_text(svg(page), "utf-8")
