"""Saved filters: which cells the expert wants to see, under names."""

from __future__ import annotations

import pytest

from rbcal.errors import DamagedError, ProjectError
from rbcal.store import migrations
from rbcal.store.cell_filters import CellFilter
from rbcal.store.project import Project
from rbcal.store.verification import verify

MACROCYTES = CellFilter("named", 1, "slide 7", by_size="smallest", annotator="Ada", of_test="only")


def test_a_filter_is_saved_under_a_name_and_a_later_one_of_that_name_takes_its_place(project):
    project.cell_filters.save(" small macrocytes ", CellFilter())
    project.cell_filters.save("small macrocytes", MACROCYTES)
    project.cell_filters.save("Ada's", CellFilter(annotator="Ada"))
    with Project.open(project.path) as again:
        assert again.cell_filters.all() == {
            "Ada's": CellFilter(annotator="Ada"),
            "small macrocytes": MACROCYTES,
        }
        again.cell_filters.remove("Ada's")
    assert list(project.cell_filters.all()) == ["small macrocytes"]
    assert verify(project.path).ok


@pytest.mark.parametrize("name", ["", "  ", "x" * 61])
def test_a_filter_has_a_short_name(project, name):
    with pytest.raises(ProjectError, match="1 to 60 characters"):
        project.cell_filters.save(name, MACROCYTES)
    assert project.cell_filters.all() == {}


def test_test_images_are_of_no_kind_that_a_model_chooses():
    assert CellFilter("named", of_test="with").splits == ("work", "test")
    assert CellFilter("unsure", of_test="only").splits == ("test",)
    assert {CellFilter(kind, of_test="only").splits for kind in (None, "doubtful")} == {("work",)}
    assert (MACROCYTES.n_limits, CellFilter("named", by_size="largest").n_limits) == (3, 0)


def test_a_filter_that_nobody_can_read_is_damage(project):
    project.cell_filters.save("named", CellFilter("named"))
    project._database.write("""UPDATE cell_filter SET choice = '{"kind": "read by a cat"}'""")
    with pytest.raises(DamagedError, match="CellFilter"):
        project.cell_filters.all()
    assert not verify(project.path).ok


def test_a_project_of_format_9_has_no_filter_and_takes_one(tmp_path, monkeypatch):
    earlier, path = migrations.Migrations("rbcal"), tmp_path / "old.rbcal"
    earlier._migrations = migrations.MIGRATIONS._migrations[:9]
    with monkeypatch.context() as older:
        older.setattr(migrations, "MIGRATIONS", earlier)
        older.setattr(migrations, "USER_VERSION", 9)
        Project.create(path, classes=["disc"]).close()
    with Project.open(path) as project:
        assert project.cell_filters.all() == {}
        project.cell_filters.save("named", MACROCYTES)
    assert verify(path).ok
