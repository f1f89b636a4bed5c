"""The pages without a browser: what each says first, and what it asks for next."""

from __future__ import annotations

import ast
import io
import json
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace

import pytest

from rbcal import synth
from rbcal.config import ScoringConfig, SimulationConfig, TrainConfig
from rbcal.evaluation.metrics import ClassIntervals, Comparison, Difference, Evaluation
from rbcal.interchange import export_dataset
from rbcal.store.job_requests import RankJob, ResumeJob, ScoreJob, SimulateJob, TrainJob
from rbcal.store.project import Project
from tests.conftest import add_image, write_coco
from tests.ui.conftest import APP


@pytest.mark.parametrize("page", sorted(APP.parent.glob("pages/*.py")), ids=lambda page: page.stem)
def test_a_page_runs_to_its_end(page):
    """Streamlit keeps the fragments of the page before after st.stop(); a late edit then breaks this page."""
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(page.read_text("utf-8")))
        if isinstance(node, ast.Call)
    ]
    assert "st.stop" not in calls


def words(at):
    kinds = (at.title, at.info, at.warning, at.error, at.success, at.markdown, at.caption)
    return " ".join(element.value for kind in kinds for element in kind)


def button(at, label):
    return next(each for each in at.button if each.label == label)


def test_a_newcomer_is_asked_to_create_a_project(app, tmp_path):
    at = app()
    assert "Create a project to begin" in words(at)
    at.text_input(key="new_name").input("anaemia").run()
    button(at, "Create project").click().run()
    assert (tmp_path / "anaemia.rbcal").exists()
    assert "Import images" in words(at)
    assert not at.exception


def test_the_page_that_the_browser_saw_emptied_is_opened_again(app):
    at = app()
    at.text_input(key="new_name").input("anaemia").run()
    button(at, "Create project").click().run()
    at.session_state["emptied"], at.session_state["shown_page"] = True, "Train"
    at.run()
    assert [each.value for each in at.title] == ["Train"]
    at.run()
    assert at.session_state["shown_page"] == "Train"
    assert not at.exception


def test_a_name_that_leads_elsewhere_is_refused(app, tmp_path):
    at = app()
    at.text_input(key="new_name").input("../../evil").run()
    button(at, "Create project").click().run()
    assert "no slash" in words(at)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("page", ["train", "review", "progress"])
def test_every_page_without_a_project_says_where_to_begin(app, page):
    assert "Create or choose a project first" in words(app(page))


def test_the_only_project_opens_by_itself(app, project):
    assert "slides" in words(app())


def test_a_damaged_project_is_named_and_the_app_lives_on(app, tmp_path):
    (tmp_path / "bad.rbcal").write_bytes(b"nonsense")
    assert "bad.rbcal is not an rbcal project" in words(app())


def test_a_part_that_reruns_by_itself_says_in_words_that_the_file_is_damaged(app, project):
    image_id, _ = add_image(project, 1)
    project._database.write("UPDATE image SET layer = CAST(x'ff' AS TEXT) WHERE id = ?", (image_id,))
    assert "The project file is damaged" in words(app())


def test_a_folder_is_imported_from_the_page(app, project, tmp_path):
    coco_file = write_coco(tmp_path / "data")
    at = app()
    folder, boxes = (at.text_input[index] for index in (0, 1))
    folder.input(str(coco_file.parent / "images"))
    boxes.input(str(coco_file))
    at.run()
    button(at, "Import").click().run()
    assert "8 images added" in words(at)
    counts = project.images.counts()
    assert (counts.images, counts.test_images, counts.annotated_images) == (8, 2, 6)


def test_a_folder_with_annotations_in_it_is_recognised_and_its_boxes_are_offered(app, project, tmp_path):
    write_coco(tmp_path / "data")
    at = app()
    at.text_input[0].input(str(tmp_path / "data")).run()
    offer = next(each for each in at.checkbox if each.label.startswith("Take the boxes of"))
    assert "(COCO)" in offer.label
    button(at, "Import").click().run()
    assert project.images.counts().annotated_images == 6


