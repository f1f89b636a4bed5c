"""Python and JavaScript of the Review page: one table of shortcuts, one list of acts and of messages."""

from __future__ import annotations

import re
from pathlib import Path

import rbcal.ui.review
from rbcal.review.messages import ActMessage, CompanionMessages, FilmstripMessages
from rbcal.review.shortcuts import SHORTCUTS
from rbcal.ui.review.acts import ACTS

JS = {path.stem: path.read_text("utf-8") for path in Path(rbcal.ui.review.__file__).parent.glob("js/*.js")}
SCRIPTS = "\n".join(JS.values())
ASKED = set(re.findall(r"messages\.(?:ask|deal)\('(\w+)'", SCRIPTS))
LOCAL = set(re.findall(r"^  (\w+): \(stage", JS["keys"], re.MULTILINE))


def test_python_knows_every_act_that_the_browser_asks_for():
    assert {"relabel", "move", "choose", "zoom_to"} <= ASKED
    assert ACTS.keys() >= ASKED


def test_every_shortcut_does_something():
    actions = {each.action for each in SHORTCUTS if each.keys}
    assert actions <= ACTS.keys() | LOCAL
    assert actions >= LOCAL


def test_the_messages_have_the_names_that_python_reads():
    sent = set(re.findall(r"set(?:State|Trigger)Value\('(\w+)'", SCRIPTS))
    assert sent == CompanionMessages.__annotations__.keys() | FilmstripMessages.__annotations__.keys()
    [act] = re.findall(r"setTriggerValue\('act', \{(.*?)\}\)", SCRIPTS)
    assert set(re.findall(r"(\w+)(?:: [\w.]+)?(?:,|$)", act.strip())) == ActMessage.__annotations__.keys()


def test_no_key_of_the_table_is_named_by_the_scripts():
    keys = {key.split("+")[-1] for each in SHORTCUTS for key in each.keys if key[-1] not in "+-=0"}
    keys -= {"Enter", "Escape"}  # which the scripts press themselves, to end the component's text editor
    assert [key for key in keys if f"'{key}'" in JS["keys"] + JS["stage"] + JS["messages"]] == []
