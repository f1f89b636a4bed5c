"""The command line, as a script would use it."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import sys
from functools import partial
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rbcal import synth
from rbcal.cli import app
from rbcal.config import TrainConfig
from rbcal.errors import JobCancelledError
from rbcal.jobs import worker
from rbcal.store.job_requests import TrainJob
from rbcal.store.project import Project
from rbcal.wording import print_traceback
from tests.conftest import write_coco
from tests.interchange.test_synthetic_dataset import small  # noqa: F401  a fixture

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture
def rbcal(tmp_path, monkeypatch):
    """Run a command on a project in a folder of its own; return what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, code=0):
        result = CliRunner().invoke(app, [str(argument) for argument in arguments])
        assert result.exit_code == code, result.output
        return result

    return run


@pytest.fixture
def few_crops(monkeypatch):
    """Let the second look of a training by command learn from four cells a step."""
    monkeypatch.setattr("rbcal.cli.models.TrainConfig", partial(TrainConfig, crops=4))


def document(result):
    return json.loads(result.stdout)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
def test_a_test_set_that_is_refused_says_which_options_there_are(rbcal, tmp_path):
    slides = write_coco(tmp_path / "data")
    rbcal("init", "p.rbcal")
    arguments = ("--coco", slides, "--images", slides.parent / "images", "--test-fraction", 0.25)
    content = json.loads(slides.read_text())
    slides.write_text(
        json.dumps(content | {"images": [{**each, "group": "1"} for each in content["images"]]})
    )
    said = rbcal("import", "p.rbcal", *arguments, code=1).stderr
    assert "at least 2 new groups" in said
    assert "--ungrouped, --no-declared-test and --test-fraction" in said


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
@pytest.mark.usefixtures("few_crops")
def test_the_loop_by_commands(rbcal, tmp_path, monkeypatch, capsys):
    slides = write_coco(tmp_path / "data")
    rbcal("init", "p.rbcal", "--rare", "spiky")
    done = rbcal(
        *("import", "p.rbcal", "--coco", slides, "--images", slides.parent / "images", "--json"),
        *("--seed-images", 3, "--test-fraction", 0.25),
    )
    assert (document(done)["seed_images"], document(done)["test_images"]) == (3, 2)
    trained = document(rbcal("train", "p.rbcal", "--steps", 3, "--init", "random", "--json"))
    assert trained["model"] == 1
    scored = rbcal("score", "p.rbcal", "--passes", 3, "--strategy", "relevance", "--json")
    assert document(scored)["images"] == 3
    queue = document(rbcal("queue", "p.rbcal", "--json"))
    relevance = [image["relevance"] for image in queue["images"]]
    with Project.open(tmp_path / "p.rbcal") as project:
        for label, name in enumerate(project.classes.names()):
            filtered = {image_id for image_id, _ in project.queue.order(label)}
            assert filtered == {
                image["image_id"] for image in queue["images"] if name in image["likely_cells"]
            }
    assert relevance == sorted(relevance, reverse=True)
    assert "in the order of random" in rbcal("rank", "p.rbcal", "--strategy", "random").stdout
    again = document(rbcal("queue", "p.rbcal", "--json"))
    assert (queue["strategy"], again["strategy"]) == ("relevance", "random")
    assert {image["why"] for image in again["images"]} <= {"at random", "nothing found"}
    assert [image["rank"] for image in queue["images"]] == [1, 2, 3]
    figures = document(rbcal("evaluate", "p.rbcal", "--json"))
    assert figures == trained["evaluation"] | {"model": 1, "synthetic": False} | {
        key: figures[key] for key in ("annotated_images", "annotated_cells")
    }
    f1 = [each["f1"] for each in figures["classes"] if each["test_cells"]]
    assert figures["macro_f1"] == sum(f1) / len(f1)
    assert [each["recall"] is None for each in figures["classes"]] == [
        each["test_cells"] == 0 for each in figures["classes"]
    ]
    for each in figures["classes"]:
        assert each["few"] == (0 < each["test_cells"] < 20) == (each["interval"] is not None)
    [spiky] = [each for each in figures["classes"] if each["name"] == "spiky"]
    low, high = spiky["interval"]["ap_50"]
    assert 0 <= low <= spiky["ap_50"] <= high <= 1
    assert figures["rare_ap_rests_on_few_cells"]
    status = document(rbcal("status", "p.rbcal", "--json"))
    assert (status["pool_images"], status["test_images"], status["job"]["state"]) == (3, 2, "done")
    assert [each["rare"] for each in status["classes"]] == [True, False, False]
    for command in ("queue", "status", "evaluate", "models"):
        assert rbcal(command, "p.rbcal").stdout
    said = rbcal("evaluate", "p.rbcal").stdout
    assert "AP@0.5  recall  precision     F1" in said
    assert "rare-class AP@0.5  cannot be told yet" in said
    assert f"95 % within: AP {low:.2f}–{high:.2f}, recall" in said

    again = document(rbcal("train", "p.rbcal", "--steps", 1, "--json"))
    assert (again["model"], again["config"]["init"]) == (2, "serving")
    assert rbcal("serve", "p.rbcal", 1).stdout.startswith("Model 1 is in use now")
    listed = document(rbcal("models", "p.rbcal", "--json"))["models"]
    assert [(each["model"], each["serving"], each["started_from"]) for each in listed] == [
        (1, True, "random"),
        (2, False, "model 1"),
    ]
    assert [each["same_cells_as"] for each in listed] == [None, 1]
    assert "same cells as model 1" in rbcal("models", "p.rbcal").stdout

    exported = document(rbcal("export", "p.rbcal", "out", "--onnx", "--json"))
    assert (tmp_path / "out" / "model.onnx").stat().st_size > 10**6
    assert exported["onnx"]["width"] == round(160 * exported["onnx"]["scale"])
    assert exported["sha256"] == listed[0]["sha256"]
    assert "exists already" in rbcal("export", "p.rbcal", "out", code=1).stderr
    picture = next((slides.parent / "images").iterdir())
    monkeypatch.setattr(sys, "argv", ["use_model.py", str(tmp_path / "out"), str(picture)])
    capsys.readouterr()
    runpy.run_path(str(DOCS / "use_model.py"))  # tests/test_public_face.py starts a process of it
    found = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in ("disc", "slit", "spiky") for line in found)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
