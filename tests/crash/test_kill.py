"""Kill -9 at seeded moments: every acknowledged act is there, and the file is whole and goes on."""

from __future__ import annotations

import json
import shutil
from unittest.mock import patch

import pytest

from rbcal.errors import RbcalError
from rbcal.formats import coco, files
from rbcal.interchange.import_images import import_images
from rbcal.store import backups
from rbcal.store.database import Database
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import add_image, write_coco
from tests.crash import app, older, scenes, workers
from tests.crash.kill import LostError, Program, Tally, repeat

SHORT = {
    scenes.Editing: 3,
    scenes.ReviewPage: 2,
    scenes.Importing: 2,
    scenes.Migrating: 3,
    scenes.Restoring: 2,
    scenes.Thinning: 1,
    scenes.Merging: 1,
    scenes.Exporting: 1,
}
LONG = [*scenes.QUICK, *workers.WORKERS]


def run(kind, kills, folder, seed=1):
    scene = kind(folder)
    return repeat(scene, range(kills), seed, Tally(scene.name))


@pytest.mark.parametrize(("kind", "kills"), SHORT.items(), ids=lambda each: getattr(each, "name", str(each)))
def test_a_kill_loses_nothing_that_was_acknowledged(kind, kills, tmp_path):
    tally = run(kind, kills, tmp_path)
    assert (tally.losses, tally.unsound, tally.kills) == ([], [], kills)


@pytest.mark.crash
@pytest.mark.parametrize("kind", LONG, ids=lambda each: each.name)
def test_many_kills_lose_nothing_that_was_acknowledged(kind, tmp_path):
    tally = run(kind, 40 if kind in scenes.QUICK else 8, tmp_path)
    assert (tally.losses, tally.unsound) == ([], [])


@pytest.mark.browser
@pytest.mark.crash
def test_a_killed_app_comes_back_with_its_boxes_undo_and_redo(tmp_path):
    if not any(map(shutil.which, app.BROWSERS)):
        pytest.skip("needs Chromium")
    tally = run(app.Server, 2, tmp_path)
    assert (tally.losses, tally.unsound) == ([], [])


# killed, and begun again


def test_a_demo_that_was_killed_was_never_there_and_is_made_by_the_next_try(tmp_path):
    path = tmp_path / "demo.rbcal"
    Program("demo_maker", path).kill_at(4)
    assert not path.exists()
    program = Program("demo_maker", path)
    program.ready()
    program.finish()
    with Project.open(path) as project:
        assert (project.images.counts().images, project.images.counts().annotated_images) == (8, 2)
    assert verify(path).ok


def test_an_import_that_was_killed_and_is_run_again_comes_to_the_very_same(tmp_path):
    options = {"seed_images": 6, "test_fraction": 0.25, "seed": 3}
    labels = write_coco(tmp_path / "source", 20)
    drawn = []
    for name in ("killed", "whole"):
        path = tmp_path / f"{name}.rbcal"
        Project.create(path).close()
        if name == "killed":
            Program("importer", path, labels.parent, json.dumps(options)).kill_at(7)
            with Project.open(path) as project:
                assert 7 <= project.images.counts().images < 20
        source = files.folder(labels.parent / "images")
        with Project.open(path) as project:
            import_images(project, source, annotations=coco.read(labels.read_bytes()), **options)
            images = {image.name: image for image in project.images.all()}
            drawn.append({key: (each.split, each.n_cells, each.group) for key, each in images.items()})
    assert drawn[0] == drawn[1]
    assert len(drawn[0]) == 20


# the harness itself: it would see what it looks for


def test_the_harness_sees_an_act_that_was_acknowledged_before_it_was_committed(project):
    image_id, _ = add_image(project, 1)
    acknowledged = {"image": image_id, "version": 1, "kind": "begin", "boxes": {}}
    with pytest.raises(LostError, match="1 acknowledged acts are gone"):
        scenes.expect_acts(project.path, [acknowledged])


def test_the_harness_sees_boxes_that_are_not_those_acknowledged(project):
    image_id, _ = add_image(project, 1)
    project.log.record(image_id, "begin", {}, version=0)
    other = {"0": [1.0, 2.0, 3.0, 4.0, 0, None]}
    with pytest.raises(LostError, match="differs"):
        scenes.expect_acts(project.path, [{"image": image_id, "version": 1, "boxes": other}])


def test_the_harness_sees_a_migration_without_a_backup(tmp_path):
    with patch.object(backups, "create"):
        scene = scenes.Migrating(tmp_path)
        scene.span = 0  # killed before it begins, so that the look afterwards upgrades it
        tally = repeat(scene, range(1), 0, Tally("migration"))
    assert "there is no backup" in tally.unsound[0]


def test_the_harness_sees_a_file_between_two_formats(tmp_path):
    template = tmp_path / "old.rbcal"
    older.plant_older(template, n_images=2)
    older.stop_half_way(template)
    with older.next_format(), pytest.raises(RbcalError, match="its tables are not those"):
        scenes.check(template)


@pytest.mark.parametrize("pragma", ["journal_mode = wal", "synchronous = 2"])
def test_saved_means_on_disk_on_every_connection_that_an_act_opens(project, pragma):
    name, _, wanted = pragma.partition(" = ")
    opened = []
    whole = Database.__init__

    def note(self, path):
        whole(self, path)
        opened.append(str(self.value(f"PRAGMA {name}")))

    with patch.object(Database, "__init__", note):
        for seed in range(3):
            with Project.open(project.path) as each:
                add_image(each, seed)
    assert opened == [wanted] * 3
