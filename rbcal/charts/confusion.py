"""The confusion matrix as a table and as a chart."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from rbcal.charts.colours import COLOURS
from rbcal.evaluation.confusion import Confusion

NOTHING, MISSED = "nothing there", "not found"  # the last row and the last column of the matrix
_VERDICTS = {"right": COLOURS[0], "wrong": COLOURS[1]}  # blue and vermilion: told apart by all eyes
_CHOSEN = COLOURS[5]
_DARK = "datum.Shade > (datum.Verdict == 'right' ? 0.6 : 0.85)"  # orange is paler than blue
_FAINTEST = 0.12  # opacity of a single cell among many: still seen as blue or orange


def confusion_table(matrix: Confusion, names: Sequence[str]) -> pd.DataFrame:
    """Return one row for each cell of the confusion matrix: annotated, found, cells, share of its row.

    The last row is :data:`NOTHING`, the last column :data:`MISSED`; where they would meet there is no cell.
    Classes that are neither annotated nor found are left out.
    """
    rows, columns, counts, shares = [*names, NOTHING], [*names, MISSED], matrix.counts, matrix.shares
    cells = [
        (rows[i], columns[j], int(counts[i, j]), float(shares[i, j]))
        for i in range(len(rows))
        for j in range(len(columns))
        if (i, j) != (len(names), len(names)) and counts[i].any() and (counts[j].any() or counts[:, j].any())
    ]
    return pd.DataFrame(cells, columns=["Annotated", "Found", "Cells", "Share"])


def confusion_chart(table: pd.DataFrame, names: Sequence[str]) -> alt.LayerChart:
    """Return the confusion matrix as a chart; a click on a cell selects it, as "cell".

    Two colours say what is right and what is wrong; the stronger, the larger the share of the row.
    """
    rows, columns = [*names, NOTHING], [*names, MISSED]
    chosen = alt.selection_point(name="cell", fields=["Annotated", "Found"], toggle=False)
    right = table["Annotated"] == table["Found"]
    shade = (_FAINTEST + (1 - _FAINTEST) * table["Share"]).where(table["Cells"] > 0, 0.0)
    shaded = table.assign(Verdict=right.map({True: "right", False: "wrong"}), Shade=shade)
    base = alt.Chart(shaded).encode(
        x=alt.X(
            "Found:N",
            sort=columns,
            title="Found by the model",
            axis=alt.Axis(labelAngle=-45, orient="top", labelOverlap=False),
        ),
        y=alt.Y("Annotated:N", sort=rows, title="Annotated"),
        tooltip=["Annotated", "Found", "Cells", alt.Tooltip("Share", format=".0%", title="Of its row")],
    )
    boxes = base.mark_rect(cursor="pointer").encode(
        color=alt.Color(
            "Verdict:N",
            scale=alt.Scale(domain=list(_VERDICTS), range=list(_VERDICTS.values())),
            legend=alt.Legend(title=None, symbolOpacity=1),
        ),
        fillOpacity=alt.FillOpacity("Shade:Q", scale=None),
        stroke=alt.when(chosen, empty=False).then(alt.value(_CHOSEN)).otherwise(alt.value("#8886")),
        strokeWidth=alt.when(chosen, empty=False).then(alt.value(3)).otherwise(alt.value(0.5)),
    )
    some = base.transform_filter("datum.Cells > 0")
    paper = some.mark_rect(color="white")  # below the shades, which are the same on a dark page
    numbers = some.mark_text(fontSize=12).encode(
        text=alt.Text("Cells:Q", format=",d"),
        color=alt.when(_DARK).then(alt.value("white")).otherwise(alt.value("black")),
    )
    side = 34 * table["Annotated"].nunique() + 110
    return (paper + boxes.add_params(chosen) + numbers).properties(height=side)