@pytest.mark.usefixtures("few_crops")
def test_a_training_that_was_interrupted_is_resumed_by_command(rbcal, tmp_path, monkeypatch):
    slides = write_coco(tmp_path / "data", 2)
    rbcal("init", "p.rbcal")
    rbcal("import", "p.rbcal", "--coco", slides, "--images", slides.parent / "images")
    options = ("train", "p.rbcal", "--steps", 4, "--init", "random", "--json")
    whole = document(rbcal(*options))
    advance = worker.ProgressReporter.advance

    def cancel(self, step, loss=None):
        advance(self, step, loss)
        if loss is not None and step == 2:
            raise JobCancelledError("The user had enough.")

    monkeypatch.setattr(worker.ProgressReporter, "advance", cancel)
    assert "cancelled at step 2 of 4. It can be resumed." in rbcal(*options, code=1).stderr
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    assert document(rbcal("train", "p.rbcal", "--resume", "--json"))["model"] == whole["model"] + 1
    with Project.open(tmp_path / "p.rbcal") as project:
        first, second = project.models.all()
        assert first.sha256 == second.sha256
        assert [step for step, _ in project.jobs.losses(project.jobs.last().id)] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("options", "classes", "rare"),
    [
        (["--preset", "rbc7"], ["S.D", "S.N", "D", "E.1", "E.2", "E.3", "E.F"], ["S.D", "E.F"]),
        (["--preset", "rbc7", "--rare", "D"], ["S.D", "S.N", "D", "E.1", "E.2", "E.3", "E.F"], ["D"]),
        (["--classes", "a, b,c", "--rare", "b"], ["a", "b", "c"], ["b"]),
        ([], [], []),
    ],
)
def test_classes_at_init(rbcal, options, classes, rare):
    rbcal("init", "p.rbcal", *options)
    found = document(rbcal("status", "p.rbcal", "--json"))["classes"]
    assert [each["name"] for each in found] == classes
    assert [each["name"] for each in found if each["rare"]] == rare


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_annotations_leave_one_project_and_reach_another_by_command(rbcal, tmp_path, format_):
    slides = write_coco(tmp_path / "data", 4)
    rbcal("init", "p.rbcal")
    rbcal("import", "p.rbcal", "--labels", slides, "--images", slides.parent / "images", "--seed-images", 3)
    done = document(rbcal("export", "p.rbcal", "out", "--format", format_, "--unreviewed", "--json"))
    assert (done["images"], done["format"]) == (4, format_)
    assert "exists already" in rbcal("export", "p.rbcal", "out", "--format", format_, code=1).stderr
    rbcal("export", "p.rbcal", "out", "--format", format_, "--unreviewed", "--overwrite")
    packed = shutil.make_archive("packed", "zip", "out")
    rbcal("init", "other.rbcal")
    document(rbcal("import", "other.rbcal", "--images", packed, "--labels", packed, "--json"))
    before, after = (document(rbcal("status", name, "--json")) for name in ("p.rbcal", "other.rbcal"))
    for figure in ("images", "annotated_images", "annotated_cells", "pool_images", "groups"):
        assert before[figure] == after[figure] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["init", "p.rbcal", "--preset", "rbc8"], 2, "--preset rbc7"),
        (["init", "p.rbcal", "--classes", "a", "--rare", "b"], 2, "'b', which is not one of the classes"),
        (["init", "there.rbcal"], 1, "exists already"),
        (["train", "there.rbcal", "--steps", "0"], 2, "--steps"),
        (["train", "there.rbcal", "--backbone", "resnet"], 2, "--backbone"),
        (["train", "there.rbcal"], 1, "Training needs at least 1 annotated cell"),
        (["train", "there.rbcal", "--resume"], 1, "no training to resume"),
        (["train", "there.rbcal", "--seed", "-1"], 2, "--seed"),
        (["serve", "there.rbcal", "3"], 1, "no model 3"),
        (["export", "there.rbcal", "folder"], 1, "no model yet"),
        (["export", "there.rbcal", "folder", "--format", "predictions-csv"], 1, "no predictions yet"),
        (["export", "there.rbcal", "folder", "--format", "coco", "--onnx"], 2, "go with --format model"),
        (["export", "there.rbcal", ".", "--format", "yolo"], 1, "exists already"),
        (["export", "there.rbcal", "folder", "--format", "pdf"], 2, "--format"),
        (["models", "none.rbcal"], 1, "There is no project"),
        (["bench", "--passes", "1"], 2, "--passes"),
        (["predict", "none", ".", "found", "--passes", "1"], 2, "0, or at least 2"),
        (["score", "there.rbcal"], 1, "no model yet"),
        (["score", "there.rbcal", "--passes", "1"], 2, "--passes"),
        (["evaluate", "there.rbcal"], 1, "no model yet"),
        (["queue", "none.rbcal"], 1, "There is no project"),
        (["import", "there.rbcal", "--images", "none"], 2, "--images"),
        (["import", "there.rbcal", "--images", "."], 1, "no picture to import"),
        (["import", "there.rbcal", "--images", ".", "--coco", "bad.json"], 1, "not JSON"),
        (["import", "there.rbcal", "--images", ".", "--labels", "bad.json"], 1, "not JSON"),
        (
            ["import", "there.rbcal", "--images", ".", "--labels", ".", "--format", "voc"],
            1,
            "no Pascal VOC file",
        ),
        (["import", "there.rbcal", "--images", "bad.zip"], 1, "not a zip file"),
        (["import", "there.rbcal", "--images", ".", "--labels", ".", "--coco", "bad.json"], 2, "not both"),
        (["report", "there.rbcal", "there.rbcal"], 2, "A report is called NAME.html"),
        (["report", "there.rbcal", "nowhere/out.html"], 1, "cannot be written"),
        (["nonsense"], 2, "nonsense"),
    ],
)
def test_a_wrong_input_ends_with_one_sentence(rbcal, tmp_path, arguments, code, message):
    rbcal("init", "there.rbcal")
    for name in ("bad.json", "bad.zip"):
        (tmp_path / name).write_text("{")
    result = rbcal(*arguments, code=code)
    assert message in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_a_report_is_written_by_command(rbcal, tmp_path):
    slides = write_coco(tmp_path / "data")
    rbcal("init", "p.rbcal")
    rbcal(
        "import", "p.rbcal", "--coco", slides, "--images", slides.parent / "images", "--test-fraction", 0.25
    )
    assert "print it" in rbcal("report", "p.rbcal", "out.html").stdout
    text = (tmp_path / "out.html").read_text()
    assert text.count("<h1>p</h1>") == 1
    (tmp_path / "out.html").write_text("of last week")
    assert "--overwrite" in rbcal("report", "p.rbcal", "out.html", code=1).stderr
    assert (tmp_path / "out.html").read_text() == "of last week"
    said = document(rbcal("report", "p.rbcal", "out.html", "--overwrite", "--json"))
    assert said["bytes"] == (tmp_path / "out.html").stat().st_size
    assert not list(tmp_path.glob("*part*"))


