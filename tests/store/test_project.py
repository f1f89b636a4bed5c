"""A project file: what it promises when it is opened and written."""

from __future__ import annotations

import subprocess
import sys

import pytest

from rbcal.errors import ProjectError
from rbcal.jobs.restore import restore
from rbcal.store import backups, migrations
from rbcal.store.database import Database
from rbcal.store.migrations import APPLICATION_ID, MIGRATIONS, USER_VERSION
from rbcal.store.project import Project, check, project_path
from rbcal.store.verification import verify
from rbcal.types import Annotations
from tests.conftest import add_image
from tests.crash import older
from tests.store.conftest import save_as_older_rbcal


def test_saved_means_on_disk_on_every_connection(project):
    with Project.open(project.path) as second:
        for database in (project._database, second._database):
            assert database.value("PRAGMA journal_mode") == "wal"
            assert database.value("PRAGMA synchronous") == 2  # FULL
            assert database.value("PRAGMA foreign_keys") == 1


def test_the_file_says_what_it_is(project):
    project.close()
    header = project.path.read_bytes()[:100]
    assert int.from_bytes(header[68:72], "big") == APPLICATION_ID
    assert int.from_bytes(header[60:64], "big") == USER_VERSION == len(MIGRATIONS._migrations)


@pytest.mark.parametrize("content", [b"", b"not a database", b"SQLite format 3\0" + bytes(84)])
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_was(tmp_path, content):
    path = tmp_path / "other.rbcal"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"not an rbcal project. It was left as it is"):
        Project.open(path)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_newer_file_is_refused(project):
    project._database.write(f"PRAGMA user_version = {USER_VERSION + 1}")
    with pytest.raises(ProjectError, match="newer rbcal"):
        Project.open(project.path)


def test_the_error_of_a_missing_file_names_the_command_that_creates_it(tmp_path):
    with pytest.raises(ProjectError, match="rbcal init"):
        Project.open(tmp_path / "none.rbcal")


def test_an_existing_file_is_never_created_over(project):
    with pytest.raises(ProjectError, match="exists already"):
        Project.create(project.path)
    assert project.classes.names() == ("disc", "slit", "spiky")


def test_a_creation_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(ProjectError, match="1 to 300 characters"):
        Project.create(tmp_path / "p.rbcal", classes=["x" * 301])
    assert not (tmp_path / "p.rbcal").exists()


def test_a_log_that_a_deleted_project_left_is_not_played_back_into_what_takes_its_place(tmp_path):
    path, log = tmp_path / "p.rbcal", tmp_path / "p.rbcal-wal"
    with Project.create(path) as project:
        project.sign("Ann")
        left = log.read_bytes()
        project.sign("Bob")
    kept = backups.create(path, backups.ASKED)
    path.unlink()
    log.write_bytes(left)
    restore(path, kept)
    with Project.open(path) as project:
        assert project.expert == "Bob"
    path.unlink()
    log.write_bytes(left)
    with pytest.raises(ProjectError, match="wal has its last work"):
        Project.create(path)  # it may be of a project that was moved, and is still wanted


def test_a_transaction_happens_whole_or_not_at_all(project):
    def two_acts() -> None:
        with project.transaction():
            project.classes.add(["fourth"])
            project.classes.set_rare(["nose"])

    with pytest.raises(ProjectError, match="nose"):
        two_acts()
    assert "fourth" not in project.classes.names()


def test_a_read_only_file_is_said_so(project):
    project._database.sqlite_utils.conn.execute("PRAGMA query_only = ON")
    with pytest.raises(ProjectError, match="read-only"):
        project.classes.add(["fourth"])


def test_an_unknown_sqlite_error_is_not_hidden(tmp_path):
    (tmp_path / "x.db").touch()
    database = Database(tmp_path / "x.db")
    with pytest.raises(ProjectError, match=r"no such table: nowhere.* rbcal verify"):
        database.rows("SELECT * FROM nowhere")
    database.close()


def test_a_name_alone_means_the_projects_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    assert project_path("slides") == tmp_path / "slides.rbcal"
    assert project_path("v1.2") == tmp_path / "v1.2.rbcal"
    assert project_path("here/slides").as_posix() == "here/slides.rbcal"
    assert project_path("slides.rbcal").as_posix() == "slides.rbcal"