def test_pictures_are_seen_before_and_right_after_they_are_imported(app, project, tmp_path):
    write_coco(tmp_path / "data", 10)
    at = app()
    at.text_input[0].input(str(tmp_path / "data" / "images")).run()
    assert "10 pictures to import" in words(at)
    assert len(at.get("image")[0].proto.imgs) == 8
    button(at, "Import").click().run()
    assert all(project.images.thumbnail(image.id) for image in project.images.all())
    assert "10 images: 0 annotated with 0 cells, 10 waiting, 0 test." in words(at)


def test_images_dropped_first_and_boxes_later_come_together(app, project, tmp_path):
    coco_file = write_coco(tmp_path / "data")
    at = app()
    at.segmented_control[0].set_value("Drag and drop").run()
    names = sorted((tmp_path / "data" / "images").iterdir())
    at.file_uploader[0].set_value([(each.name, each.read_bytes(), "image/png") for each in names]).run()
    button(at, "Import").click().run()
    assert project.images.counts().pool_images == 8
    at.file_uploader[0].set_value([("boxes.json", coco_file.read_bytes(), "application/json")]).run()
    button(at, "Import").click().run()
    counts = project.images.counts()
    assert (counts.annotated_images, counts.test_images) == (6, 2)


def test_a_folder_that_is_not_there_is_named_where_its_path_was_typed(app, project):
    at = app()
    at.text_input[0].input("/nowhere/at/all").run()
    assert "There is no file or folder /nowhere/at/all" in words(at)
    assert at.text_input[0].value == "/nowhere/at/all"


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_a_zip_that_one_project_exported_is_imported_with_its_boxes(app, project, tmp_path, format_):
    (tmp_path / "elsewhere").mkdir()
    with Project.create(tmp_path / "elsewhere" / "other.rbcal", classes=["disc", "slit", "spiky"]) as other:
        for seed, split in ((1, "work"), (2, "test")):
            add_image(other, seed, group=split, split=split, annotated=True)
        export_dataset.export(other, tmp_path / "out", format_)
        cells = other.reviews.cells_per_class()
    packed = shutil.make_archive(str(tmp_path / "packed"), "zip", tmp_path / "out")
    at = app()
    at.text_input[0].input(packed).run()
    button(at, "Import").click().run()
    assert "2 images added" in words(at)
    assert project.reviews.cells_per_class() == cells
    assert project.images.counts().test_images == 1


def test_two_uploads_of_one_name_are_both_imported_and_a_strange_file_is_named(app, project):
    at = app()
    at.segmented_control[0].set_value("Drag and drop").run()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("1.png", synth.encode(synth.draw(2, width=90, height=80, n_cells=2)[0]))
        archive.writestr("notes.txt", "seen on Monday")
    single = synth.encode(synth.draw(1, width=90, height=80, n_cells=2)[0])
    at.file_uploader[0].set_value(
        [("1.png", single, "image/png"), ("p.zip", packed.getvalue(), "application/zip")]
    ).run()
    button(at, "Import").click().run()
    assert "2 images added" in words(at)
    assert "no boxes were taken from the files beside the pictures" in str(at.dataframe[0].value["Note"][0])


@pytest.mark.parametrize("format_", ["coco", "voc", "yolo"])
def test_annotations_are_exported_from_the_page(app, project, tmp_path, format_):
    add_image(project, 1, annotated=True)
    at = app()
    next(each for each in at.selectbox if each.label == "What").select(format_).run()
    at.text_input(key=f"export_{format_}").input(str(tmp_path / "out")).run()
    button(at, "Export").click().run()
    assert "1 image written to" in words(at)
    assert list((tmp_path / "out").rglob("001.png"))
    (tmp_path / "out" / "mine.txt").write_text("mine")
    button(at, "Export").click().run()
    assert (tmp_path / "out" / "mine.txt").exists()
    assert "exists already" in words(at)
    next(each for each in at.checkbox if each.label.startswith("Replace")).check().run()
    button(at, "Export").click().run()
    assert (tmp_path / "out.before-1" / "mine.txt").exists()
    assert list((tmp_path / "out").rglob("001.png"))


def test_predictions_that_are_not_there_yet_are_said_so(app, project):
    at = app()
    next(each for each in at.selectbox if each.label == "What").select("predictions-csv").run()
    assert "no predictions yet" in words(at)
    assert not any(each.label == "Export" for each in at.button)


