"""What the site needs beyond docs/: the pages at the top of the repository, two more, and right links."""

from __future__ import annotations

import ast
import posixpath
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")  # pages that do not lie in docs/
_LINK = re.compile(r"(?<=\]\()([^)\s]+)(?=\))")


def on_files(files: Any, config: Any) -> Any:
    """Add the pages that do not lie in docs/ as they are on the site."""
    from mkdocs.structure.files import File

    pages = {name: (ROOT / name).read_text("utf-8") for name in TOP}
    pages |= {"decisions/README.md": decisions(), "python.md": python()}
    for name, content in pages.items():
        files.append(File.generated(config, name, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Make the links of a page right on the site."""
    return _LINK.sub(lambda link: site_link(link[0], page.file.src_uri), markdown)


def site_link(target: str, page: str) -> str:
    """Return where a link of a page leads on the site; both are as they stand in the repository or in docs/.

    >>> site_link("docs/guide.md#review", "README.md"), site_link("../reliability.md", "benchmarks/speed.md")
    ('guide.md#review', '../reliability.md')
    >>> site_link("docs/decisions", "CONTRIBUTING.md"), site_link("../CHANGELOG.md", "guide.md")
    ('decisions/README.md', 'CHANGELOG.md')
    """
    if re.match(r"[a-z]+:|#", target):
        return target
    path, hash_, anchor = target.partition("#")
    folder = "" if page in TOP else posixpath.join("docs", posixpath.dirname(page))
    wanted = posixpath.normpath(posixpath.join(folder, path))
    if not wanted.startswith("docs/") and wanted not in TOP:
        raise ValueError(
            f"{page} links to {target}, which is not on the site. Link to a page, or name the file."
        )
    if (ROOT / wanted).is_dir():
        wanted += "/README.md"
    here = posixpath.dirname(page) or "."
    return posixpath.relpath(wanted.removeprefix("docs/"), here) + hash_ + anchor


def decisions() -> str:
    """Return the page that lists the decisions."""
    lines = ["# Decisions", "", "What shapes the house, and why: half a page each.", ""]
    for path in sorted((ROOT / "docs/decisions").glob("[0-9]*.md")):
        lines.append(f"- [{path.read_text('utf-8').splitlines()[0].removeprefix('# ')}]({path.name})")
    return "\n".join(lines)


def python() -> str:
    """Return the page for who writes a script: what the package says of itself, and where the rest is."""
    said = ast.get_docstring(ast.parse((ROOT / "rbcal/__init__.py").read_text("utf-8"))) or ""
    example = (ROOT / "docs/use_model.py").read_text("utf-8")
    return "\n\n".join(
        [
            "# From Python",
            "[The reference of the API](reference/index.html) is made from the docstrings.",
            said.partition("\n\n")[2].replace("::\n", ":\n"),
            "## Use a model",
            "The cells of one picture, by a model that `rbcal export` wrote:",
            f"```python\n{example}```",
        ]
    )
