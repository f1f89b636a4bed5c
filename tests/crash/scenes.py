"""What is killed, and what must hold afterwards: one class for each kind of work."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from rbcal.formats import coco, files, labels, pictures
from rbcal.review.history import replay
from rbcal.store import backups
from rbcal.store.log import BoxState
from rbcal.store.project import Project, check
from rbcal.types import Annotations
from tests.browser.driver import plant
from tests.conftest import CLASSES, add_image, write_coco
from tests.crash import older
from tests.crash.editor import plain
from tests.crash.kill import LostError, Program, Tally, expect_sound, kill_after
from tests.crash.review_page import fingerprint

_FRESH = 20  # kills after which a file is begun anew, so that it stays quick to look at


def expect(holds: bool, what: str) -> None:
    """Call it a loss unless it holds."""
    if not holds:
        raise LostError(what)


def expect_editable(path: Path) -> None:
    """Raise unless the project opens and takes another act."""
    with Project.open(path) as project:
        image = project.images.all()[0]
        boxes = dict(project.log.boxes(image.id))
        boxes[project.log.next_number(image.id)] = BoxState((1, 1, 9, 9), 0, "drawn")
        before = project.log.version(image.id)
        version = project.log.record(image.id, "edit" if before else "begin", boxes, version=before)
        assert version == before + 1
        assert project.log.boxes(image.id) == boxes


def expect_acts(path: Path, acts: list[dict[str, Any]]) -> int:
    """Call it a loss unless each act is in the log exactly; return how many acts the log has."""
    wanted = {(each["image"], each["version"]): each for each in acts}
    expect(len(wanted) == len(acts), "two acts were acknowledged as the same version: the first is gone")
    n_acts = 0
    with Project.open(path) as project:
        for image in project.images.all():
            boxes: dict[int, BoxState] = {}
            for act in project.log.acts(image.id):
                n_acts += 1
                boxes = boxes_after(boxes, act)
                each = wanted.pop((image.id, act.version), None)
                if each is not None:
                    expect(plain(boxes) == each["boxes"], f"act {act.version} on image {image.id} differs")
                    expect(act.kind == each.get("kind", act.kind), f"act {act.version} is not of its kind")
    expect(not wanted, f"{len(wanted)} acknowledged acts are gone: {sorted(wanted)[:3]}")
    return n_acts


def boxes_after(boxes: dict[int, BoxState], act: Any) -> dict[int, BoxState]:
    """Return boxes after one more act, written down apart from the code under test."""
    boxes = dict(boxes)
    for number, _, after in act.events:
        if after is None:
            boxes.pop(number)
        else:
            boxes[number] = after
    return dict(sorted(boxes.items()))


class Editing:
    """Edits at full speed through the store; the same file lives on from kill to kill."""

    name, span = "editing (store)", 1.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acts: list[dict[str, Any]] = []
        self.extra = 0

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        path = self.folder / f"edit{number // _FRESH}.rbcal"
        if number % _FRESH == 0:
            self.acts, self.extra = [], 0
            with Project.create(path, classes=CLASSES) as project:
                for seed in range(4):
                    add_image(project, seed)
        program = Program("editor", path, rng.random())
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.midway += 1
        tally.acts += len(acts)
        self.acts += acts
        n_acts = expect_acts(path, self.acts)
        expect_sound(path)
        # What was under way when it died may be there or not; no more than that one act.
        unknown = n_acts - len(self.acts) - self.extra
        assert unknown in (0, 1), f"{unknown} acts that nobody acknowledged"
        expect_editable(path)
        self.extra += unknown + 1


class ReviewPage:
    """Edits through the app's own Review page, with undo and redo; each begins with what is there."""

    name, span = "editing (Review page)", 2.0

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.acts: list[dict[str, Any]] = []

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        path = self.folder / f"review{number // _FRESH}" / "review.rbcal"
        if number % _FRESH == 0:
            path.parent.mkdir()
            plant(path, 2, width=160, height=120, n_cells=12)
            self.acts = []
        program = Program("review_page", path, rng.random())
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.midway += 1
        tally.acts += len(acts)
        self.acts += [each for each in acts if "version" in each]
        expect_acts(path, self.acts)
        expect_sound(path)
        self._expect_history(path, acts)

    def _expect_history(self, path: Path, acts: list[dict[str, Any]]) -> None:
        """Undo and redo are those of the last act, unless the one under way came through, too."""
        if not acts:
            return
        last = acts[-1]
        with Project.open(path) as project:
            if last.get("kind") == "save":
                labels = sorted(project.reviews.current(last["image"]).annotations.labels.tolist())
                expect(labels == last["labels"], "the review that was saved is not the last one")
                return
            work = project.log.work(last["image"])
        if work.version == last["version"]:
            history = replay(work, set(last["flagged"]))
            expect(fingerprint(history) == last["history"], "undo and redo are not those of before")