def test_a_failed_command_leaves_no_job_behind(rbcal):
    rbcal("init", "p.rbcal")
    rbcal("train", "p.rbcal", code=1)
    job = document(rbcal("status", "p.rbcal", "--json"))["job"]
    assert (job["state"], job["reason"][:8]) == ("failed", "Training")


RACE = ("--strategies", "random,balanced", "--repeats", 1, "--rounds", 1, "--seed-images", 2, "--steps", 2)
RACE += ("--seed-steps", 2, "--query", "8cells", "--processes", 1)


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
def test_strategies_race_on_annotated_images_by_one_command(rbcal, tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path / "projects"))
    slides = write_coco(tmp_path / "data", 12)
    source = ("--coco", slides, "--images", slides.parent / "images", "--rare", "spiky")
    plan = document(rbcal("simulate", *source, *RACE, "--plan", "--json"))
    assert (plan["n_arms"], plan["n_rounds"], plan["arms_done"]) == (2, 2, 0)
    race = document(rbcal("simulate", *source, *RACE, "--json"))
    assert [(point["strategy"], point["round"]) for point in race["points"]] == [
        ("balanced", 0),
        ("balanced", 1),
        ("random", 0),
        ("random", 1),
    ]
    assert "2 are done" in rbcal("simulate", *source, *RACE, "--plan").stdout
    table = rbcal("simulate", race["project"], *RACE).stdout  # nothing is left to do
    assert "random" in table
    assert "Precision_all" in table


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
def test_cells_race_against_images_and_a_control(rbcal, tmp_path, monkeypatch):
    monkeypatch.setenv("RBCAL_PROJECTS", str(tmp_path / "projects"))
    slides = write_coco(tmp_path / "data", 12)
    source = ("--coco", slides, "--images", slides.parent / "images", *RACE)
    settings = ("--cell-seconds", "2,0.5,3", "--error-rate", 0.1, "--live-every", 4)
    race = document(
        rbcal(
            "simulate", *source, "--strategies", "cells_random,none", *settings, "--no-second-look", "--json"
        )
    )
    config = race["config"]
    assert (config["second_look"], config["error_rate"], config["live_every"]) == (False, 0.1, 4)
    assert config["cell_costs"] == [2.0, 0.5, 3.0]
    assert {point["strategy"] for point in race["points"]} == {"cells_random", "none"}
    assert "three numbers" in rbcal("simulate", "p", "--cell-seconds", "2,1", code=2).output
    assert "--query 200cells" in (
        rbcal("simulate", *source, "--strategies", "cells_random", "--query", "2images", code=1).output
    )


