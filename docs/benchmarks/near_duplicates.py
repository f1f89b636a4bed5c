"""Measure near-duplicates on different pictures: python docs/benchmarks/near_duplicates.py FOLDER."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from rbcal import synth
from rbcal.formats.pictures import Pixels, decode
from rbcal.interchange.near_duplicates import MOST_DIFFERENT, near_pairs, perceptual_hash

Picture = Image.Image


def jpeg(picture: Picture) -> Picture:
    """Return a picture as JPEG of quality 60 gives it back."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=60)
    return Image.open(file)


def resized(factor: float) -> Callable[[Picture], Picture]:
    """Return what makes a picture larger or smaller."""
    return lambda picture: picture.resize([round(side * factor) for side in picture.size])


def brighter(factor: float) -> Callable[[Picture], Picture]:
    """Return what makes a picture brighter."""
    return lambda picture: ImageEnhance.Brightness(picture).enhance(factor)


def cut(share: float) -> Callable[[Picture], Picture]:
    """Return what cuts a share of each border off."""
    return lambda picture: picture.crop(
        [round(side * part) for part in (share, 1 - share) for side in picture.size]
    )


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG of quality 60": jpeg,
    "half the size": resized(0.5),
    "1.5 times the size": resized(1.5),
    "15 % brighter": brighter(1.15),
    "15 % darker": brighter(0.85),
    "contrast + 30 %": lambda picture: ImageEnhance.Contrast(picture).enhance(1.3),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "resized, 10 % brighter and JPEG of quality 60": lambda each: jpeg(brighter(1.1)(resized(0.8)(each))),
    "2 % of each border cut off": cut(0.02),
    "5 % of each border cut off": cut(0.05),
    "mirrored": ImageOps.mirror,
}


def distances(hashes: list[bytes]) -> np.ndarray:
    """Return the bits in which each pair of N hashes differs, (N * (N - 1) / 2,)."""
    words = np.frombuffer(b"".join(hashes), np.uint64).reshape(len(hashes), -1)
    first, second = np.triu_indices(len(hashes), 1)
    return np.bitwise_count(words[first] ^ words[second]).sum(axis=1)


def near_empty(kind: str) -> list[Pixels]:
    """Return 60 drawn fields with three cells, under the same light."""
    drawn = [synth.draw(seed, width=640, height=480, n_cells=3)[0] for seed in range(60)]
    return drawn if kind == "PNG" else [np.asarray(jpeg(Image.fromarray(each))) for each in drawn]


def main(folder: Path) -> None:
    """Print the rows of the table."""
    pictures = [decode(path.read_bytes()) for path in sorted(folder.iterdir())]
    began = time.process_time()
    hashes = [perceptual_hash(pixels) for pixels in pictures]
    print(f"CPU: {(time.process_time() - began) / len(pictures) * 1e3:.1f} ms a picture")
    random = [bytes(each) for each in np.random.default_rng(0).integers(0, 256, (10_000, 32), np.uint8)]
    began = time.process_time()
    near_pairs(random)
    print(f"10,000 pictures among each other: {time.process_time() - began:.2f} s")
    apart = distances(hashes)
    print("least, 0.1 %, 1 %, median:", np.quantile(apart, [0, 0.001, 0.01, 0.5]).tolist())
    print(f"reported: {(apart <= MOST_DIFFERENT).sum()} of {len(apart):,}")
    for kind in ("PNG", "JPEG"):
        print(
            "least of 60 nearly empty fields,",
            kind,
            distances(list(map(perceptual_hash, near_empty(kind)))).min(),
        )
    for name, change in CHANGES.items():
        changed = [perceptual_hash(np.asarray(change(Image.fromarray(pixels)))) for pixels in pictures]
        bits = np.array([distances([*pair])[0] for pair in zip(hashes, changed, strict=True)])
        found = (bits <= MOST_DIFFERENT).mean()
        print(f"| {name} | {np.median(bits):g}, {bits.max()} | {found:.1%} |", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