class Importing:
    """An import of pictures with boxes; what was killed is taken up by the same import again."""

    name, span = "import", 0.5

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.dataset = coco.read(write_coco(self.source, 80).read_bytes())
        self.path = folder / "import0.rbcal"

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        if not self.path.exists():
            Project.create(self.path).close()
        program = Program("importer", self.path, self.source)
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.acts += len(acts)
        names = {each["name"] for each in acts}
        with Project.open(self.path) as project:
            there = {image.name: image for image in project.images.all()}
            expect(names <= there.keys(), f"{sorted(names - there.keys())} are gone")
            for image in self.dataset.images:
                if image.file_name in there:
                    self._expect_whole(project, image, there[image.file_name].id)
        expect_sound(self.path)
        tally.midway += len(there) < len(self.dataset.images)
        if len(there) == len(self.dataset.images):
            self.path = self.folder / f"import{number + 1}.rbcal"

    def _expect_whole(self, project: Project, image: Any, image_id: int) -> None:
        """An image is there with its boxes, or not at all."""
        content = (self.source / "images" / image.file_name).read_bytes()
        expect(project.images.content(image_id) == content, f"{image.file_name} has other bytes")
        review = project.reviews.current(image_id)
        expect(review is not None, f"{image.file_name} is there without its boxes")
        wanted = Annotations(image.boxes, [CLASSES.index(name) for name in image.classes])
        expect((review.annotations.boxes == wanted.boxes).all(), f"{image.file_name} has other boxes")
        expect((review.annotations.labels == wanted.labels).all(), f"{image.file_name} has other classes")


class Migrating:
    """A file of this format on its way to the next one."""

    name = "migration"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.template = folder / "template.rbcal"
        self.planted = older.plant_older(self.template)
        shutil.copy(self.template, folder / "whole.rbcal")
        self.span = Program("opener", folder / "whole.rbcal").span()

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        path = self.folder / f"old{number}" / "old.rbcal"
        path.parent.mkdir()
        shutil.copy(self.template, path)
        program = Program("opener", path)
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.midway += not acts
        tally.acts += len(acts)
        with older.next_format():
            self._expect_old_or_new(path, acts)
        shutil.rmtree(path.parent)

    def _expect_old_or_new(self, path: Path, acts: list[Any]) -> None:
        """The file is of one of the formats, with all that was in it, and has a backup of the older one."""
        now = check(path).user_version  # its tables are, to the letter, those of that format
        assert now in (older.OLD, older.NEW), f"between two formats: {now}"
        expect(not acts or now == older.NEW, "it was opened, and is of the old format again")
        self.planted.expect_in(path)
        expect_sound(path)
        kept = [each.path for each in backups.listing(path) if each.why == f"before-format-{older.NEW}"]
        assert kept, "there is no backup of the older format"
        for copy in kept:
            assert check(copy).user_version == older.OLD
        back = path.with_name("back.rbcal")
        shutil.copy(kept[-1], back)
        self.planted.expect_in(back)


class Restoring:
    """A backup on its way back into a project that goes on being edited."""

    name = "restore"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        path = folder / "whole.rbcal"
        Project.create(path).close()
        self.span = Program("restorer", path, backups.create(path, backups.ASKED)).span()

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        path = self.folder / f"restore{number}" / "p.rbcal"
        path.parent.mkdir()
        with Project.create(path, classes=CLASSES) as project:
            images = [add_image(project, seed, annotated=True)[0] for seed in range(3)]
            before = {image_id: project.log.acts(image_id) for image_id in images}
            copy = backups.create(path, backups.ASKED)
            for image_id in images:
                project.log.record(image_id, "edit", {}, version=1)
            after = {image_id: project.log.acts(image_id) for image_id in images}
        program = Program("restorer", path, copy)
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.midway += not acts
        tally.acts += len(acts)
        with Project.open(path) as project:
            now = {image_id: project.log.acts(image_id) for image_id in images}
        expect(now == before or (now == after and not acts), "it is neither what it was nor the backup")
        expect_sound(path)
        expect_sound(copy)
        expect_editable(path)
        assert not [each for each in backups.listing(path) if each.n_bytes == 0]
        shutil.rmtree(path.parent)


