"""What the container and the workflows start: commands that exist, a token, projects in the volume."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tomllib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import typer
import yaml

from rbcal.cli import app
from tests.browser.conftest import free_port, wait_until_healthy

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / ".docker/Dockerfile").read_text("utf-8")
IGNORE = (ROOT / ".docker/Dockerfile.dockerignore").read_text("utf-8").splitlines()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def instruction(name: str) -> str:
    """Return what the last instruction of that name says."""
    return re.findall(rf"^{name} (.*)$", DOCKERFILE, re.MULTILINE)[-1]


@pytest.fixture
def address(tmp_path: Path):
    """The app, started as the container starts it, over another folder and at a free port."""
    port, log = free_port(), tmp_path / "log"
    command = [*json.loads(instruction("ENTRYPOINT")), *json.loads(instruction("CMD"))]
    command[command.index("8501")] = str(port)
    environment = {**os.environ, "RBCAL_PROJECTS": str(tmp_path), "RBCAL_TOKEN": "of-this-test"}
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=tmp_path, env=environment, stdout=output, stderr=output)
        try:
            wait_until_healthy(f"http://127.0.0.1:{port}", server, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            server.terminate()
            server.wait(20)


def test_the_container_asks_for_the_token(address):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(address)
    with urllib.request.urlopen(f"{address}/_stcore/health") as health:
        assert health.read() == b"ok"


def test_its_projects_are_in_the_volume():
    assert instruction("VOLUME") == "/projects"
    assert "RBCAL_PROJECTS=/projects" in instruction("ENV")
    assert "--projects" not in instruction("CMD")


def test_it_is_built_from_what_the_wheel_needs():
    included = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = [*included["packages"], *included["force-include"], PROJECT["project"]["readme"], "LICENSE"]
    kept = {line.removeprefix("!") for line in IGNORE if line.startswith("!")}
    assert {name.split("/")[0] for name in needed} | {"pyproject.toml"} == kept
    assert "*" in IGNORE


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_runs_tasks_and_commands_that_exist(path):
    steps = [
        step for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values() for step in job["steps"]
    ]
    text = "\n".join(step.get("run", "") for step in steps)
    assert set(re.findall(r"\bpoe (\w+)", text)) <= PROJECT["tool"]["poe"]["tasks"].keys()
    commands = typer.main.get_command(app).commands
    assert set(re.findall(r"docker run --rm rbcal (\w+)", text)) <= commands.keys()
    assert all((ROOT / name).exists() for name in re.findall(r"(?:bash|--file) (\S+)", text))


def test_the_workflows_test_every_version_of_python_from_the_lowest_on():
    matrix = yaml.safe_load(WORKFLOWS[0].read_text("utf-8"))["jobs"]["tests"]["strategy"]["matrix"]
    assert f">={matrix['python'][0]}" == PROJECT["project"]["requires-python"]
    assert {name.split("-")[0] for name in matrix["os"]} == {"ubuntu", "macos", "windows"}
