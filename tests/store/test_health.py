"""How a project file is, without a word that somebody typed."""

from __future__ import annotations

import pytest

from rbcal.config import TrainConfig
from rbcal.store import health
from rbcal.store.health import error_kind, place_in_package, read_health
from rbcal.store.job_requests import TrainJob
from rbcal.store.jobs import ERROR_KIND
from tests.crash import older


def end_of(project, reason, *log, state="failed"):
    """Let a job end, and return what is said of it."""
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    for line in log:
        project.jobs.log(job_id, line)
    project.jobs.end(job_id, state, reason)
    return read_health(project.path).last_job


def test_a_whole_project_is_counted(filled):
    said = read_health(filled.path)
    assert (said.is_checked, said.problems, said.last_job) == (True, [], None)
    assert said.counts == {
        "images": 3,
        "test_images": 1,
        "annotated_images": 2,
        "cells": said.counts["cells"],
        "classes": 3,
        "models": 1,
        "jobs": 0,
    }
    assert said.counts["cells"] > 2


def test_a_file_that_is_no_project_has_the_kind_of_its_error(tmp_path):
    (tmp_path / "a.rbcal").write_bytes(b"nonsense")
    assert read_health(tmp_path / "a.rbcal") == health.ProjectHealth(8, problems=["ProjectError"])
    assert read_health(tmp_path / "b.rbcal").problems == ["FileNotFoundError"]


def test_of_a_damaged_project_the_rest_is_said(filled):
    filled.close()
    content = filled.path.read_bytes()
    filled.path.write_bytes(content[: len(content) // 2])
    said = read_health(filled.path)
    assert said.problems
    assert said.counts["classes"] == 3


def test_a_value_that_must_not_be_there_is_named_by_its_check(filled):
    filled._database.write("UPDATE image SET layer = CAST(x'ff' AS TEXT)")
    assert read_health(filled.path).problems == ["values"]


def test_a_file_of_an_older_format_is_counted_and_left_as_it_is(filled):
    filled.close()
    before = filled.path.read_bytes()
    with older.next_format():
        said = read_health(filled.path)
    assert (said.format, said.is_checked, said.problems) == (older.OLD, False, [])
    assert said.counts["images"] == 3
    assert filled.path.read_bytes() == before
    assert [path.name for path in filled.path.parent.iterdir()] == [filled.path.name]


def test_a_large_file_is_counted_and_not_checked(filled, monkeypatch):
    monkeypatch.setattr(health, "_MOST_BYTES", 0)
    said = read_health(filled.path)
    assert (said.is_checked, said.counts["images"]) == (False, 3)


def test_a_failed_job_has_the_kind_that_the_worker_noted(project):
    job = end_of(project, "Anna's words", "Training", f"{ERROR_KIND}DivergedError")
    assert (job.kind, job.state, job.error, job.place) == ("train", "failed", "DivergedError", None)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("ZeroDivisionError: Anna", "ZeroDivisionError"),
        ("Anna: no such slide", "another error"),
        (
            "The worker process ended unexpectedly (signal 11). Its last words: Anna.",
            "the worker died, signal 11",
        ),
        (
            "The worker process ended unexpectedly (it was killed, perhaps for want of memory).",
            "the worker died, it was killed",
        ),
        ("The worker process ended unexpectedly. Its last words: Anna.", "the worker died"),
    ],
)
def test_a_job_of_an_older_rbcal_has_the_kind_that_its_reason_begins_with(project, reason, kind):
    assert end_of(project, reason).error == kind


def test_a_traceback_gives_the_last_line_of_rbcal(project):
    lines = [
        '  File "/home/anna/rbcal/rbcal/jobs/train.py", line 41, in train',
        '  File "/home/anna/rbcal/lib/torch/nn.py", line 7, in forward',
    ]
    assert end_of(project, "ValueError: x", *lines).place == "rbcal.jobs.train:41"


def test_a_job_that_was_cancelled_has_no_error(project):
    assert end_of(project, "The job was cancelled.", state="cancelled").error is None


@pytest.mark.parametrize(
    "file",
    ["/home/anna/slides.py", "/rbcal/anna.py", "/rbcal/../anna.py", "rbcal", "C:\\anna\\jobs\\train.py"],
)
def test_a_file_elsewhere_is_not_named(file):
    assert place_in_package(file, 1) is None


def test_a_folder_above_that_has_our_name_is_left_out():
    assert place_in_package("C:\\rbcal\\rbcal\\store\\health.py", 3) == "rbcal.store.health:3"


@pytest.mark.parametrize("name", ["Anna", "", "RESTORE", "print", "annotations"])
def test_a_word_that_is_no_kind_of_error_is_not_passed_on(name):
    assert error_kind(name) == "another error"
