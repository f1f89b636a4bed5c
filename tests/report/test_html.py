"""The report as HTML: self-contained, escaped, and with the figures of the store."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from rbcal.charts.answer import answer_words
from rbcal.config import SimulationConfig, TrainConfig
from rbcal.evaluation.confusion import Confusion
from rbcal.evaluation.learning_curves import SimulationPoint
from rbcal.evaluation.metrics import ClassIntervals, Evaluation
from rbcal.report import tables
from rbcal.report.charts import precision_recall_charts
from rbcal.report.collect import collect
from rbcal.report.html import as_html
from rbcal.store.classes import CellClass
from rbcal.store.project import Project
from rbcal.types import Annotations
from tests.report.test_collect import TRUTH, add_test_image, add_work_image, measured

EVIL = '<script>alert("1")</script>'


class Reader(HTMLParser):
    """Collects the tags, the addresses and the text of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.events: list[str] = []
        self.words: list[str] = []
        self.feed(document)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href", "xlink:href")]
        self.events += [name for name, _ in attributes if name.startswith("on")]

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def simulated(project: Project) -> Project:
    """Add a simulation of two strategies, two repeats and one round."""
    config = SimulationConfig(strategies=("random", "balanced"), repeats=2, rounds=1)
    simulation_id = project.simulations.begin(config, "0" * 64)
    for strategy, gain in (("random", 0.1), ("balanced", 0.3)):
        for repeat in (0, 1):
            values = {0: 0.2, 1: 0.2 + gain}
            points = [
                SimulationPoint(
                    repeat, strategy, k, 1, 10 + 20 * k, (), 60.0 * k, figures(ap), "0" * 64, (), 1
                )
                for k, ap in values.items()
            ]
            project.simulations.add(simulation_id, points)
    project.simulations.finish(simulation_id)
    return project


def figures(ap: float) -> Evaluation:
    return Evaluation(ap, ap, ap, None, (ap, None, None), (9, 0, 0), 1)


@pytest.fixture
def full(project):
    """A project with everything that a report can show."""
    simulated(measured(project))
    second = project.models.add(
        project.models.get(1).config, b"other", {"train": project.images.annotated()}, 60, parent_id=1
    )
    project.evaluations.save(second, figures(0.125))
    project.targets.set("precision_all", 0.75)
    return project


def test_a_report_needs_neither_network_nor_script(full):
    document = as_html(collect(full))
    reader = Reader(document)
    without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]*", "", document)
    assert not re.search(r"https?:|//[a-z]|@import|url\(", without_pictures)
    assert {"svg", "table", "image"} <= set(reader.tags)
    assert not {"script", "iframe", "object", "embed", "link", "base", "form"} & set(reader.tags)
    assert reader.addresses  # the pictures
    assert all(address.startswith("data:image/jpeg;base64,") for address in reader.addresses)
    assert "default-src 'none'" in document
    assert len(document) < 300_000


def test_every_name_of_the_project_is_text_and_nothing_else(tmp_path):
    with Project.create(tmp_path / "x.rbcal", classes=[EVIL, "a & b", 'c"><img src=x>'], rare=[EVIL]) as evil:
        evil.sign("<b onload=alert(1)>")
        simulated(measured(evil))
        evil._database.write("UPDATE image SET name = ?", ('"><svg onload=alert(1)>',))
        evil._database.write("UPDATE project SET name = ?", (EVIL,))  # last: no program does it
        reader = Reader(as_html(collect(evil)))
    assert not {"script", "img", "b onload"} & set(reader.tags)
    assert reader.events == []
    assert reader.text.count(EVIL) >= 5  # title, heading, tables, methods
    for name in ("a & b", 'c"><img src=x>', "<b onload=alert(1)>", '"><svg onload=alert(1)>'):
        assert name in reader.text


def test_the_figures_are_those_of_the_store(full):
    text = Reader(as_html(collect(full))).text
    evaluation, counts = full.evaluations.of(1), full.images.counts()
    assert f"Precision_all {evaluation.precision_all:.3f} on 1 test image" in text
    assert f"Annotated cells {counts.annotated_cells} on 1 image" in text
    assert f"Test cells {counts.test_cells} on 1 image" in text
    for ap in evaluation.ap_50:
        assert f"{ap:.3f}" in text
    assert f"1 (in use) 1 {counts.annotated_cells} {evaluation.precision_all:.3f}" in text
    assert "0.125" in text  # the other model
    assert "below the wanted 0.75" in text
    words = answer_words(full.evaluations.curve(), full.evaluations.curve()[0], full.models.comparisons())
    assert f"Did it help? {words}" in text
    assert full.models.get(1).sha256 in text
    assert full.summary.fingerprint("work") in text
    assert full.summary.fingerprint("test") in text
    assert "Too few repeats to say (2; at least 5)" in text