class _Acting:
    """A program does one thing again and again; each kill is looked at, and the next goes on from there."""

    name, span = "", 0.4

    def __init__(self, folder: Path) -> None:
        self.path = folder / "p.rbcal"
        with Project.create(self.path, classes=CLASSES) as project:
            self.planted = dict(add_image(project, seed, annotated=True) for seed in range(4))

    def __call__(self, rng: Random, number: int, tally: Tally) -> None:
        program = Program("actor", *self.arguments(rng))
        program.ready()
        acts = kill_after(program, rng.uniform(0, self.span))
        tally.midway += 1
        tally.acts += len(acts)
        with Project.open(self.path) as project:
            for image_id, annotations in self.planted.items():
                stored = project.log.reviewed_as_stored(project.images.get(image_id).review_id).values()
                classes = [state.label for state in stored]
                expect(classes == annotations.labels.tolist(), f"image {image_id} has other classes")
                expect(np.array_equal([state.box for state in stored], annotations.boxes), "other boxes")
        expect_sound(self.path)
        self.expect_kept(acts)


class Thinning(_Acting):
    """Copies are made and older ones thinned; some are months old, and some were asked for."""

    name = "backup thinning"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.days = iter(range(1, 10_000))

    def arguments(self, rng: Random) -> tuple[object, ...]:
        first = backups.create(self.path, backups.ASKED)
        self.asked = [each.path for each in backups.listing(self.path) if each.why == backups.ASKED]
        for _ in range(4):
            made_at = datetime.now(UTC) - timedelta(days=next(self.days) % 100)
            name = f"p--{made_at:%Y%m%dT%H%M%S%fZ}--before-training.rbcal"
            shutil.copy(first, first.with_name(name))
        return "thin", self.path

    def expect_kept(self, acts: list[Any]) -> None:
        """Every copy that is listed is whole; the last ones, and those that were asked for, are there."""
        copies = backups.listing(self.path)
        there = {each.path.name for each in copies}
        expect(
            there.issuperset(each["kept"] for each in acts[-2:]), "a new backup is gone"
        )  # the one under way counts, too
        expect(there.issuperset(path.name for path in self.asked), "a backup that was asked for is gone")
        for each in copies:
            expect_sound(each.path)
        for each in self.asked[:-2]:
            each.unlink()  # else there are more and more to look at


class Merging(_Acting):
    """Classes are merged into others, and unmerged."""

    name = "class merges"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.rows: list[Any] = []

    def arguments(self, rng: Random) -> tuple[object, ...]:
        return "merge", self.path, rng.random()

    def expect_kept(self, acts: list[Any]) -> None:
        """Each merge that was acknowledged is there, in order, and at most the one that was under way."""
        with Project.open(self.path) as project:
            rows = project._database.tuples("SELECT class_id, target_id FROM class_merge ORDER BY id")
        wanted = [*self.rows, *map(tuple, acts)]
        expect(rows[: len(wanted)] == wanted, "a merge is gone, or another one")
        assert len(rows) <= len(wanted) + 1, "merges that nobody acknowledged"
        self.rows = rows


class Exporting(_Acting):
    """An export is written again and again over the last one."""

    name = "export"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.outputs = folder / "exports"
        self.outputs.mkdir()

    def arguments(self, rng: Random) -> tuple[object, ...]:
        self.format = rng.choice(("coco", "voc", "yolo"))
        return "export", self.path, self.outputs / "out", self.format

    def expect_kept(self, acts: list[Any]) -> None:
        """Whatever has the name of an export is whole, and nothing that was whole is gone."""
        whole = [each for each in self.outputs.iterdir() if each.suffix != ".rbcal-part"]
        expect(len(whole) >= len(acts), f"{len(acts)} exports were made, and {len(whole)} are there")
        for each in whole:
            source = files.folder(each)
            dataset = labels.read(source, _pictures(source), pictures.size)
            assert not dataset.complaints, dataset.complaints
            n_cells = sum(len(image.boxes) for image in dataset.images)
            assert n_cells == sum(map(len, self.planted.values())), f"{each.name} has {n_cells} cells"
            assert len(_pictures(source)) == len(self.planted), each.name
        shutil.rmtree(self.outputs)
        self.outputs.mkdir()


def _pictures(source: files.Files) -> files.Files:
    return {name: read for name, read in source.items() if name.endswith(".png")}


# without torch: a second or less each
QUICK = (Editing, ReviewPage, Importing, Migrating, Restoring, Thinning, Merging, Exporting)