def test_the_export_of_predictions_says_of_which_images_they_are(app, measured):
    at = app()
    next(each for each in at.selectbox if each.label == "What").select("predictions-csv").run()
    assert "Of the images that waited" in words(at)


def test_a_broken_annotation_file_is_said_and_nothing_is_imported(app, project, tmp_path):
    (tmp_path / "images").mkdir()
    (tmp_path / "bad.json").write_text("{")
    at = app()
    at.text_input[0].input(str(tmp_path / "images"))
    at.text_input[1].input(str(tmp_path / "bad.json")).run()
    button(at, "Import").click().run()
    assert "not JSON" in words(at)
    assert project.images.counts().images == 0


def test_the_report_of_an_import_of_bare_images_says_nothing_of_boxes(app, project, tmp_path):
    coco_file = write_coco(tmp_path / "data")
    at = app()
    at.text_input[0].input(str(coco_file.parent / "images")).run()
    button(at, "Import").click().run()
    n = project.images.counts().images
    assert f"{n} images added, {n} of them wait for review." in words(at)
    assert "Boxes for" not in words(at)
    assert "already" not in words(at)


def test_a_test_set_that_is_refused_says_what_the_page_offers(app, project, tmp_path):
    coco_file = write_coco(tmp_path / "data")
    document = json.loads(coco_file.read_text())
    for image in document["images"]:
        image["group"] = "one"
    coco_file.write_text(json.dumps(document))
    at = app()
    at.text_input[0].input(str(coco_file.parent / "images"))
    at.text_input[1].input(str(coco_file)).run()
    button(at, "Import").click().run()
    assert "at least 2 new groups" in words(at)
    assert "--" not in words(at)
    named = re.findall(r"\*([^*]+)\*", next(each.value for each in at.error))
    assert len(named) == 5
    assert set(named) <= {
        each.label for kind in (at.expander, at.toggle, at.slider, at.text_input) for each in kind
    }


def test_training_waits_for_annotations(app, project):
    add_image(project, 1)
    assert "Training needs annotated cells" in words(app("train"))


def test_training_can_start_once_cells_are_annotated(app, project):
    add_image(project, 1, annotated=True)
    at = app("train")
    assert "annotated cells" in words(at)
    assert "no test set" in words(at)
    assert not button(at, "Train only").disabled


def test_a_job_under_way_takes_the_place_of_the_form(app, project):
    add_image(project, 1, annotated=True)
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    at = app("train")
    assert [each.label for each in at.main.button] == ["Cancel"]
    at.main.button[0].click().run()
    assert project.jobs.get(job_id).cancel_requested


def test_a_failed_job_says_why(app, project):
    job_id = project.jobs.add(TrainJob(TrainConfig()))
    project.jobs.end(job_id, "failed", "Out of paper.")
    assert "Training failed. Out of paper." in words(app("train"))


def test_a_cancelled_experiment_does_not_hide_the_last_training(app, project):
    add_image(project, 1, annotated=True)
    training = project.jobs.add(TrainJob(TrainConfig()))
    project.jobs.advance(training, 1, loss=0.5)
    project.jobs.end(training, "done")
    project.jobs.end(project.jobs.add(SimulateJob(SimulationConfig())), "cancelled")
    at = app("train")
    assert [each.value for each in at.subheader] == ["Last training", "Last experiment"]
    assert "Training finished" in at.success[0].value
    assert "The experiment was cancelled" in at.warning[-1].value
    assert len(at.get("vega_lite_chart")) == 1


def test_what_was_sorted_since_the_training_stands_apart_and_a_new_training_takes_its_place(app, project):
    add_image(project, 1, annotated=True)
    for request in (TrainJob(TrainConfig()), RankJob("random")):
        project.jobs.end(project.jobs.add(request), "done")
    assert [each.value for each in app("train").subheader] == ["Last training", "Last sorting of the images"]
    project.jobs.end(project.jobs.add(TrainJob(TrainConfig())), "failed", "Out of paper.")
    assert [each.value for each in app("train").subheader] == ["Last training"]


