"""The browser remembers who annotates."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, expect

from rbcal.store.project import Project
from tests.browser.driver import plant


def test_the_name_is_asked_once_and_signs_in_every_project(browser: Browser, server: str, projects: Path):
    for name in ("annotator_a", "annotator_b"):
        plant(projects / f"{name}.rbcal", 2)
    context = browser.new_context(viewport={"width": 1280, "height": 720})
    page = context.new_page()
    page.goto(f"{server}/review?project=annotator_a")
    page.get_by_label("Your name or initials", exact=True).fill('Zoë, "Z"; </script>')
    page.get_by_role("button", name="Begin", exact=True).click()
    expect(page.get_by_role("button", name="Save & next")).to_be_visible()
    page.close()
    page = context.new_page()  # a session of its own
    page.goto(f"{server}/review?project=annotator_b")
    save = page.get_by_role("button", name="Save & next")
    expect(save).to_be_enabled()
    save.click()
    expect(page.get_by_text("Saved")).to_be_visible()
    context.close()
    with Project.open(projects / "annotator_b.rbcal") as project:
        assert project.log.annotators() == ['Zoë, "Z"; </script>']
