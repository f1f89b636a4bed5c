"""What `rbcal bench` measured, as text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def bench_table(document: Mapping[str, Any]) -> str:
    """Return the document of :func:`rbcal.benchmarks.detector_speed.bench` as lines for a terminal."""
    return "\n".join(_lines(document))


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield "  ".join(f"{key} {value}" for key, value in document["machine"].items())
    for name, measured in document["scoring"].items():
        cells, precision = f"{measured['cells']:.0f} cells", measured["precision"]
        kind = "a second look" if measured["second_look"] else "no second look"
        yield f"\nScoring, {name}, {kind}, {measured['passes']} passes, {cells}, {precision}"
        yield f"  a plain pass, no look {measured['plain_s']:8.4f} s"
        yield (
            f"  scoring               {measured['scoring_s']:8.4f} s   "
            f"{measured['ratio_to_plain']:.2f} x a plain pass"
        )
        yield (
            f"  {measured['passes']} whole passes       {measured['full_passes_s']:8.4f} s   scoring is "
            f"{measured['speedup_over_full_passes']:.1f} x as fast"
        )
        yield f"  images per second     {measured['images_per_second']:8.2f}"
        for stage, seconds in measured["stages_s"].items():
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
    for name, measured in training["detectors"].items():
        yield (
            f"  {name:36}{measured['seconds_per_step']:7.3f} s a step  "
            f"AP@0.5 {measured['ap_50']:.3f} after "
            f"{measured['steps']} steps, {measured['seconds']:.0f} s  "
            f"({measured['ap_50_per_minute']:.3f} a minute)"
            f"  weights: {measured['weights']}"
        )


def store_table(document: Mapping[str, Any]) -> str:
    """Return the document of :func:`rbcal.benchmarks.store_speed.bench_store` as lines for a terminal."""
    return "\n".join(_store_lines(document))


def _store_lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield "  ".join(f"{key} {value}" for key, value in document["machine"].items())
    yield f"\n{document['images']:,} images, {document['boxes']:,} boxes, {document['file_mb']:,.0f} MB"
    took = document["import"]
    yield f"  import                {took['images_per_second']:8.0f} images a second"
    yield f"    memory              {_mib(took['mib_after_a_quarter'])} after a quarter of the images,"
    yield f"                        {_mib(took['mib_after_three_quarters'])} after three quarters"
    yield f"  open, Project page    {document['open_s'] * 1e3:8.0f} ms"
    yield f"  reorder the pool      {document['reorder_s']:8.1f} s"
    yield f"  queue                 {document['queue_s'] * 1e3:8.0f} ms"
    yield f"  next image, p95       {document['next_image_p95_s'] * 1e3:8.0f} ms of {document['reviewed']}"
    yield f"  save, p95             {document['save_p95_s'] * 1e3:8.0f} ms"
    yield f"  next cells, p95       {document['next_cells_p95_s'] * 1e3:8.0f} ms"
    yield f"  save cells, p95       {document['save_cells_p95_s'] * 1e3:8.0f} ms"
    yield f"  cells like one, first {document['first_more_like_s'] * 1e3:8.0f} ms"
    yield f"    of others, p95      {document['more_like_p95_s'] * 1e3:8.0f} ms"
    yield f"    memory              {_mib(document['mib_before_reviewing'])} before,"
    yield f"                        {_mib(document['mib_after_reviewing'])} after reviewing"
    yield "\nTimes those of a bare sqlite3 script over the same rows"
    for name, ratio in document["ratio_to_bare_sqlite3"].items():
        yield f"  {name.replace('_', ' '):20}{ratio:10.2f}"


def _mib(value: float | None) -> str:
    return "     ? MiB" if value is None else f"{value:6.0f} MiB"