def test_the_report_credits_no_cell_with_a_training_on_the_same_cells(full):
    n_cells = full.models.get(2).n_cells
    text = Reader(as_html(collect(full))).text
    assert f"2 1 {n_cells} (the same) 0.125" in text
    assert "Hollow mark: trained on the same cells" in text
    add_work_image(full, 4)
    images = {"train": full.images.annotated()}
    full.evaluations.save(full.models.add(TrainConfig(steps=9), b"w", images, 60, parent_id=2), figures(0.9))
    full.models.promote(3, "expert")
    gained = 0.125 - full.evaluations.of(1).precision_all
    assert gained < 0  # the longer training did not help, so nothing of the gain is put down to it
    assert "comes from training on" not in as_html(collect(full))
    full.evaluations.save(2, figures(0.7))
    text = Reader(as_html(collect(full))).text
    gained = 0.7 - full.evaluations.of(1).precision_all
    assert f"comes from training on: model 2 had {gained:+.3f} Precision_all more with the same cells" in text


def test_an_empty_project_has_a_report_that_says_so(project):
    text = Reader(as_html(collect(project))).text
    assert "This project has no image yet." in text
    assert "No model is trained yet." in text
    assert "Nothing is annotated yet." in text


def test_without_a_test_set_the_report_says_what_is_missing(project):
    add_work_image(project, 1)
    model_id = project.models.add(TrainConfig(steps=1), b"weights", {"train": project.images.annotated()}, 1)
    project.models.promote(model_id, "gate")
    text = Reader(as_html(collect(project))).text
    assert "no annotated test set, so nothing says how good a model is" in text
    assert "Nothing was measured" in text
    assert "are not sorted yet" in text


def test_a_model_that_was_not_measured_is_named(project):
    add_test_image(project, 5)
    add_work_image(project, 1)
    model_id = project.models.add(TrainConfig(steps=1), b"weights", {"train": project.images.annotated()}, 1)
    project.models.promote(model_id, "gate")
    assert "Model 1, in use, was not measured on the test set." in as_html(collect(project))


def test_what_no_longer_holds_is_said_in_the_heading(full):
    full.models.promote(2, "expert")
    assert "The images that wait were sorted with model 1, no longer in use" in as_html(collect(full))
    full.models.promote(1, "expert")
    [image] = full.images.test()
    changed = Annotations(TRUTH.boxes, np.array([0, 2, 2]))
    full.reviews.save(image.id, changed, origin="expert", base_revision=1)
    assert "Annotations of the test set, or classes, were changed since the model was measured" in as_html(
        collect(full)
    )


def test_synthetic_slides_are_named_in_the_heading_in_every_figure_and_in_the_methods(full):
    data = collect(full)
    assert "ynthetic" not in as_html(data)
    document = as_html(replace(data, synthetic=True))
    assert document.index("the cells are drawn by rbcal") < document.index('class="figures"')
    charts = re.findall(r"<svg version.*?</svg>", document, re.DOTALL)
    assert len(charts) == 4  # the curve, two of the simulation, precision against recall
    assert all("Synthetic slides" in chart for chart in charts)
    text = Reader(document).text
    for caption in ("Annotated cells by the class", "Of the 1 image", "annotated found by", "AP@0.5: area"):
        assert re.search(rf"Synthetic slides\. +{caption}", text)
    assert "The images are synthetic" in text


def test_without_kept_detections_the_report_names_the_command_that_gets_them(full):
    full._database.write("DELETE FROM model_detection")
    text = Reader(as_html(collect(full))).text
    assert "was not kept, so there is no confusion matrix" in text
    assert "On the test set Model 1" in text


def test_the_rounds_have_their_columns_and_many_of_them_share_one(project):
    data = collect(measured(project))
    [only] = data.annotation.rounds
    assert tables.round_table(data.annotation, data.classes).head == [
        "Class",
        "All training",
        "Share",
        "Test set",
    ]
    many = [replace(only, model_id=k, cells={0: k}, expert_seconds=60) for k in range(1, 10)]
    rounds = [*many, replace(only, model_id=None, cells={1: 5})]
    table = tables.round_table(replace(data.annotation, rounds=rounds), data.classes)
    assert table.head[3:5] == ["up to model 4", "Model 5"]
    assert table.head[9:] == ["not yet trained", "Test set"]
    assert table.rows[0][1:] == ["45", "90%", "10", "5", "6", "7", "8", "9", "·", "1"]
    assert table.foot[3][1:4] == ["9 min 0 s", "", "4 min 0 s"]


def test_each_class_has_recall_precision_and_f1_of_the_time_of_its_ap(project):
    data = collect(measured(project))
    counted = replace(data.evaluation, n_cells=(9, 5, 0), n_named=(6, 0, 1), n_correct=(6, 0, 0))
    rows = tables.class_rows(data.classes, {}, counted, data.errors)
    assert [row.words[2:] for row in rows] == [
        ["67%", "100%", "0.800"],
        ["0%", "–", "0.000"],
        ["–", "0%", "–"],
    ]
    assert [row.words[2:] for row in tables.class_rows(data.classes, {}, counted, None)] == [
        row.words[2:] for row in rows
    ]