def test_a_race_needs_one_source_and_a_query_that_can_be_read(rbcal, tmp_path):
    assert "give a PROJECT, or --coco" in rbcal("simulate", code=2).output
    assert "give a PROJECT, or --coco" in rbcal("simulate", "p", "--coco", __file__, code=2).output
    assert "number of cells or images" in rbcal("simulate", "p", "--query", "many", code=2).output
    assert "no strategy 'luck'" in rbcal("simulate", "p", "--strategies", "luck", code=1).output


def test_every_strategy_is_listed_with_what_it_goes_by(rbcal):
    listed = rbcal("strategies").stdout
    for name in ("balanced", "relevance", "boxal", "balanced_free"):
        assert f"\n{name} " in f"\n{listed}"


@pytest.mark.filterwarnings("ignore::tqdm.TqdmWarning")
def test_the_demo_goes_through_the_loop_and_on(rbcal, small, tmp_path):  # noqa: F811
    quick = ("--rounds", 1, "--cells", 1, "--steps", 2)
    first = rbcal("demo", "d.rbcal", *quick)
    assert "Synthetic slides, simulated expert" in first.stdout
    again = document(rbcal("demo", "d.rbcal", *quick, "--json"))
    curve = again["curve"]
    assert again["synthetic"]
    assert len(curve) == 3  # two of the first time
    assert [row["Annotated cells"] for row in curve] == sorted({row["Annotated cells"] for row in curve})
    minutes = [row["Expert minutes"] for row in curve]
    assert minutes == sorted(minutes)
    assert (minutes[0], minutes[-1] > minutes[1] > 0) == (0, True)
    with Project.open(tmp_path / "d.rbcal") as project:
        assert project.images.counts().pool_images == 0
    assert document(rbcal("status", "d.rbcal", "--json"))["synthetic"]
    assert "synthetic images" in rbcal("status", "d.rbcal").stdout
    assert rbcal("models", "d.rbcal").stdout.startswith("Synthetic slides")


