"""What the documents name exists: commands, options, pages, files; and the floors of the dependencies."""

from __future__ import annotations

import json
import pkgutil
import posixpath
import re
import runpy
import subprocess
import sys
import tomllib
from collections import Counter
from functools import cache
from pathlib import Path

import pytest
import typer
from packaging.requirements import Requirement
from packaging.version import Version

from rbcal.cli import app

ROOT = Path(__file__).parent.parent
DOCS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / "docs").rglob("*.md")),
]
MAKE = runpy.run_path(str(ROOT / "docs/make_commands.py"))
SITE = runpy.run_path(str(ROOT / "docs/site/hooks.py"))
FIGURES = json.loads((ROOT / "docs/benchmarks/figures.json").read_text("utf-8"))
COMMANDS = typer.main.get_command(app).commands
OTHERS = {
    "--nproc-per-node",
    "--nnodes",
    "--rdzv-endpoint",
    "--version",
    "--help",
}  # torchrun's, and common ones
OTHERS |= {"--kills", "--seed"}  # of python -m tests.crash
MADE = {"docs/reference"}  # by poe, and not in the repository
FORMER = {"cost.py", "schema.py"}  # names that decision 019 says we do not use
FILES = {path.name for top in ("rbcal", "tests", "docs", "pages") for path in (ROOT / top).rglob("*.*")}
SAFE = {"streamlit": "1.54", "pillow": "12.3", "torch": "2.6"}  # with their security fixes


def code(path: Path) -> list[str]:
    """Return the code of a document: spans between backticks, and indented lines."""
    text = path.read_text(encoding="utf-8")
    return [*re.findall(r"`([^`\n]+)`", text), *re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)]


def options(command) -> set[str]:
    return {option for each in command.params for option in (*each.opts, *each.secondary_opts)}


ALL_OPTIONS = set().union(*map(options, COMMANDS.values())) | OTHERS


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_command_and_option_exists(path):
    for line in code(path):
        for name, rest in re.findall(r"(?<![\w./-])rbcal ([a-z]+)\b([^|;#]*)", line):
            assert name in COMMANDS, line
            unknown = set(re.findall(r"(?<!\S)(--[a-z][a-z-]+)", rest)) - options(COMMANDS[name]) - OTHERS
            assert not unknown, (line, unknown)
        if line.startswith("--"):
            assert re.match(r"--[a-z-]+", line).group() in ALL_OPTIONS, line


def test_the_page_of_the_commands_is_what_the_command_line_says():
    assert (ROOT / "docs/commands.md").read_text("utf-8") == MAKE["page"](), "write it anew: poe commands"


@pytest.mark.parametrize(("name", "lines"), MAKE["EXAMPLES"].items())
def test_an_example_has_what_its_command_requires(name, lines):
    needed = {
        each.opts[0] for each in COMMANDS[name].params if each.required and each.opts[0].startswith("-")
    }
    assert [line for line in lines if not needed <= set(line.split())] == []


@pytest.mark.parametrize(("page", "rows"), FIGURES.items())
def test_a_chart_shows_figures_that_its_page_states(page, rows):
    text = (ROOT / f"docs/benchmarks/{page}.md").read_text(encoding="utf-8")
    for value in [value for row in rows for value in row.values() if not isinstance(value, str)]:
        spelled = f"{value:g}", f"{value:.3f}", f"{value / 1000:g} s"
        assert any(re.search(rf"(?<![\d.]){re.escape(each)}(?!\d)", text) for each in spelled), value


@cache
def anchors(path: Path) -> set[str]:
    """Return the anchors of a page as GitHub makes them from its headings; of two alike the second has -1."""
    seen: Counter[str] = Counter()
    for heading in re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading.lower())
        seen[re.sub(r"[^\w -]", "", shown).replace(" ", "-")] += 1
    return {name + (f"-{n}" if n else "") for name, times in seen.items() for n in range(times)}


def links(text: str) -> list[str]:
    """Return where the links and pictures of a page lead; what is code has none."""
    prose = re.sub(r"`[^`\n]*`|^ {4}.*$", "", text, flags=re.MULTILINE)
    inline = re.findall(r"\]\(\s*<?([^)>\s]+)", prose)
    named = re.findall(r"^\[[^\]]+\]:\s*(\S+)", prose, re.MULTILINE)
    return [*inline, *named, *re.findall(r'(?:src|href)="([^"]+)"', prose)]