def test_opening_a_project_twice_keeps_the_locks_of_the_first_connection(project):
    project.classes.add(["fourth"])
    log = project.path.with_name(project.path.name + "-wal")
    before = log.stat().st_ino
    Project.open(project.path).close()
    program = "import sys, pathlib; from rbcal.store.project import Project; "
    program += (
        "project = Project.open(pathlib.Path(sys.argv[1])); print(*project.classes.names()); project.close()"
    )
    command = [sys.executable, "-c", program, str(project.path)]
    subprocess.run(command, check=True)  # a process that leaves must not take the log with it
    assert log.stat().st_ino == before
    project.classes.add(["fifth"])
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert listed.split() == ["disc", "slit", "spiky", "fourth", "fifth"]


def test_a_project_of_an_older_format_is_backed_up_and_brought_up_to_date_with_all_that_was_in_it(tmp_path):
    path = tmp_path / "old.rbcal"
    planted = older.plant_older(path, n_images=4)
    with older.next_format():
        planted.expect_in(path)
        planted.expect_in(path)
        assert verify(path).ok
        [kept] = backups.listing(path)
        assert (kept.why, check(kept.path).user_version) == (f"before-format-{older.NEW}", older.OLD)
    planted.expect_in(kept.path)  # an upgrade can be undone


def test_a_project_of_format_2_keeps_its_open_boxes_and_asks_of_them(tmp_path, monkeypatch):
    second, path = migrations.Migrations("rbcal"), tmp_path / "old.rbcal"
    second._migrations = migrations.MIGRATIONS._migrations[:2]
    with monkeypatch.context() as earlier:
        earlier.setattr(migrations, "MIGRATIONS", second)
        earlier.setattr(migrations, "USER_VERSION", 2)
        with Project.create(path, classes=["disc"]) as project:
            image_id, _ = add_image(project, 1)
            two = Annotations([[1, 1, 9, 9], [11, 1, 19, 9]], [0, 0])
            save_as_older_rbcal(project, image_id, two, "expert", ["open", "kept"])
    with Project.open(path) as project:
        assert project.ask_unread
        assert (project.images.get(image_id).n_cells, project.images.get(image_id).n_unread) == (1, 1)
        project.ask_of_unread(ask=False)
        assert not project.ask_unread
        kept = project.log.boxes(image_id)
        unsure = {number: box._replace(review_status="unsure", note="why?") for number, box in kept.items()}
        project.reviews.save_boxes(image_id, unsure, origin="expert", version=project.log.version(image_id))
        assert project.log.acts(image_id)[0].events[0].after.review_status == "open"
        assert project.images.get(image_id).n_unsure == 2
    assert verify(path).ok


def test_an_upgraded_project_is_refused_by_the_older_rbcal_and_left_as_it_was(tmp_path):
    path = tmp_path / "old.rbcal"
    planted = older.plant_older(path, n_images=2)
    with older.next_format():
        planted.expect_in(path)
    content = path.read_bytes()
    with pytest.raises(ProjectError, match=f"newer rbcal: format {older.NEW}, not {older.OLD}"):
        Project.open(path)
    assert path.read_bytes() == content


def test_an_upgrade_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "old.rbcal"
    planted = older.plant_older(path, n_images=2)
    content = path.read_bytes()

    def break_off(db):
        older.migrate(db)
        raise ValueError("at its end")

    with older.next_format():
        migrations.schema_of_version(older.NEW)
        monkeypatch.setattr(migrations.MIGRATIONS._migrations[-1], "fn", break_off)
        with pytest.raises(ValueError, match="at its end"):
            Project.open(path)
        assert check(path).user_version == older.OLD
        assert path.read_bytes() == content
    planted.expect_in(path)


def test_a_project_is_known_by_its_name_however_a_mac_spelt_it(monkeypatch, tmp_path):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path))
    Project.create(tmp_path / "blu\u0308te.rbcal").close()
    (tmp_path / "bl\u00fcte.rbcal").rename(tmp_path / "blu\u0308te.rbcal")  # as a Mac would have called it
    assert project_path("bl\u00fcte") == tmp_path / "blu\u0308te.rbcal"
    with pytest.raises(ProjectError, match="exists already"):
        Project.create(tmp_path / "bl\u00fcte.rbcal")
    with Project.open(project_path("bl\u00fcte")) as project:
        assert project.name == "bl\u00fcte"


def test_a_name_is_limited_in_bytes_so_that_its_backups_can_be_written(tmp_path):
    with pytest.raises(ProjectError, match="at most 150 bytes, but this one has 152"):
        Project.create(tmp_path / ("\u00e9" * 76 + ".rbcal"))
    path = tmp_path / ("\u00e9" * 75 + ".rbcal")
    Project.create(path).close()
    kept = backups.create(path, "before-training")
    restore(path, kept)
    assert len(backups.listing(path)) == 2
