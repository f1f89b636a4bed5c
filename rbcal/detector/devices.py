"""Where tensors live and how exact they are: the device, its fast precision, the end of its memory."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from rbcal.errors import DetectorError


def resolve_device(name: str) -> torch.device:
    """Return the device of that name; "auto" is a GPU if there is one, else the CPU.

    Raises
    ------
    DetectorError
        If there is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()  # a device without memory, such as "meta", has no item
    except (RuntimeError, AssertionError, NotImplementedError) as err:  # a torch without CUDA asserts
        raise DetectorError(f"There is no device {name!r} on this machine. Choose auto or cpu.") from err
    return device


def describe_devices() -> dict[str, Any]:
    """Return what torch can compute on here, as JSON takes it; for :mod:`rbcal.doctor.collect`."""
    cpu: dict[str, Any] = {"name": "cpu", "model": torch.backends.cpu.get_cpu_capability()}
    devices = [cpu | {"cores": n_cores()}]
    for index in range(torch.cuda.device_count()):
        gpu = torch.cuda.get_device_properties(index)
        capability = f"{gpu.major}.{gpu.minor}"
        devices.append(
            {"name": f"cuda:{index}", "model": gpu.name, "bytes": gpu.total_memory, "capability": capability}
        )
    if torch.backends.mps.is_available():
        devices.append({"name": "mps"})
    return {"devices": devices, "cuda": torch.version.cuda, "auto": str(resolve_device("auto"))}


def inference_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the device computes it faster than float32, else float32.

    It is used up to the first dropout alone; what scores are made of is float32 everywhere.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        # Older versions of torch cannot tell.
        capabilities: dict[str, bool] = getattr(torch.cpu, "get_capabilities", dict)()
        fast = device.type == "cpu" and capabilities.get("avx512_bf16", False)
    return torch.bfloat16 if fast else torch.float32


def training_precision(device: torch.device) -> torch.dtype:
    """Return bfloat16 on a GPU that has it, else float32: on a CPU its backward pass is the slower one."""
    return inference_precision(device) if device.type == "cuda" else torch.float32


def is_out_of_memory(err: BaseException) -> bool:
    """Return whether an error says that the device, or the machine, has no memory left."""
    if isinstance(err, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(err, RuntimeError) and any(
        clue in str(err)
        for clue in ("not enough memory", "can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    )


def n_cores() -> int:
    """Return how many cores of the CPU this process computes on."""
    return torch.get_num_threads()


@contextmanager
def on_cores(n: int) -> Iterator[None]:
    """Compute on so many cores of the CPU: the last digits of what comes out depend on their number."""
    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def one_core() -> Iterator[None]:
    """Compute on one core of the CPU, whatever the machine has."""
    with on_cores(1):
        yield


def free_memory() -> None:
    """Give back what the allocator of the GPU holds but does not use."""
    gc.collect()  # tensors that a traceback held
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
