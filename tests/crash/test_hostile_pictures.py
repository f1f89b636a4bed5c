"""Pictures and archives that mean harm: imported or named, and nothing else happens."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from rbcal import synth
from rbcal.formats import files, pictures
from rbcal.interchange.import_images import import_images
from rbcal.store.verification import verify


def png(width, height):
    file = io.BytesIO()
    Image.fromarray(np.full((height, width), 120, np.uint8)).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(("width", "height"), [(1, 100_000), (100_000, 1), (1, 1)])
def test_a_picture_as_thin_as_a_line_is_imported_and_shown_or_named(project, width, height):
    report = import_images(project, {"line.png": lambda: png(width, height)})
    assert report.added + len(report.complaints) == 1
    for image in project.images.all():
        assert (image.width, image.height) == (width, height)
        assert pictures.display(project.images.content(image.id), "")
    assert verify(project.path).ok


def test_an_archive_that_climbs_out_of_its_folder_writes_nothing(project, tmp_path):
    picture = synth.encode(synth.draw(1, width=80, height=60, n_cells=2)[0])
    archive = tmp_path / "evil.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for name in ("../up.png", "/abs.png", "a/../../b.png", "C:\\win.png"):
            opened.writestr(name, picture + name.encode())
    before = sorted(tmp_path.rglob("*")), sorted(tmp_path.parent.glob("*"))
    import_images(project, files.located(archive))
    after = sorted(tmp_path.rglob("*")), sorted(tmp_path.parent.glob("*"))
    aside = {project.path.with_name(project.path.name + side) for side in ("-wal", "-shm")}
    assert (set(after[0]) - aside, after[1]) == (set(before[0]) - aside, before[1])
    assert not any(".." in image.name or image.name.startswith("/") for image in project.images.all())