def test_synthetic_slides_are_written_as_a_data_set_that_a_race_can_use(rbcal, tmp_path, monkeypatch):
    assert document(rbcal("synth", "out", "--images", 2, "--seed", 5, "--json"))["synthetic"]
    assert sorted(path.name for path in (tmp_path / "out" / "images").iterdir()) == [
        "synthetic_5_0001.jpg",
        "synthetic_5_0002.jpg",
    ]
    assert "exists already" in rbcal("synth", "out", code=1).stderr


HOSTILE = "a\x1b]0;mine\x07\x1b[2J\x9b31m\u202egpj\nError: b\r"


def is_harmless(text):
    return all(each.isprintable() or each == "\n" for each in text)


@pytest.fixture
def hostile(tmp_path):
    """A project whose every name is a trap for a terminal."""
    with Project.create(tmp_path / "p.rbcal", classes=[f"{HOSTILE}{k}" for k in range(3)]) as project:
        project.sign(HOSTILE)
        pixels, cells = synth.draw(1, width=96, height=96, n_cells=3)
        size = {"width": 96, "height": 96}
        for k, group in enumerate((HOSTILE, "other")):
            content = synth.encode(pixels) + bytes(k)
            image_id = project.images.add(content, name=f"{HOSTILE}{k}", group=group, split="work", **size)
        project.reviews.save(image_id, cells, origin="expert", base_revision=0)
        project._database.write("UPDATE image_content SET content = x'00' WHERE image_id = 1")
        job_id = project.jobs.add(TrainJob(TrainConfig()))
        project.jobs.log(job_id, HOSTILE)
        project.jobs.end(job_id, "failed", HOSTILE)
        project._database.write("UPDATE project SET name = ?", (HOSTILE,))  # last: no program does it
    return tmp_path / "p.rbcal"


@pytest.mark.parametrize(
    ("words", "code", "shown"),
    [
        (("status",), 0, "a\\x1b]0;mine\\x07"),
        (("queue",), 0, "\\u202egpj\\nError: b"),
        (("log", 2), 0, "\\x9b31m"),
        (("versions", 2), 0, "by a\\x1b"),
        (("verify",), 1, "image 1 (a\\x1b"),
        (("export", "--format", HOSTILE, "out"), 2, "\\x1b"),
        (("log", HOSTILE), 1, "\\x1b"),
    ],
)
def test_no_name_reaches_a_terminal_as_more_than_letters(rbcal, hostile, words, code, shown):
    result = rbcal(words[0], hostile, *words[1:], code=code)
    assert is_harmless(result.output)
    assert shown in result.output


@pytest.mark.parametrize(
    "words",
    [
        (f"--{HOSTILE}",),
        (HOSTILE,),
        ("status", f"--{HOSTILE}"),
        ("status", "p", HOSTILE),
        ("status", "p", f"--json={HOSTILE}"),
        ("export", "p", f"--format={HOSTILE}", "out"),
        ("import", "p", "--images", HOSTILE),
    ],
)
def test_a_wrong_argument_is_named_harmlessly(rbcal, words):
    assert is_harmless(rbcal(*words, code=2).output)


def test_a_project_of_a_hostile_name_is_named_harmlessly(rbcal):
    assert is_harmless(rbcal("status", f"{HOSTILE}.rbcal", code=1).output)


def test_an_error_that_is_none_of_ours_is_printed_harmlessly(capsys):
    err = ValueError(HOSTILE)
    print_traceback(ValueError, err, None)
    assert is_harmless(capsys.readouterr().err)


def test_a_log_of_a_job_holds_no_more_than_letters(hostile):
    with Project.open(hostile) as project:
        assert all(is_harmless(line) for line in project.jobs.log_tail(1))


def test_every_command_prints_through_the_one_place_that_makes_it_harmless():
    for file in (Path(__file__).parents[1] / "rbcal/cli").glob("*.py"):
        calls = re.findall(r"(?<!\w)(?:typer\.echo|print)\(\w+", file.read_text("utf-8"))
        assert calls == ["typer.echo(printable", "typer.echo(json"] * (file.name == "base.py"), file