def test_one_button_trains_with_the_settings_as_they_are_and_sorts_the_images(app, project, monkeypatch):
    started = []
    monkeypatch.setattr("rbcal.jobs.launcher.start", lambda *arguments: started.append(arguments[1]))
    add_image(project, 1, annotated=True)
    at = app("train")
    button(at, "Train").click().run()
    add_image(project, 2)
    at = app("train")
    assert "then sorts the 1 image that waits" in words(at)
    at.number_input(key="steps").set_value(70).run()
    button(at, "Train").click().run()
    assert started == [
        TrainJob(TrainConfig(init="imagenet")),
        TrainJob(TrainConfig(init="imagenet", steps=70), ScoreJob(ScoringConfig())),
    ]
    assert not at.exception


def test_progress_before_the_first_training_says_how_to_get_a_curve(app, project):
    assert "no test image yet" in words(app("progress"))


def test_progress_shows_the_model_that_serves_and_what_it_gained(app, measured):
    at = app("progress", "Details")
    shown = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert shown["Precision_all"] == ("0.500", "+0.250 since model 1")
    assert shown["Rare-class AP@0.5"] == ("no cell", "")
    assert shown["Red cells left"][0] == "3"
    assert "1 test image with 9 cells" in words(at)


def test_progress_begins_with_a_sentence_a_curve_and_a_table(app, measured):
    gain = Difference(0.25, 0.5, 0.1, 0.4)
    measured.evaluations.save(2, replace(measured.evaluations.of(2), n_images=30))
    measured.models.compare(2, 1, Comparison(gain, (gain, None, None), 30))
    add_image(measured, 4, annotated=True)
    images = {"train": measured.images.annotated()}
    measured.evaluations.save(
        measured.models.add(TrainConfig(), b"w", images, 60), measured.evaluations.of(2)
    )
    measured.models.compare(3, 2, Comparison(gain, (gain, None, None), 30))
    measured.models.promote(3, "gate")
    at = app("progress")
    assert at.markdown[0].value.startswith("**Yes.** Model 3 (")
    assert len(at.get("vega_lite_chart")) == 1
    [table] = [each.value for each in at.dataframe]
    assert table["Model"].tolist() == [3, 2, 1]
    assert table["State"].tolist() == ["in use", "", ""]
    assert table["Gain (95 %)"].tolist()[0] == "+0.250 on model 2 (+0.10 to +0.40)"
    assert at.metric == []


def test_train_says_what_one_more_training_on_the_same_cells_is_good_for(app, measured):
    says = "The model in use has learnt from the same cells."
    assert says in words(app("train"))
    add_image(measured, 4, annotated=True)
    assert says not in words(app("train"))


def test_train_offers_to_sort_first_what_the_model_in_use_has_not_sorted(app, measured, monkeypatch):
    started = []
    monkeypatch.setattr("rbcal.jobs.launcher.start", lambda *arguments: started.append(arguments[1]))
    assert "Sort the images" not in {each.label for each in app("train").main.button}
    measured.models.promote(1, "expert")
    at = app("train")
    assert "has learnt from the same cells" not in words(at)
    assert "Let it sort the 1 image that waits." in words(at)
    button(at, "Sort the images").click().run()
    assert [type(each) for each in started] == [ScoreJob]
    add_image(measured, 4, annotated=True)  # now a training has something to do
    assert "Sort the images" not in {each.label for each in app("train").main.button}


def test_progress_says_how_far_all_cells_are_done(app, measured):
    n_read = measured.images.counts().annotated_cells
    done = f"Of {n_read + 5:,} cells {n_read} are read,"
    assert f"{done} and 5 are red." in words(app("progress"))  # nothing is promised yet
    measured.colours.choose("paper", 0.02)
    by_paper = f"{done} 2 are green (by the paper's thresholds), and 3 are red."
    assert by_paper in words(app("progress"))


