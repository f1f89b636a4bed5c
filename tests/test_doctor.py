"""What a bug report has: versions, devices, disk, how projects are; and not one name."""

from __future__ import annotations

import getpass
import json
import socket
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rbcal
from rbcal.cli import app
from rbcal.config import TrainConfig
from rbcal.doctor import collect as doctor
from rbcal.doctor.collect import Devices, collect, error_place
from rbcal.doctor.text import as_text
from rbcal.jobs.launcher import worker_lock
from rbcal.store.job_requests import TrainJob
from rbcal.store.project import Project
from tests.conftest import add_image

NAMES = ("Quint", "Wolfram", "Xaverine", "Ottilie", "Zenobia", "Yorick")
CPU = Devices(None, "cpu", None, [{"name": "cpu", "model": "AVX2", "cores": 2}])


ask_torch = doctor._devices


@pytest.fixture(autouse=True)
def _torch_is_not_asked(monkeypatch):
    """Loading torch takes seconds, so most tests bring what it says."""
    monkeypatch.setattr(doctor, "_devices", lambda: CPU)


def plant(path: Path) -> Project:
    """Create a project in which everything that can have a name has one of `NAMES`."""
    project = Project.create(path, classes=["Quint cell", "slit", "spiky"])
    project.sign("Dr. Xaverine")
    image_id, _ = add_image(project, 1, group="Wolfram's slide", annotated=True)
    project._database.write("UPDATE image SET name = 'Ottilie.png' WHERE id = ?", (image_id,))
    job_id = project.jobs.add(TrainJob(TrainConfig(weights="/home/Yorick/vgg.pth")))
    for line in (
        "Kind of error: Xaverine",
        '  File "/home/Yorick/rbcal/jobs/train.py", line 41, in Quint',
        '  File "/home/Yorick/Ottilie.py", line 7, in Wolfram',
    ):
        project.jobs.log(job_id, line)
    project.jobs.end(job_id, "failed", "QuintError: Ottilie.png of Wolfram's slide")
    return project


def fail_in_rbcal():
    """Return an error that names somebody, raised by rbcal."""
    try:
        Project.open(Path("/home/Yorick/Zenobia.rbcal"))
    except rbcal.RbcalError as err:
        return err


def test_nobody_and_nothing_is_named(tmp_path):
    folder = tmp_path / "Yorick's slides"
    folder.mkdir()
    opened = plant(folder / "Zenobia.rbcal")
    opened.close()
    report = collect(folder, opened=opened.path, error=error_place(fail_in_rbcal()))
    text = as_text(report) + json.dumps(asdict(report))
    private = {*NAMES, str(tmp_path), str(Path.home()), getpass.getuser(), socket.gethostname(), "slide's"}
    assert [name for name in private if name.casefold() in text.casefold() and len(name) > 3] == []
    assert "/home" not in text
    assert "1 (open):" in text
    assert "last job: train failed, another error, rbcal.jobs.train:41" in text
    assert "Error     ProjectError < rbcal.store.project:" in text


def test_the_text_has_what_a_bug_report_needs(tmp_path):
    plant(tmp_path / "a.rbcal").close()
    text = as_text(collect(tmp_path))
    for words in (
        f"rbcal     {rbcal.__version__}, a checkout",
        f"Python {'.'.join(map(str, sys.version_info[:3]))} ",
        "auto is cpu; CUDA of torch: none; cpu (AVX2, 2 cores)",
        "the folder of the projects can be written",
        "rows are whole; images 1, test images 0, annotated images 1",
        "Packages  ",
        f"torch {version('torch')}",
    ):
        assert words in text, words


def test_a_damaged_project_is_said_to_be_so_and_the_others_follow(tmp_path):
    (tmp_path / "a.rbcal").write_bytes(b"nonsense")
    damaged = plant(tmp_path / "b.rbcal")
    damaged.close()
    content = damaged.path.read_bytes()
    damaged.path.write_bytes(content[: len(content) // 2])
    plant(tmp_path / "c.rbcal").close()
    first, second, third = (state.health for state in collect(tmp_path).projects)
    assert first.problems == ["ProjectError"]
    assert second.problems
    assert (third.problems, third.counts["images"]) == ([], 1)


def test_a_worker_at_work_is_seen_and_no_lock_is_made_to_ask(tmp_path):
    path = plant(tmp_path / "a.rbcal").path
    assert not collect(tmp_path).projects[0].has_worker
    assert not Path(worker_lock(path).lock_file).exists()
    with worker_lock(path):
        assert collect(tmp_path).projects[0].has_worker


def test_without_a_folder_there_is_a_report_too(tmp_path):
    assert "there is no folder of projects" in as_text(collect(tmp_path / "none"))


def test_a_disk_that_takes_no_file_is_said_to_be_so(tmp_path, monkeypatch):
    def refuse(**_):
        raise OSError("Yorick's disk")

    monkeypatch.setattr(doctor.tempfile, "TemporaryFile", refuse)
    assert "CANNOT be written" in as_text(collect(tmp_path))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Traceback\nImportError: /home/Yorick/libtorch.so", "exit code 1, ImportError"),
        ("Yorick: no", "exit code 1, another error"),
    ],
)
def test_a_torch_that_does_not_load_is_told_by_its_kind_of_error(monkeypatch, said, words):
    monkeypatch.setattr(doctor, "_ASK_TORCH", f"import sys; sys.exit({said!r})")
    assert ask_torch() == Devices(f"torch does not load: {words}")


def test_torch_says_what_it_computes_on():
    devices = ask_torch()
    assert (devices.problem, devices.devices[0]["name"]) == (None, "cpu")


def test_the_command_prints_it(tmp_path):
    plant(tmp_path / "a.rbcal").close()
    arguments = ["doctor", "--projects", str(tmp_path)]
    assert "Projects  1" in CliRunner().invoke(app, arguments).stdout
    document = json.loads(CliRunner().invoke(app, [*arguments, "--json"]).stdout)
    assert document["projects"][0]["health"]["counts"]["images"] == 1
    assert document["devices"]["auto"] == "cpu"


def test_it_loads_no_torch():
    program = "import sys, rbcal.doctor.collect; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_an_error_in_any_page_has_a_place():
    pages = (Path(__file__).parents[1] / "pages").glob("*.py")
    assert set(doctor._PAGES) == {page.name for page in pages}
