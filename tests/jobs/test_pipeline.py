"""What a job does, in this process: from annotated images to a model, its figures and a ranking."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from rbcal import synth
from rbcal.config import ScoringConfig, TrainConfig
from rbcal.detector import checkpoint, mc_dropout, trainer
from rbcal.errors import DetectorError, DivergedError, JobCancelledError, ProjectError, TrainingError
from rbcal.evaluation import average_precision
from rbcal.jobs import evaluate, score, train, training_setup
from rbcal.jobs.loaders import load_annotations
from rbcal.store.project import Project
from rbcal.store.verification import verify
from tests.conftest import CLASSES, add_image

TINY = TrainConfig(steps=2, init="random", crop=160, crops=4, second_look=False)
PASSES = ScoringConfig(passes=3)
CUTTING = "Cutting out the cells"


class Silent:
    """A reporter that listens, and stops the work after so many steps if told to, of a stage or of any.

    What is done before the steps of a training does not count as one.
    """

    def __init__(self, stop_after=None, stage=None):
        self.of_stage = stage
        self.stages = []
        self.lines = []
        self.steps = 0
        self.stop_after = stop_after

    def stage(self, name, steps=0, done=0):
        self.stages.append(name)

    def advance(self, step, loss=None):
        self.steps += self.stages[-1:] == [self.of_stage] if self.of_stage else self.stages[-1:] != [CUTTING]
        if self.steps == self.stop_after:
            raise JobCancelledError

    def log(self, line):
        self.lines.append(line)


def fill(project):
    """Add one image to train on, one to test on, two in the pool."""
    add_image(project, 1, annotated=True)
    add_image(project, 3, group="test", split="test", annotated=True)
    for seed in (4, 5):
        add_image(project, seed)
    return project


@pytest.fixture
def slides(project):
    """A project with these images."""
    return fill(project)


@pytest.fixture(scope="module")
def trained_file(tmp_path_factory):
    """The file of such a project after a training; a training takes seconds, a copy none."""
    path = tmp_path_factory.mktemp("trained") / "trained.rbcal"
    with Project.create(path, classes=CLASSES, rare=["spiky"]) as project:
        train.train(fill(project), TINY, Silent())
    return path


@pytest.fixture
def trained(trained_file, tmp_path):
    """The same project after a training: model 1 serves."""
    with Project.open(shutil.copy(trained_file, tmp_path / "trained.rbcal")) as project:
        yield project


def test_a_project_in_which_no_cell_was_read_has_nothing_to_train_on(project):
    image_id, cells = add_image(project, 1)
    status = ["open"] * len(cells)
    project.reviews.save(image_id, cells, origin="expert", base_revision=0, review_status=status)
    with pytest.raises(TrainingError, match="the 1 annotated images of this project have none that was read"):
        train.train(project, TINY, Silent())


def test_boxes_that_nobody_read_have_embeddings_and_the_project_stays_whole(slides):
    image_id, cells = add_image(slides, 7)
    status = ["kept", *["open"] * (len(cells) - 1)]
    slides.reviews.save(image_id, cells, origin="expert", base_revision=0, review_status=status)
    model = slides.models.get(train.train(slides, replace(TINY, second_look=True), Silent()))
    assert model.n_cells == slides.images.counts().annotated_cells
    score.score(slides, PASSES, Silent())
    assert verify(slides.path).ok


def test_a_class_that_joins_after_the_training_does_not_stop_scoring(trained):
    trained.classes.add(["newcomer"], rare=["newcomer"])
    score.score(trained, PASSES, Silent())
    assert all(entry.score for entry in trained.queue.top())
    evaluate.evaluate(trained, Silent())
    assert trained.evaluations.curve()[0].evaluation.ap_50[3] is None


def test_a_model_from_before_a_merge_finds_no_cell_of_the_merged_class(trained):
    trained.classes.merge(1, 0)
    ranking_id = score.score(trained, PASSES, Silent())
    stored = [np.frombuffer(row, "<f4") for (row,) in trained._database.tuples("SELECT probs FROM detection")]
    assert stored
    assert not np.stack(stored)[:, 2].any()
    assert np.allclose(np.stack(stored).sum(axis=1), 1, atol=1e-3)
    evaluate.evaluate(trained, Silent())
    figures = trained.evaluations.curve()[0].evaluation
    assert (figures.n_cells[1], figures.ap_50[1]) == (0, None)
    assert figures.n_cells[0] == trained.reviews.cells_per_class("test")[0]
    assert trained.rankings.get(ranking_id)


def test_a_merge_into_a_class_younger_than_the_model_does_not_stop_it(trained):
    trained.classes.add(["newcomer"], rare=["newcomer"])
    trained.classes.merge(0, 3)
    score.score(trained, PASSES, Silent())
    evaluate.evaluate(trained, Silent())
    assert trained.evaluations.curve()[0].evaluation.n_cells[3] > 0
    train.train(trained, TINY, Silent())
    assert len(trained.evaluations.curve()) == 2


@pytest.mark.usefixtures("two_cores")
def test_the_same_seed_gives_the_same_model_and_ranking(slides):
    for _ in range(2):
        train.train(slides, TINY, Silent())
    first, second = slides.models.all()
    assert first.sha256 == second.sha256


def test_a_cancelled_scoring_leaves_the_old_ranking(trained):
    kept = score.score(trained, PASSES, Silent())
    with pytest.raises(JobCancelledError):
        score.score(trained, PASSES, Silent(stop_after=1))
    assert trained.rankings.current().id == kept


def test_without_a_test_set_a_model_is_trained_but_not_measured(project):
    add_image(project, 1, annotated=True)
    progress = Silent()
    train.train(project, replace(TINY, second_look=True), progress)
    assert progress.stages == [
        "Backing up the project",
        CUTTING,
        "Training",
        "Looking again at annotated images",
    ]
    with pytest.raises(ProjectError, match="no test set with cells"):
        evaluate.evaluate(project, Silent())


# stop and go on


@pytest.mark.usefixtures("two_cores")
def test_a_training_that_is_cancelled_and_resumed_gives_bit_for_bit_the_model_of_one_that_was_not(slides):
    config = replace(TINY, steps=5)
    train.train(slides, config, Silent())
    with pytest.raises(JobCancelledError, match=r"cancelled at step 3 of 5\. It can be resumed"):
        train.train(slides, config, Silent(stop_after=3))
    # what the expert does in the meantime belongs to the next training
    add_image(slides, 9, annotated=True)
    slides.classes.add(["newcomer"])
    progress = Silent()
    resumed = slides.models.get(train.resume(slides, progress))
    assert resumed.sha256 == slides.models.all()[0].sha256
    assert (resumed.n_images, resumed.kept_step) == (1, 5)
    assert slides.snapshots.current() is None
    with pytest.raises(ProjectError, match="no training to resume"):
        train.resume(slides, progress)


def test_a_warm_start_can_be_resumed_too_with_its_validation(slides, monkeypatch):
    monkeypatch.setattr(training_setup, "_MIN_TO_VALIDATE", 2)
    add_image(slides, 7, group="slide 2", annotated=True)
    parent = train.train(slides, TINY, Silent())
    add_image(slides, 8, group="slide 3", annotated=True)
    config = TrainConfig(steps=6, validation=0.3, second_look=False)
    whole = slides.models.get(train.train(slides, config, Silent()))
    assert (whole.parent_id, whole.config.init) == (parent, "serving")
    assert whole.validation is not None
    slides.models.promote(parent, "expert")
    with pytest.raises(JobCancelledError):
        train.train(slides, config, Silent(stop_after=4))
    assert slides.snapshots.current().parent_id == parent
    resumed = slides.models.get(train.resume(slides, Silent()))
    assert (resumed.sha256, resumed.validation) == (whole.sha256, whole.validation)


def test_the_state_is_written_down_now_and_then(slides, monkeypatch):
    monkeypatch.setattr(train, "_KEEP_SECONDS", 0)
    monkeypatch.setattr(train, "_KEEP_SHARE", 0)

    class Died(BaseException):
        pass

    class Dying(Silent):
        def advance(self, step, loss=None):
            if step == 3:
                raise Died

    with pytest.raises(Died):
        train.train(slides, replace(TINY, steps=4), Dying())
    assert slides.snapshots.current().step == 2
    assert slides.models.get(train.resume(slides, Silent())).kept_step == 4


def test_a_loss_that_is_no_number_ends_the_training_and_keeps_what_was_learnt(slides, monkeypatch):
    learn = trainer.Training._learn

    def stumble(self, step, windows):
        losses, norm = learn(self, step, windows)
        return losses, float("nan") if step == 3 else norm

    monkeypatch.setattr(trainer.Training, "_learn", stumble)
    with pytest.raises(DivergedError, match=r"at step 3 of 5.*by step 2 is kept as model 1"):
        train.train(slides, replace(TINY, steps=5), Silent())
    monkeypatch.undo()
    train.train(slides, replace(TINY, steps=5), Silent())
    kept, whole = slides.models.all()
    assert kept.kept_step == 2
    assert slides.models.serving().id == whole.id


def test_a_cancel_before_the_first_step_leaves_nothing_to_resume(slides):
    with pytest.raises(JobCancelledError):
        train.train(slides, replace(TINY, second_look=True), Silent(stop_after=1, stage=CUTTING))
    assert slides.snapshots.current() is None
    assert not slides.models.all()


def test_the_second_look_can_be_left_out_and_comes_back(slides):
    for wanted in (False, True, False):
        model_id = train.train(slides, replace(TINY, init="auto", steps=1, second_look=wanted), Silent())
        detector = checkpoint.load(slides.models.checkpoint(model_id))
        assert (detector.second_look is not None) == wanted
        slides.models.promote(model_id, "expert")


def test_a_cancel_while_the_model_is_measured_keeps_it_but_it_does_not_serve(slides):
    with pytest.raises(JobCancelledError, match="Model 1 is trained and kept, but was not measured"):
        train.train(slides, TINY, Silent(stop_after=3))
    assert slides.models.serving() is None
    assert slides.models.all()[0].has_weights


# too little memory


def test_too_little_memory_halves_the_batch_then_the_windows_and_says_so(slides, monkeypatch):
    learn = trainer.Training._learn

    def small(self, step, windows):
        if self._config.batch_size > 1 or self._config.crop > 320:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return learn(self, step, windows)

    monkeypatch.setattr(trainer.Training, "_learn", small)
    progress = Silent()
    model = slides.models.get(train.train(slides, replace(TINY, crop=640), progress))
    assert (model.config.batch_size, model.config.crop) == (1, 320)
    assert sum("Out of memory" in line for line in progress.lines) == 2


def test_too_little_memory_for_anything_is_an_error_that_says_what_to_do(slides, monkeypatch):
    def never(self, step, windows):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(trainer.Training, "_learn", never)
    with pytest.raises(TrainingError, match="too little memory for training"):
        train.train(slides, replace(TINY, device="cpu"), Silent())
    assert slides.images.counts().annotated_cells


def test_too_little_memory_to_look_at_an_image_makes_smaller_tiles(trained, monkeypatch):
    look = mc_dropout.Detector.roi_features

    def small(self, image):
        if self.tile > 512:
            raise MemoryError
        return look(self, image)

    monkeypatch.setattr(mc_dropout.Detector, "roi_features", small)
    progress = Silent()
    score.score(trained, PASSES, progress)
    assert [line for line in progress.lines if "memory" in line] == [
        "Out of memory. Going on with tiles of 1024 pixels",
        "Out of memory. Going on with tiles of 512 pixels",
    ]
    assert all(entry.score for entry in trained.queue.top())
    monkeypatch.setattr(mc_dropout.Detector, "roi_features", lambda self, image: small(None, None))
    with pytest.raises(AttributeError):  # an error that is not about memory passes through
        score.score(trained, PASSES, progress)

    def never(self, image):
        raise MemoryError

    monkeypatch.setattr(mc_dropout.Detector, "roi_features", never)
    with pytest.raises(DetectorError, match="too little memory to look"):
        score.score(trained, PASSES, progress)


# who serves


def test_the_first_model_serves_and_one_that_is_not_worse_takes_over(trained):
    assert trained.models.serving().id == 1
    second = train.train(trained, replace(TINY, seed=1), Silent())
    assert trained.models.serving().id == second == 2
    assert trained.models.question() is None


def test_a_model_that_is_worse_waits_for_the_expert(slides):
    for seed in (11, 12, 13, 14):
        add_image(slides, seed, group=f"test {seed}", split="test", annotated=True)
    config = TrainConfig(steps=20, crop=320, seed=3, device="cpu", second_look=False)  # quick
    good = train.train(slides, config, Silent())
    progress = Silent()
    bad = train.train(slides, TINY, progress)
    assert slides.models.serving().id == good
    question = slides.models.question()
    assert (question.model.id, question.serving.id) == (bad, good)
    assert question.comparison.precision_all.high < 0
    assert any("is worse than the one in use" in line for line in progress.lines)


def test_without_a_test_set_the_newest_model_serves_and_the_log_says_why(project):
    add_image(project, 1, annotated=True)
    progress = Silent()
    for _ in range(2):
        newest = train.train(project, TINY, progress)
    assert project.models.serving().id == newest
    assert any("no test set, so it was not compared" in line for line in progress.lines)


def test_a_new_model_looks_again_at_the_annotated_images_that_were_reviewed_last(slides, monkeypatch):
    monkeypatch.setattr(evaluate, "_CHECKED_IMAGES", 1)
    model_id = train.train(slides, TINY, Silent())
    last = max(slides.images.annotated(), key=lambda image: image.review_id)
    assert list(slides.evaluations.detections(model_id, "work")) == [last.id]
    assert slides.evaluations.n_predicted(model_id, "work") == 1
    assert slides.evaluations.n_predicted(model_id) == len(slides.images.test())


def test_a_rival_of_an_older_rbcal_is_measured_again(trained):
    trained._database.write("DELETE FROM model_detection")
    train.train(trained, replace(TINY, seed=1), Silent())
    assert trained.evaluations.detections(1)


# where a training starts


def test_auto_starts_from_imagenet_then_from_the_model_that_serves(slides, trained):
    assert training_setup.set_up_training(slides, TrainConfig()).config.init == "imagenet"
    plan = training_setup.set_up_training(trained, TrainConfig())
    assert (plan.config.init, plan.parent.id, plan.config.steps) == ("serving", 1, 150)
    other = training_setup.set_up_training(trained, TrainConfig(backbone="vgg16"))
    assert (other.config.init, other.parent) == ("imagenet", None)
    with pytest.raises(TrainingError, match="serving model with vgg16; this project has one with efficient"):
        training_setup.set_up_training(trained, TrainConfig(backbone="vgg16", init="serving"))


def test_a_warm_start_knows_the_old_classes_and_makes_room_for_new_ones(trained):
    trained.classes.add(["newcomer"])
    warm = trained.models.get(train.train(trained, TrainConfig(steps=1, crop=160, crops=4), Silent()))
    assert evaluate.load_detector(trained, warm).blueprint.n_classes == 4


def test_images_that_pick_the_weights_are_whole_groups_that_never_taught(slides, monkeypatch):
    monkeypatch.setattr(training_setup, "_MIN_TO_VALIDATE", 9)
    for seed in range(20, 28):
        add_image(slides, seed, group=f"slide {seed // 2}", annotated=True)
    plan = training_setup.set_up_training(slides, replace(TINY, validation=0.2))
    groups = [{image.group for image in plan.images[purpose]} for purpose in ("train", "validate")]
    assert not groups[0] & groups[1]
    assert 1 <= len(plan.images["validate"]) <= 2
    model_id = train.train(slides, replace(TINY, validation=0.2), Silent())
    for seed in range(5):
        warm = training_setup.set_up_training(slides, TrainConfig(seed=seed, validation=0.2))
        assert warm.parent.id == model_id
        assert {image.group for image in warm.images["validate"]} <= groups[1]
    assert not training_setup.set_up_training(slides, replace(TINY, validation=0)).images["validate"]


def test_earlier_models_are_measured_on_test_images_that_joined_since(trained):
    first, before = 1, trained.evaluations.of(1)
    free, _ = add_image(trained, 21, group="slide 21")
    group = trained._database.value("SELECT group_id FROM image WHERE id = ?", (free,))
    trained.splits.move([group], "test")
    _, cells = synth.draw(21, width=160, height=120, n_cells=8)
    trained.reviews.save(free, cells, origin="expert", base_revision=0)
    progress = Silent()
    second = train.train(trained, replace(TINY, seed=1), progress)
    points = {point.model_id: point.evaluation for point in trained.evaluations.curve()}
    assert before.n_images == 1
    assert points[first].n_images == points[second].n_images == 2
    assert sum(points[first].n_cells) == sum(before.n_cells) + len(cells)
    assert f"Measuring model {first} on 1 new test image, too" in progress.lines
    pairs = [
        (load_annotations(trained, image), trained.evaluations.detections(first)[image.id])
        for image in trained.images.test()
    ]
    figures = replace(points[first], intervals=None)
    assert figures == average_precision.evaluate(pairs, 3, trained.classes.rare_labels())
