"""The layers of the house: an import points down only, and none goes in a circle (docs/decisions/001)."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = (  # the lowest first; packages of one row do not know one another
    ("errors",),
    ("types", "json_values", "wording", "outputs"),
    ("config",),
    ("class_merges", "formats"),
    ("live_head", "cell_finder"),
    ("evaluation", "acquisition", "synth"),
    ("store", "detector"),
    ("simulation",),
    ("interchange", "jobs"),
    ("charts", "review", "doctor"),
    ("report", "benchmarks"),
    ("cli", "ui"),
)
FLOOR = {name: floor for floor, names in enumerate(LAYERS) for name in names}


def modules() -> dict[str, Path]:
    """Return every module of rbcal by its name."""
    paths = sorted((ROOT / "rbcal").rglob("*.py"))
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in paths
    }


MODULES = modules()


def imports(path: Path) -> set[str]:
    """Return the modules of rbcal that a file imports, also late, within a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            below = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= {name if name in MODULES else node.module for name in below}
    return names & MODULES.keys()


def package(module: str) -> str:
    """Return the package of a module: the part of its name that is a layer."""
    return module.split(".")[1] if "." in module else ""


LINES = [(module, target) for module, path in MODULES.items() for target in sorted(imports(path))]


def test_every_package_is_a_layer():
    ours = {package(module) for module in MODULES}
    assert ours - FLOOR.keys() == {"", "__main__"}


@pytest.mark.parametrize("name", FLOOR)
def test_an_import_points_down(name):
    pairs = [(module, target) for module, target in LINES if package(module) == name != package(target)]
    assert [
        (module, target) for module, target in pairs if FLOOR.get(package(target), -1) >= FLOOR[name]
    ] == []


def test_no_import_goes_in_a_circle():
    graph = {module: imports(path) - {module} for module, path in MODULES.items()}
    assert len(list(TopologicalSorter(graph).static_order())) == len(MODULES)  # it raises at a circle


def needed(*starts: Path) -> set[str]:
    """Return the modules that the pages load as soon as they are opened."""
    found: set[str] = set()
    for start in starts:
        top = ast.Module(ast.parse(start.read_text("utf-8")).body, [])
        for node in top.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("rbcal"):
                found |= {node.module or ""}
    return {name for name in found if not name.startswith("rbcal.ui")}


def test_the_ui_process_never_imports_torch():
    files = [ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "rbcal/ui").rglob("*.py")]
    program = f"import sys, rbcal.cli, {', '.join(sorted(needed(*files)))}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_what_every_page_needs_loads_neither_scipy_nor_sklearn_nor_the_maker_of_pictures():
    modules = "rbcal.store.project, rbcal.charts.simulation, rbcal.charts.stop_advice, rbcal.jobs.launcher"
    modules += ", rbcal.acquisition.strategies"
    late = {"scipy", "sklearn", "vl_convert"}
    program = f"import sys, {modules}; sys.exit(bool({late} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
