"""A disk that is full, and a file or folder in which nobody may write: a sentence, and the file as it was."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy

from rbcal.config import TrainConfig
from rbcal.errors import ProjectError
from rbcal.formats import coco, files
from rbcal.interchange.import_images import import_images
from rbcal.store import backups
from rbcal.store.log import BoxState
from rbcal.store.project import Project, check
from rbcal.store.verification import verify
from tests.conftest import CLASSES, add_image, write_coco
from tests.crash import damage, disks, older

BIG = safetensors.numpy.save({"weights": np.zeros(2_000_000, np.float32)})  # 8 MB


@pytest.fixture
def fill(request, tmp_path, monkeypatch):
    """A disk that can be filled up, in one of the ways that work on this machine."""
    with disks.a_disk(request.param, tmp_path, monkeypatch) as disk:
        yield disk


@pytest.fixture
def slides(fill):
    """A project on that disk, with work in it."""
    path = fill.folder / "p.rbcal"
    with Project.create(path, classes=CLASSES) as project:
        for seed in range(2):
            add_image(project, seed, annotated=True)
    return path


def edit(project, n_boxes=1):
    boxes = {100 + n: BoxState((n, 1, n + 9, 9), 0, "drawn") for n in range(n_boxes)}
    return project.log.record(1, "edit", boxes, version=project.log.version(1))


def edit_until_full(path):
    done = 0
    with Project.open(path) as project:
        while done < 3000:
            edit(project, 200)
            done += 1


def save_a_review(path):
    with Project.open(path) as project:
        boxes = {n: BoxState((n, 1, n + 9, 9), 0, "drawn") for n in range(40_000)}
        project.reviews.save_boxes(1, boxes, origin="expert", version=project.log.version(1))


def write_a_checkpoint(path):
    with Project.open(path) as project:
        project.models.add(TrainConfig(), BIG, {"train": project.images.annotated()}, 1.0)


def write_a_snapshot(path):
    with Project.open(path) as project:
        images = {"train": project.images.annotated()}
        some = {"config": TrainConfig(), "n_classes": 3, "step": 1, "seconds": 1.0, "parent_id": None}
        project.snapshots.save(BIG, images=images, **some)


ACTS = [edit_until_full, save_a_review, write_a_checkpoint, write_a_snapshot]


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_a_full_disk_is_said_and_the_project_is_what_it_was(fill, slides, act):
    fill.fill(but=200_000)
    with pytest.raises(ProjectError, match="The disk is full"):
        act(slides)
    before = damage.contents(slides)
    assert verify(slides).ok
    fill.free()
    with Project.open(slides) as project:
        assert (project.models.all(), project.snapshots.current()) == ([], None)
        edit(project)
    assert damage.contents(slides)["pictures"] == before["pictures"]
    assert verify(slides).ok


def test_an_import_onto_a_full_disk_keeps_the_images_that_it_had_said(fill, tmp_path):
    source = write_coco(tmp_path / "source", 30, width=320, height=240)
    path = fill.folder / "p.rbcal"
    Project.create(path).close()
    fill.fill(but=600_000)
    bring = (files.folder(source.parent / "images"),)
    labels = coco.read(source.read_bytes())
    with Project.open(path) as project, pytest.raises(ProjectError, match="The disk is full"):
        import_images(project, *bring, annotations=labels)
    assert verify(path).ok
    fill.free()
    with Project.open(path) as project:
        there = project.images.counts()
        assert 0 < there.images == there.annotated_images < 30
        assert import_images(project, *bring, annotations=labels).added == 30 - there.images


def test_an_upgrade_on_a_full_disk_leaves_the_older_format(fill):
    path = fill.folder / "old.rbcal"
    planted = older.plant_older(path)
    content = path.read_bytes()
    with older.next_format():
        fill.fill(but=1000)
        with pytest.raises(ProjectError, match=r"The disk is full|are free"):
            Project.open(path)
        assert check(path).user_version == older.OLD
        assert path.read_bytes() == content
        fill.free()
        planted.expect_in(path)


def test_a_backup_onto_a_full_disk_is_refused_and_leaves_no_part(fill, slides):
    fill.fill(but=1000)
    try:
        backups.create(slides, backups.ASKED)
    except ProjectError as err:
        assert re.search("are free. Free some space|The disk is full", str(err))  # noqa: PT017
    else:
        assert isinstance(fill, disks.PageLimit)  # which knows of one file alone
    assert not list(backups.folder(slides).glob("*part*"))
    assert verify(slides).ok


# a file that may not grow: a quota


QUOTA = """
import resource, signal, sys
from pathlib import Path
from tests.crash.test_disk import write_a_checkpoint
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, 400_000))
write_a_checkpoint(Path(sys.argv[1]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_file_that_may_not_grow_is_said_and_the_project_is_what_it_was(project):
    add_image(project, 1, annotated=True)
    project.close()
    command = [sys.executable, "-W", "ignore", "-c", QUOTA, str(project.path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "ProjectError: slides.rbcal: The disk is full, over its quota" in done.stderr
    assert verify(project.path).ok
    with Project.open(project.path) as again:
        edit(again)


# nobody may write


@pytest.fixture
def shelf():
    """A folder with a project in it that another user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="rbcal-shelf-"))
    folder.chmod(0o777)
    path = folder / "p.rbcal"
    with Project.create(path, classes=CLASSES) as project:
        add_image(project, 1, annotated=True)
    yield path
    for each in (folder, path):
        each.chmod(0o777)
    shutil.rmtree(folder)


def refuse(act):
    """Do an act that must end with a sentence."""
    with pytest.raises(ProjectError, match=r"read-only|cannot be written|cannot be opened|cannot be created"):
        act()


def try_everything(path):
    def change():
        with Project.open(path) as project:
            edit(project)

    refuse(change)
    refuse(lambda: backups.create(path, backups.ASKED) if not os.access(path.parent, os.W_OK) else change())
    refuse(lambda: write_a_checkpoint(path))


@pytest.mark.skipif(sys.platform == "win32", reason="users of POSIX")
@pytest.mark.parametrize("what", ["file", "folder", "both"])
def test_where_nobody_may_write_a_sentence_says_so_and_nothing_changes(shelf, what):
    content = shelf.read_bytes()
    shelf.chmod(0o666 if what == "folder" else 0o444)
    shelf.parent.chmod(0o777 if what == "file" else 0o555)
    assert disks.as_nobody(lambda: try_everything(shelf)) == 0
    assert shelf.read_bytes() == content
    shelf.parent.chmod(0o777)
    shelf.chmod(0o666)
    with Project.open(shelf) as project:
        edit(project)
    assert verify(shelf).ok


@pytest.mark.skipif(sys.platform == "win32", reason="users of POSIX")
def test_a_project_on_a_read_only_disk_can_be_verified_and_copied(shelf, tmp_path):
    shelf.chmod(0o444)
    shelf.parent.chmod(0o555)
    tmp_path.chmod(0o777)

    def check_it():
        assert verify(shelf).ok

    assert disks.as_nobody(check_it) == 0
