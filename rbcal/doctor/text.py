"""A bug report as text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from rbcal.doctor.collect import BugReport, Devices, Disk, Machine, ProjectState
from rbcal.store.health import LastJob
from rbcal.wording import count, listed

_WIDTH = 84


def as_text(report: BugReport) -> str:
    """Return a report as lines to paste into a message."""
    return "\n".join(_lines(report))


def _lines(report: BugReport) -> Iterator[str]:
    machine, disk = report.machine, report.disk
    yield "Text for a bug report by `rbcal doctor`. It has no name, no path and no image."
    yield ""
    if report.error is not None:
        yield f"Error     {' < '.join([report.error.kind, *reversed(report.error.places)])}"
    yield f"rbcal     {report.rbcal}, {report.source}"
    yield f"System    {machine.system}; Python {machine.python}, SQLite {machine.sqlite}"
    cores = count(machine.cores, "core")
    yield f"Machine   {cores}, {machine.usable_cores} of them usable; {_memory(machine)}"
    yield f"Devices   {_devices_words(report.devices)}"
    yield f"Disk      {_disk_words(disk)}"
    yield f"Projects  {len(report.projects)}"
    for state in report.projects:
        yield f"  {_project_words(state)}"
    packages = ", ".join(f"{name} {installed}" for name, installed in report.packages.items())
    yield from textwrap.wrap(packages, _WIDTH, initial_indent="Packages  ", subsequent_indent=" " * 10)


def _memory(machine: Machine) -> str:
    return f"{_size(machine.free_memory_bytes)} of {_size(machine.memory_bytes)} memory free"


def _devices_words(devices: Devices) -> str:
    if devices.problem:
        return devices.problem
    words = [f"auto is {devices.auto}", f"CUDA of torch: {devices.cuda or 'none'}"]
    for each in devices.devices:
        more = [str(each[key]) for key in ("model",) if key in each]
        more += [f"capability {each['capability']}"] if "capability" in each else []
        more += [_size(each["bytes"])] if "bytes" in each else []
        more += [count(each["cores"], "core")] if "cores" in each else []
        words.append(" ".join([each["name"], f"({', '.join(more)})" if more else ""]).strip())
    return "; ".join(words)


def _disk_words(disk: Disk) -> str:
    if not disk.exists:
        return "there is no folder of projects"
    if disk.free_bytes is None or disk.n_bytes is None:
        return "the folder of the projects cannot be read"
    kind = f", {disk.file_system}" if disk.file_system else ""
    writable = "can be written" if disk.is_writable else "CANNOT be written"
    return (
        f"{_size(disk.free_bytes)} of {_size(disk.n_bytes)} free{kind}; the folder of the projects {writable}"
    )


def _project_words(state: ProjectState) -> str:
    health = state.health
    name = f"{state.number}{' (open)' if state.is_open else ''}"
    if health.n_bytes is None:
        return f"{name}: cannot be read: {listed(health.problems)}"
    words = [f"{_size(health.n_bytes)}, format {'unknown' if health.format is None else health.format}"]
    if health.problems:
        words.append(f"NOT WHOLE: {listed(health.problems)}")
    else:
        words.append(
            "rows are whole" if health.is_checked else "rows not checked: it is large, or of an older format"
        )
    words.append(", ".join(f"{what.replace('_', ' ')} {n:,}" for what, n in health.counts.items()))
    words.append(_job_words(health.last_job))
    if state.has_worker:
        words.append("a worker is alive")
    return f"{name}: {'; '.join(filter(None, words))}"


def _job_words(job: LastJob | None) -> str:
    if job is None:
        return "no job yet"
    more = "".join(f", {each}" for each in (job.error, job.place) if each)
    return f"last job: {job.kind} {job.state}{more}"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e9:,.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:,.1f} MB"
