"""What `rbcal bench` measured, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def bench_table(document: Mapping[str, Any]) -> str:
    """Return the document of :func:`rbcal.vision.bench.bench` as lines for a terminal."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield "  ".join(f"{key} {value}" for key, value in document["machine"].items())
    for name, found in document["scoring"].items():
        yield f"\nScoring, {name}, {found['passes']} passes, {found['cells']:.0f} cells, {found['precision']}"
        yield f"  a plain pass          {found['plain_s']:8.4f} s"
        yield (
            f"  scoring               {found['scoring_s']:8.4f} s   "
            f"{found['ratio_to_plain']:.2f} x a plain pass"
        )
        yield (
            f"  {found['passes']} whole passes       {found['full_passes_s']:8.4f} s   scoring is "
            f"{found['speedup_over_full_passes']:.1f} x as fast"
        )
        yield f"  images per second     {found['images_per_second']:8.2f}"
        for stage, seconds in found["stages_s"].items():
            yield f"    {stage.replace('_', ' '):28}{seconds:8.4f} s"
    memory = document["memory"]
    if memory["mib_after_50_images"] is not None:
        yield (
            f"\nMemory of scoring: {memory['mib_after_50_images']:.0f} MiB after 50 images, "
            f"{memory['mib_after_200_images']:.0f} MiB after 200"
        )
    if "training" not in document:
        return
    training = document["training"]
    yield (
        f"\nTraining, batches of {training['batch_size']}: a step takes "
        f"{training['ratio_to_resnet50_fpn']:.2f} x that of fasterrcnn_resnet50_fpn"
    )
    for name, found in training["detectors"].items():
        yield (
            f"  {name:36}{found['seconds_per_step']:7.3f} s a step  AP@0.5 {found['ap_50']:.3f} after "
            f"{found['steps']} steps, {found['seconds']:.0f} s  ({found['ap_50_per_minute']:.3f} a minute)"
            f"  weights: {found['weights']}"
        )
