"""A project file that is replaced, moved or deleted under somebody who has it open: nothing goes astray."""

from __future__ import annotations

import os

import pytest

from rbcal.errors import ProjectError, ReplacedError
from rbcal.store import backups
from rbcal.store.project import Project, ProjectFile
from tests.conftest import CLASSES, add_image


@pytest.fixture
def other(tmp_path):
    """The file of another project, with an image of the same id."""
    path = tmp_path / "elsewhere" / "slides.rbcal"
    with Project.create(path, classes=CLASSES) as opened:
        add_image(opened, 99)
    return path


def test_every_project_has_an_id_of_its_own_that_a_copy_keeps(project, other, tmp_path):
    backups.copy(project.path, tmp_path / "copy.rbcal")
    with Project.open(other) as another, Project.open(tmp_path / "copy.rbcal") as copy:
        ids = [each.file.project_id for each in (project, another, copy)]
    assert ids[0] == ids[2] != ids[1]


def test_a_write_after_another_file_took_the_place_is_refused(project, other):
    os.replace(other, project.path)
    with pytest.raises(ReplacedError, match="not the project that you opened"):
        project.classes.add(["teardrop"])
    with Project.open(project.path) as there:
        assert there.classes.names() == CLASSES


def test_a_write_outside_a_transaction_is_refused_too(project, other):
    os.replace(other, project.path)
    with pytest.raises(ReplacedError):
        project.sign("me")


def test_a_write_into_a_file_that_was_moved_is_refused_and_what_was_saved_is_in_it(project, tmp_path):
    image_id, _ = add_image(project, 1)
    project.path.rename(tmp_path / "moved.rbcal")
    with pytest.raises(ReplacedError, match="moved, renamed or deleted"):
        project.queue.skip(image_id)
    project.close()
    with Project.open(tmp_path / "moved.rbcal") as moved:
        assert moved.queue.order() == [(image_id, False)]


def test_a_file_that_is_replaced_during_a_transaction_gets_nothing_of_it(project, other, tmp_path):
    project.path.rename(tmp_path / "mine.rbcal")
    os.link(tmp_path / "mine.rbcal", project.path)

    def sign_while_it_is_replaced():
        with project.transaction():
            project.sign("me")
            os.replace(other, project.path)

    with pytest.raises(ReplacedError):
        sign_while_it_is_replaced()
    project.close()
    with Project.open(tmp_path / "mine.rbcal") as mine:
        assert mine.expert == ""


def test_a_restore_of_another_project_into_the_open_file_is_noticed(project, other):
    backups.overwrite(other, project.path)
    with pytest.raises(ReplacedError):
        project.sign("me")


def test_only_the_project_that_is_wanted_is_opened(project, other):
    file = project.file
    project.close()
    file.open().close()
    os.replace(other, file.path)
    with pytest.raises(ReplacedError, match="another file took its place"):
        file.open()
    ProjectFile(file.path).open().close()
    file.path.unlink()
    with pytest.raises(ReplacedError, match="gone"):
        file.open()


def test_an_image_of_the_same_id_is_not_the_same_image(project):
    image_id, _ = add_image(project, 1)
    project.images.check(image_id, project.images.digest(image_id))
    with pytest.raises(ReplacedError, match="not in the project any more"):
        project.images.check(image_id, "0" * 64)
    with pytest.raises(ReplacedError):
        project.images.check(image_id + 1, "0" * 64)


def test_the_log_of_a_file_that_was_moved_away_is_not_read_into_another_one(project, other, tmp_path):
    image_id, _ = add_image(project, 1)  # lies in the log as yet
    project.path.rename(tmp_path / "mine.rbcal")
    with pytest.raises(ProjectError, match="moved away while it was open"):
        Project.create(project.path)
    before = other.read_bytes()
    os.replace(other, project.path)
    with pytest.raises(ReplacedError):
        project.file.open()
    assert project.path.read_bytes() == before
    project.close()
    with Project.open(tmp_path / "mine.rbcal") as mine, Project.open(project.path) as there:
        assert mine.images.get(image_id).name == "001.png"
        assert [each.name for each in there.images.all()] == ["099.png"]
