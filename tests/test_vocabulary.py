"""No identifier is one of the words that say nothing to a stranger: docs/decisions/019."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NOT_OURS = frozenset(
    re.findall(
        r"\w+",
        """see look looks sight glimpse found traced doubt doubts situation prospects effort teach taught plan
        lesson team together likeness likening gather gathering tell told how admit rival walk sheet strip
        desk easel known mended annotations_of candidates""",
    )
)
PYTHON = [ROOT / "app.py", *(path for top in ("pages", "rbcal") for path in (ROOT / top).rglob("*.py"))]
JAVASCRIPT = list((ROOT / "rbcal").rglob("*.js"))


def defined(path: Path) -> Iterator[str]:
    """Yield every name that a Python file gives to something."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.arg(arg=name):
                yield name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield name
            case ast.alias(asname=str(name)):
                yield name


def declared(path: Path) -> Iterator[str]:
    """Yield every name that a JavaScript file declares."""
    yield from re.findall(r"\b(?:const|let|var|function|class)\s+(\w+)", path.read_text("utf-8"))


def words(name: str) -> set[str]:
    """Return the words of an identifier, and itself.

    >>> sorted(words("n_reviewedCells"))
    ['cells', 'n', 'n_reviewedcells', 'reviewed']
    >>> sorted(words("second_look_masks"))
    ['masks', 'second_look_masks']
    """
    rest = re.sub("second_look|SecondLook", "", name)  # a part of the model: docs/decisions/022
    return {name.lower(), *(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+", rest))}


@pytest.mark.parametrize("path", [*PYTHON, *JAVASCRIPT], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_name_is_a_word_of_the_field(path):
    names = declared(path) if path.suffix == ".js" else defined(path)
    assert sorted({name for name in names if words(name) & NOT_OURS}) == []
