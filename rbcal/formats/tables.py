"""Tables as CSV, as spreadsheets and statistics programs read them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def csv_table(path: Path, columns: Sequence[str]) -> Iterator[Callable[[Mapping[str, Any]], object]]:
    """Open a CSV file, and give the function that appends a row."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # Excel needs the sign
        table = csv.DictWriter(file, columns)
        table.writeheader()
        yield table.writerow
