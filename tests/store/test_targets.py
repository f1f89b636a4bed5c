"""What the expert wants to reach."""

from __future__ import annotations

import pytest

from rbcal.errors import ProjectError
from rbcal.store.project import Project


def test_a_target_stays_until_it_is_changed_or_taken_back(project):
    assert project.targets.all() == {}
    project.targets.set("precision_all", 0.8)
    project.targets.set("rare_ap_50", 0.5)
    project.targets.set("precision_all", 0.85)
    with Project.open(project.path) as again:
        assert again.targets.all() == {"precision_all": 0.85, "rare_ap_50": 0.5}
    project.targets.set("rare_ap_50", None)
    assert project.targets.all() == {"precision_all": 0.85}


@pytest.mark.parametrize("value", [0, -0.1, 1.01, float("nan")])
def test_a_target_that_no_model_can_reach_is_refused(project, value):
    with pytest.raises(ProjectError, match="above 0 and at most 1"):
        project.targets.set("precision_all", value)


def test_a_target_for_something_else_is_refused(project):
    with pytest.raises(ProjectError, match="Choose one of: precision_all, rare_ap_50"):
        project.targets.set("loss", 0.1)
