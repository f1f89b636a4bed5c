"""Stop advice on the Progress page, without a browser."""

from __future__ import annotations

from tests.ui.test_pages import words


def target(at, name):
    return next(each for each in at.number_input if each.label == f"Target for {name}" and "/" in each.key)


def test_a_target_is_kept_and_reaching_it_is_seen(app, measured):
    at = app("progress", "Details")
    assert "Say what is good enough" in words(at)
    assert "Too few trainings to say" in words(at)
    assert "3 red cells are left in the images that wait" in words(at)
    target(at, "Precision_all").set_value(0.6).run()
    assert "Not yet." in words(at)
    assert measured.targets.all() == {"precision_all": 0.6}
    target(at, "Precision_all").set_value(0.5).run()
    assert "The target is reached" in at.success[0].value
    assert at.success[0].icon == ":material/flag:"
    again = app("progress", "Details")
    assert "The target is reached" in words(again)
    target(again, "Precision_all").set_value(0.0).run()
    assert measured.targets.all() == {}
    assert not again.exception
