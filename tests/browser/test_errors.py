"""The error gallery in a real browser: a click on a crop opens its image on the Review page."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from rbcal.store.project import Project
from tests.ui.test_error_gallery import plant


@pytest.fixture
def mistaken(projects: Path, request: pytest.FixtureRequest) -> str:
    """The name of a project whose model makes mistakes."""
    name = request.node.name
    with Project.create(projects / f"{name}.rbcal", classes=["disc", "slit", "spiky"]) as project:
        plant(project)
    Project.create(projects / f"beside-{name}.rbcal").close()  # the only project would open by itself
    return name


def test_a_crop_opens_its_image_from_which_there_is_a_way_back(page: Page, server: str, mistaken: str):
    page.goto(f"{server}/progress?project={mistaken}")
    page.get_by_role("tab", name="Classes").click()
    page.get_by_text("Missed (1)").click()
    expect(page.get_by_text("the model sees no cell")).to_be_visible()
    page.get_by_role("button", name="002.png").first.click()
    expect(page.get_by_text("A test image: no model learns from it")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("002.png").first).to_be_visible()
    page.get_by_role("button", name="Back", exact=True).click()
    expect(page.get_by_text("the model sees no cell")).to_be_visible()  # the same tab, the same kind


def test_a_cell_of_the_matrix_has_its_crops(page: Page, server: str, mistaken: str):
    page.goto(f"{server}/progress?project={mistaken}")
    page.get_by_role("tab", name="Classes").click()
    crops = page.get_by_role("button", name="002.png")
    expect(crops).to_have_count(1)
    expect(page.get_by_text("the model sees no cell")).to_have_count(0)
    missed = "[aria-roledescription='text mark'][aria-label*='model: not found']"
    page.get_by_test_id("stVegaLiteChart").last.locator(missed).click(force=True)
    expect(crops).to_have_count(1)
    expect(page.get_by_text("the model sees no cell")).to_be_visible()