def test_progress_says_that_a_training_on_the_same_cells_bought_no_cell_anything(app, measured):
    at = app("progress")
    assert "what changed between them does not come from cells" in words(at)
    at = app("progress", "Details")
    assert "Same cells, trained again: those of model 1." in words(at)
    assert at.metric[0].proto.color == at.metric[0].proto.MetricColor.GRAY
    add_image(measured, 4, annotated=True)
    images = {"train": measured.images.annotated()}
    measured.evaluations.save(
        measured.models.add(TrainConfig(), b"w", images, 60), measured.evaluations.of(2)
    )
    measured.models.promote(3, "expert")
    assert "Figures of model 3, in use" in [each.value for each in app("progress", "Details").subheader]
    assert app("progress").dataframe[0].value["Training"].tolist() == [
        "new cells",
        "same cells, trained again",
        "new cells",
    ]


def test_progress_shows_how_well_each_class_is_found_and_named(app, measured):
    counted = replace(measured.evaluations.of(2), n_named=(6, 1, 0), n_correct=(6, 0, 0))
    measured.evaluations.save(2, counted)
    at = app("progress", "Classes")
    [classes] = [each.value for each in at.dataframe if "Recall" in each.value]
    [disc] = classes.to_dict("records")
    assert (disc["Class"], disc["AP@0.5"], disc["Recall"], disc["Precision"]) == ("disc", 0.5, 6 / 9, 1)
    assert disc["F1"] == pytest.approx(0.8)
    assert "of 100 true cells of this class, how many were found and named so" in words(at)
    assert "were not counted" not in words(at)
    assert app("progress").dataframe[0].value["Macro F1"].isna().tolist() == [False, True]


def test_progress_names_no_figure_of_rare_classes_with_few_test_cells(app, measured):
    few = ClassIntervals((0.2, 0.9), (0.1, 0.9), None, (0.1, 0.8))
    figures = Evaluation(0.5, 0.6, 0.3, 0.7, (0.5, None, 0.7), (400, 0, 7), 9, intervals=(None, None, few))
    measured.evaluations.save(2, figures)
    at = app("progress", "Details")
    assert {each.label: each.value for each in at.metric}["Rare-class AP@0.5"] == "not yet"
    assert "the test set has 7 cells of spiky, and it takes 20 of a class" in words(at)
    at = app("progress", "Classes")
    assert "Fewer than 20 test cells" in words(at)
    assert "spiky 7" in words(at)
    [table] = [each.value for each in at.dataframe if "95 % within" in each.value]
    assert table["95 % within"].tolist() == ["", "AP 0.20–0.90, recall 0.10–0.90, F1 0.10–0.80"]
    measured.evaluations.save(2, replace(figures, n_cells=(400, 0, 20), intervals=None))
    at = app("progress", "Details")
    assert {each.label: each.value for each in at.metric}["Rare-class AP@0.5"] == "0.700"
    at = app("progress", "Classes")
    assert not [each for each in at.dataframe if "95 % within" in each.value]


def test_progress_says_how_to_count_names_where_an_older_rbcal_measured(app, measured):
    at = app("progress", "Classes")
    [classes] = [each.value for each in at.dataframe if "Recall" in each.value]
    assert classes[["Recall", "Precision", "F1"]].isna().all(axis=None)
    assert "not counted when model 2 was measured" in words(at)
    assert "rbcal evaluate PROJECT" in words(at)


def test_progress_offers_a_report_also_before_the_first_model(app, project):
    assert [each.label for each in app("progress").get("download_button")] == ["Report"]


def test_progress_goes_on_with_the_serving_model_when_a_newer_one_is_worse(app, measured):
    measured.models.promote(1, "expert")
    at = app("progress", "Details")
    assert "Figures of model 1, in use" in [each.value for each in at.subheader]
    assert at.metric[0].value == "0.250"
    assert "no later model has taken its place" in words(app("progress"))


def test_the_models_are_listed_newest_first(app, measured):
    assert app("train").dataframe[0].value["Model"].tolist() == [2, 1]


@pytest.fixture
def worse(measured):
    """A third model that is worse than the second, and a training that was stopped."""
    images = {"train": measured.images.annotated()}
    third = measured.models.add(TrainConfig(), b"weights", images, 60)
    fell = Difference(0.5, 0.3, -0.3, -0.1)
    measured.models.compare(third, 2, Comparison(fell, (fell, None, Difference(0.2, 0.3, 0.01, 0.2)), 30))
    return measured


