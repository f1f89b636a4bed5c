"""The demo on the Project page, and the mark on every page of a project of synthetic slides."""

from __future__ import annotations

import pytest

from rbcal.charts.synthetic_mark import MARK
from rbcal.config import TrainConfig
from rbcal.evaluation.metrics import Evaluation
from rbcal.jobs import launcher
from rbcal.store.project import Project
from tests.interchange.test_synthetic_dataset import demo, small  # noqa: F401  fixtures
from tests.ui.test_pages import button, words


def queue(file, request):
    with file.open() as project:
        return project.jobs.add(request)


def notes(at):
    return [element.proto.body for element in at.get("html") if 'role="note"' in element.proto.body]


def test_a_newcomer_without_slides_gets_a_project_whose_training_has_begun(
    app,
    small,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    monkeypatch.setattr(launcher, "start", lambda file, request: queue(file, request))
    at = app()
    assert notes(at) == []
    button(at, "Try the demo").click().run()
    assert not at.exception
    assert "The first model is in training" in words(at)
    assert "Discocyte, the usual cell" in " ".join(each.proto.body for each in at.get("html"))
    assert [each.label for each in at.sidebar.button] == ["Cancel"]
    with Project.open(tmp_path / "demo.rbcal") as made:
        assert made.images.counts().annotated_images == 2
        assert made.is_synthetic
        request = made.jobs.last().request
        assert request.config.second_look  # or there is no wall of cells
        assert request.score is not None
    assert len(notes(at)) == 1


def test_a_demo_that_is_there_is_opened_and_not_drawn_again(app, demo, project):  # noqa: F811
    at = app()
    assert "Try the demo" not in [each.label for each in at.button]
    at.button(key="open_demo").click().run()
    assert at.title[0].value == "demo"
    assert demo.images.counts().images == 6


@pytest.mark.parametrize("page", [None, "train", "review", "progress"])
def test_every_page_of_synthetic_slides_says_so(app, demo, page):  # noqa: F811
    assert [MARK in note for note in notes(app(page))] == [True]


def test_no_page_of_photographs_says_so(app, project):
    assert notes(app()) == []


def test_the_charts_of_synthetic_slides_say_so(app, demo):  # noqa: F811
    model_id = demo.models.add(TrainConfig(), b"weights", {"train": demo.images.annotated()}, 60)
    demo.evaluations.save(model_id, Evaluation(0.5, 0.5, 0.3, None, (0.5,) * 7, (9,) * 7, 1))
    charts = app("progress").get("vega_lite_chart")
    assert charts
    assert all(MARK in chart.proto.spec for chart in charts)
