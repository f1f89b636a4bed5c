"""The Progress page in a real browser: charts and the report are drawn, and saved without a network."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from rbcal.config import SimulationConfig
from rbcal.store.project import Project
from tests import visitor
from tests.browser.driver import eventually
from tests.conftest import add_image
from tests.evaluation.test_learning_curves import many
from tests.report.test_collect import measured


@pytest.fixture
def simulated(projects: Path, request: pytest.FixtureRequest) -> str:
    """The name of a project with a simulation of five repeats."""
    name = f"simulated-{request.node.callspec.id}"
    with Project.create(projects / f"{name}.rbcal", classes=["disc", "slit", "spiky"]) as project:
        for seed in range(6):
            add_image(project, seed, group=str(seed), annotated=True)
        add_image(project, 9, group="test", split="test", annotated=True)
        simulation_id = project.simulations.begin(SimulationConfig(("random", "balanced")), "ab" * 32)
        project.simulations.add(simulation_id, many([0.1, 0.12, 0.08, 0.11, 0.09]))
        project.simulations.finish(simulation_id)
    return name


@pytest.mark.parametrize("kind", ["PNG", "SVG", "CSV"])
def test_a_chart_is_saved_as_a_file(page: Page, server: str, simulated: str, kind: str, tmp_path: Path):
    page.goto(f"{server}/progress?project={simulated}")
    expect(page.get_by_test_id("stVegaLiteChart")).to_have_count(2)
    with page.expect_download() as download:
        page.get_by_test_id("stDownloadButton").filter(has_text=kind).first.locator("button").click()
    download.value.save_as(tmp_path / "file")
    assert download.value.suggested_filename == f"simulation-1-cells.{kind.lower()}"
    begins = {"PNG": b"\x89PNG", "SVG": b"<svg", "CSV": b"Strategy,Repeats,x,Mean"}[kind]
    assert (tmp_path / "file").read_bytes().startswith(begins)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_lines_have_their_colours_on_a_light_and_a_dark_page(
    browser: Browser, server: str, simulated: str, scheme: str
):
    context = visitor.context(browser, color_scheme=scheme, viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{server}/progress?project={simulated}")
    lines = page.get_by_test_id("stVegaLiteChart").first.locator(".mark-line path[stroke]")
    eventually(
        lambda: {"#808080", "#0072B2"} <= {line.get_attribute("stroke") for line in lines.all()},
        "both lines in their colours",
    )
    context.close()


def test_the_report_is_made_when_it_is_asked_for_and_opens_without_a_network(
    page: Page, server: str, projects: Path, tmp_path: Path
):
    with Project.create(projects / "reported.rbcal", classes=["disc", "slit", "spiky"]) as project:
        measured(project)
    page.goto(f"{server}/progress?project=reported")
    with page.expect_download() as download:
        page.get_by_role("button", name="Report").click()
    assert download.value.suggested_filename == "reported-report.html"
    download.value.save_as(tmp_path / "report.html")
    page.set_content((tmp_path / "report.html").read_text())
    expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
    shown = page.locator(".gallery image")
    assert shown.count() == 5  # a confusion, a miss, a false positive, two uncertain cells
    assert page.locator("body").evaluate("body => body.scrollWidth <= body.clientWidth")