def test_a_worse_model_is_a_question_with_each_class_in_front_of_the_expert(app, worse):
    at = app("train")
    assert "Model 3 is worse than model 2. Which one shall be used?" in [each.value for each in at.subheader]
    table = at.dataframe[0].value
    assert table["AP@0.5"].tolist() == ["Precision_all", "disc", "spiky"]
    assert table["More than chance"].tolist() == ["worse", "worse", "better"]
    button(at, "Keep model 2").click().run()
    assert worse.models.question() is None
    assert worse.models.serving().id == 2
    assert not at.exception


def test_the_expert_may_let_the_worse_model_serve_and_go_back_with_one_click(app, worse):
    at = app("train")
    button(at, "Use model 3").click().run()
    assert worse.models.serving().id == 3
    button(at, "Go back to model 2").click().run()
    assert worse.models.serving().id == 2
    at.selectbox(key="another_model").select(1).run()
    button(at, "Use it").click().run()
    assert worse.models.serving().id == 1
    assert not at.exception


def test_a_stopped_training_can_be_resumed_or_forgotten(app, measured, monkeypatch):
    started = []
    monkeypatch.setattr("rbcal.jobs.launcher.start", lambda *arguments: started.append(arguments[1:]))
    job_id = measured.jobs.add(TrainJob(TrainConfig(), ScoreJob(ScoringConfig(passes=7))))
    measured.jobs.start(job_id)
    measured.snapshots.save(
        b"state",
        config=TrainConfig(steps=300),
        n_classes=3,
        step=120,
        seconds=80,
        images={"train": measured.images.annotated()},
        parent_id=None,
    )
    measured.jobs.end(
        job_id, "cancelled", "The training was cancelled at step 120 of 300. It can be resumed."
    )
    at = app("train")
    assert "A training was cancelled. It can go on from step 120 of 300" in words(at)
    assert words(at).count("cancelled") == 2  # there, and that the last training was
    button(at, "Resume").click().run()
    assert started == [(ResumeJob(ScoreJob(ScoringConfig(passes=7))),)]
    button(at, "Drop it").click().run()
    assert measured.snapshots.current() is None
    assert "Resume" not in [each.label for each in at.button]


def test_a_field_on_both_sides_of_the_test_set_is_an_alarm_on_the_project_page(app, project):
    work, _ = add_image(project, 1, annotated=True)
    test, _ = add_image(project, 2, group="other", split="test", annotated=True)
    for image_id in (work, test):
        project.images.save_hash(image_id, bytes(32))
    at = app()
    assert "show the same field" in at.error[0].value.replace("shows", "show")
    assert "002" in at.error[0].value
    assert "001" in at.error[0].value


def test_the_images_of_an_older_project_are_compared_while_its_page_is_open(app, project):
    for seed in (1, 2):
        add_image(project, seed)
    app()
    assert project.images.without_hash() == []


def test_the_report_of_an_import_stays_until_it_is_put_away(app, project, tmp_path):
    (tmp_path / "slides").mkdir()
    (tmp_path / "slides" / "1.png").write_bytes(synth.encode(synth.draw(1)[0]))
    (tmp_path / "slides" / "bad.png").write_bytes(b"no picture")
    at = app()
    at.text_input[0].input(str(tmp_path / "slides")).run()
    button(at, "Import").click().run()
    at.run()
    assert "1 image added" in words(at)
    assert "bad.png" in at.dataframe[0].value.loc[0, "Note"]
    button(at, "Close this message").click().run()
    assert "image added" not in words(at)


def test_an_image_that_would_leak_into_the_test_set_can_be_put_off(app, project):
    work, _ = add_image(project, 1)
    test, _ = add_image(project, 2, group="other", split="test", annotated=True)
    for image_id in (work, test):
        project.images.save_hash(image_id, bytes(32))
    at = app()
    button(at, "Skip the 1 image without boxes").click().run()
    assert project.queue.order() == [(work, True)]
    assert not [each for each in at.button if each.label.startswith("Skip")]


def test_the_review_page_does_not_wait_for_the_chart_library():
    modules = "rbcal.ui.annotator, rbcal.ui.project.classes, rbcal.ui.review.queue, rbcal.ui.review.wall"
    script = f"import sys, {modules}; sys.exit('altair' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
