"""The guide quotes what the screen says: each quotation is in the code, word for word."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def quotations() -> list[str]:
    """Return the words between stars in the first column of the troubleshooting table."""
    table = (ROOT / "docs/guide.md").read_text(encoding="utf-8").split("## Troubleshooting")[1]
    rows = [line for line in table.splitlines() if line.startswith("| *")]
    quoted = [words for row in rows for words in re.findall(r"\*([^*]+)\*", row.split(" | ")[0])]
    return [part.strip() for words in quoted for part in words.split("...") if part.strip()]


def said() -> str:
    """Return every text in the code of the app, a blank for each value that is put in."""
    words = []
    for path in [*(ROOT / "rbcal").rglob("*.py"), *(ROOT / "pages").rglob("*.py"), ROOT / "app.py"]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                words.append("".join(p.value if isinstance(p, ast.Constant) else " " for p in node.values))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.append(node.value)
    return "\n".join(words)


SAID = said()


@pytest.mark.parametrize("words", quotations())
def test_the_app_says_what_the_guide_quotes(words):
    assert words in SAID