def is_dead(page: Path, target: str) -> bool:
    """Return whether a link of a page leads nowhere in the repository; others' sites are not asked."""
    if re.match(r"[a-z]+:", target):
        return False
    name, _, anchor = target.partition("#")
    path = (page.parent / name).resolve() if name else page
    if not path.exists() or not path.is_relative_to(ROOT.resolve()):
        return True
    return bool(anchor) and (path.suffix != ".md" or anchor not in anchors(path))


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_link_and_anchor_leads_somewhere(path):
    assert [each for each in links(path.read_text(encoding="utf-8")) if is_dead(path, each)] == []


@pytest.mark.parametrize(
    ("target", "dead"),
    [
        ("docs/guide.md#review", False),
        ("docs/decisions", False),
        ("none.md", True),
        ("docs/guide.md#none", True),
        ("#none", True),
        ("../elsewhere", True),
        ("LICENSE#l1", True),
        ("https://example.org", False),
    ],
)
def test_a_link_that_leads_nowhere_is_seen(target, dead):
    assert is_dead(ROOT / "README.md", target) == dead


def test_a_link_is_read_from_prose_alone():
    text = "[a](b.md) ![c](d.png 'e') `[f](g)` <img src=\"h\">\n    [i](j)\n[k]: l\n"
    assert links(text) == ["b.md", "d.png", "l", "h"]


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_a_link_leads_to_the_same_page_on_the_site(path):
    """MkDocs sees whether it is there; this sees that it is the one that was meant."""
    page = path.relative_to(ROOT).as_posix().removeprefix("docs/")
    for target in links(path.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:|#", target):
            there = posixpath.normpath(
                posixpath.join(posixpath.dirname(page), SITE["site_link"](target, page))
            )
            name, meant = there.partition("#")[0], (path.parent / target.partition("#")[0]).resolve()
            candidates = [ROOT / name, ROOT / "docs" / name, (ROOT / "docs" / name).parent]
            assert meant in [each.resolve() for each in candidates], target


def test_the_site_takes_nothing_from_a_network():
    text = (ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in text
    assert "http" not in text


def test_the_site_has_a_place_for_every_page():
    text = (ROOT / "docs/site/mkdocs.yml").read_text(encoding="utf-8")
    pages = [path for path in DOCS if path.parent.name != "decisions"]
    assert [
        path.name
        for path in pages
        if f": {path.relative_to(ROOT).as_posix()}".replace("docs/", "") not in text
    ] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_file_that_a_document_names_exists(path):
    text = path.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./~-])(?:rbcal|pages|tests|docs)/[\w./-]*\w", text)
    assert [name for name in paths if name not in MADE and not list(ROOT.glob(f"{name}*"))] == []
    names = re.findall(r"`(\w+\.(?:py|pyi|sql|js|css))`", text)
    assert [name for name in names if name not in FORMER and name not in FILES] == []


@pytest.mark.parametrize("path", DOCS, ids=lambda path: path.name)
def test_every_name_of_the_code_that_a_document_names_exists(path):
    for name in re.findall(r"(?<![\w./-])rbcal(?:\.[a-z]\w+)+(?!\.?\w|/)", path.read_text(encoding="utf-8")):
        assert pkgutil.resolve_name(name) is not None


def test_every_document_that_the_code_names_exists():
    texts = [
        path.read_text(encoding="utf-8") for top in ("rbcal", "tests") for path in ROOT.glob(f"{top}/**/*.py")
    ]
    named = {name for text in texts for name in re.findall(r"(?<![\w/.])docs/[\w/-]+(?:\.\w+)?", text)} - MADE
    assert sorted(name for name in named if not list(ROOT.glob(f"{name}*"))) == []


def test_every_page_that_the_guide_names_exists():
    text = (ROOT / "docs/guide.md").read_text(encoding="utf-8")
    pages = {path.stem.capitalize() for path in (ROOT / "pages").glob("[a-z]*.py")}
    named = {
        word
        for word in re.findall(r"\*\*(\w+)\*\*", text)
        if word in ("Home", "Project", "Train", "Review", "Progress")
    }
    assert named == pages


def test_no_dependency_may_be_older_than_its_security_fixes():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    floors = {}
    for text in project["dependencies"]:
        requirement = Requirement(text)
        floors[requirement.name] = max(
            (Version(each.version) for each in requirement.specifier if each.operator in (">=", "==")),
            default=None,
        )
    assert None not in floors.values(), "every dependency has a lower bound"
    for name, least in SAFE.items():
        assert floors[name] >= Version(least), name


def test_the_reference_is_made_from_the_docstrings(tmp_path):
    command = [sys.executable, "-m", "pdoc", "--docformat", "numpy", "--output-directory", str(tmp_path)]
    subprocess.run([*command, "rbcal.types", "rbcal.acquisition"], check=True)
    assert "equation (6)" in (tmp_path / "rbcal/acquisition/uncertainty.html").read_text(encoding="utf-8")
