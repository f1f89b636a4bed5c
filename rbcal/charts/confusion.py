"""The confusion matrix as a table and as a chart."""

from __future__ import annotations

from collections.abc import Sequence

import altair as alt
import pandas as pd

from rbcal.charts.colours import COLOURS
from rbcal.evaluation.confusion import Confusion

NOTHING, MISSED = "nothing there", "not found"  # the last row and the last column of the matrix
_CHOSEN = COLOURS[5]


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
    """Return the confusion matrix as a chart; a click on a cell selects it, as "cell"."""
    rows, columns = [*names, NOTHING], [*names, MISSED]
    chosen = alt.selection_point(name="cell", fields=["Annotated", "Found"], toggle=False)
    base = alt.Chart(table).encode(
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
        color=alt.Color("Share:Q", scale=alt.Scale(scheme="blues", domain=[0, 1]), title="Of its row"),
        opacity=alt.when("datum.Cells > 0").then(alt.value(1)).otherwise(alt.value(0)),  # the page shows
        stroke=alt.when(chosen, empty=False).then(alt.value(_CHOSEN)).otherwise(alt.value("#8886")),
        strokeWidth=alt.when(chosen, empty=False).then(alt.value(3)).otherwise(alt.value(0.5)),
    )
    numbers = (
        base.transform_filter("datum.Cells > 0")
        .mark_text(fontSize=12)
        .encode(
            text=alt.Text("Cells:Q", format=",d"),
            color=alt.when("datum.Share > 0.55").then(alt.value("white")).otherwise(alt.value("black")),
        )
    )
    side = 34 * table["Annotated"].nunique() + 110
    return (boxes.add_params(chosen) + numbers).properties(height=side)