def test_a_class_with_few_test_cells_has_its_interval_and_leaves_the_headline(project):
    measured(project)
    few = ClassIntervals((0.2, 0.9), (0.1, 0.9), None, (0.1, 0.8))
    figures = Evaluation(0.5, 0.6, 0.3, 0.7, (0.5, None, 0.7), (400, 0, 7), 9, intervals=(None, None, few))
    project.evaluations.save(1, figures)
    document = as_html(collect(project))
    text = Reader(document).text
    assert "Rare-class AP – cannot be told yet: 7 test cells" in text
    assert "95 % within: AP 0.20–0.90, recall 0.10–0.90, F1 0.10–0.80" in text
    assert document.count('class="few"') == 1
    assert "0.700* –" in text  # in the table of models
    assert "that of rare classes is not given: it would rest on 7 test cells" in text
    project.evaluations.save(1, replace(figures, n_cells=(400, 0, 20), intervals=None))
    text = Reader(as_html(collect(project))).text
    assert "Rare-class AP 0.700 on 9 test images" in text
    assert "95 % within" not in text
    assert "AP@0.5 of rare classes 0.700" in text


def test_recall_and_precision_that_nobody_counted_are_those_of_the_confusion_matrix(project):
    data = collect(measured(project))
    older = replace(data.evaluation, n_named=None, n_correct=None)
    table = np.array([[3, 0, 0, 1], [1, 0, 0, 0], [0, 0, 1, 0], [2, 1, 0, 0]])
    errors = replace(data.errors, confusion=Confusion(table))
    rows = tables.class_rows(data.classes, {0: 4}, older, errors)
    assert [row.words for row in rows] == [
        ["1", "4", "75%", "50%", "0.600"],
        ["1", "0", "0%", "0%", "0.000"],
        ["1", "0", "100%", "100%", "1.000"],
    ]
    assert [row.rare for row in rows] == [False, False, True]
    assert all(row.few for row in rows)


def test_the_shade_of_a_confusion_is_its_part_of_the_row(project):
    rows = tables.confusion_rows(collect(measured(project)).errors.confusion, project.classes.all())
    assert [name for name, _ in rows] == ["disc", "slit", "spiky", "nothing there"]
    assert [(cell.words, cell.shade, cell.right) for cell in rows[1][1]] == [
        ("·", 0, False),
        ("·", 0, True),
        ("1", 1, False),
        ("·", 0, False),
    ]
    assert rows[3][1][3].words == ""  # nothing there, and nothing found: nobody counts that


def test_a_precision_recall_curve_ends_at_the_recall_that_is_reached():
    precision = np.vstack([np.repeat([1.0, 0.0], [51, 50]), np.full(101, np.nan)])
    classes = [CellClass(0, "disc", False), CellClass(1, "slit", False)]
    [chart] = precision_recall_charts(precision, classes)
    document = chart.to_dict()
    [rows] = document["datasets"].values()
    assert {row["Class"] for row in rows} == {"disc (0.50)"}
    assert max(row["Recall"] for row in rows) == 0.5
    [chart] = precision_recall_charts(precision, classes, {0: 7})
    [rows] = chart.to_dict()["datasets"].values()
    assert {row["Class"] for row in rows} == {"disc (0.50, 7 cells)"}


def test_the_curves_of_many_classes_fit_on_pages():
    classes = [CellClass(k, f"class {k}", False) for k in range(20)]
    charts = precision_recall_charts(np.ones((20, 101)), classes)
    titles = [{row["Class"] for row in next(iter(each.to_dict()["datasets"].values()))} for each in charts]
    assert [len(each) for each in titles] == [16, 4]
    assert "class 19 (1.00)" in titles[1]


def test_a_merged_class_has_no_row_of_its_own(project):
    measured(project).classes.merge(1, 0)
    data = collect(project)
    assert [row[0] for row in tables.round_table(data.annotation, data.classes).rows] == [
        "disc",
        "spiky (rare)",
    ]
    rows = tables.confusion_rows(data.errors.confusion, data.classes)
    assert [(name, len(cells)) for name, cells in rows] == [("disc", 3), ("spiky", 3), ("nothing there", 3)]
    assert [cell.words for cell in rows[2][1]] == ["1", "·", ""]
    table = tables.class_rows(data.classes, {}, data.evaluation, data.errors)
    assert [row.name for row in table] == ["disc", "spiky"]
    assert "one of 2 classes" in as_html(data)


def test_a_report_of_synthetic_slides_says_so_everywhere(full):
    full.images.add(b"drawn", name="a.png", width=9, height=9, group="synthetic slide 1", split="work")
    document = as_html(collect(full))
    text = Reader(document).text
    assert "No figure here says anything about patients" in text
    assert "The images are synthetic" in text  # the methods paragraph
    charts = [part.split("</svg>")[0] for part in document.split("<svg")[1:] if "marks" in part]
    assert charts
    assert all("Synthetic slides" in chart for chart in charts if "<image" not in chart)
    assert "Synthetic slides" not in as_html(replace(collect(full), synthetic=False))
