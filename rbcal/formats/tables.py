"""Tables as CSV, as spreadsheets and statistics programs read them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BOX_SIDES = ("x1", "y1", "x2", "y2")


@contextmanager
def csv_table(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """Open a CSV file, and give the function that appends a row."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # Excel needs the sign
        table = csv.DictWriter(file, columns)
        table.writeheader()
        yield table.writerow


def side_columns(box: Iterable[float]) -> dict[str, float]:
    """Return where a box lies, to a hundredth of a pixel: nobody draws it finer.

    >>> side_columns([12.300000190734863, 0, 20.5, 31.123456])
    {'x1': 12.3, 'y1': 0, 'x2': 20.5, 'y2': 31.12}
    """
    return {side: round(value, 2) for side, value in zip(BOX_SIDES, box, strict=True)}
