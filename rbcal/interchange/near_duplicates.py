"""Near-duplicates: images that show the same field, saved again, resized or made brighter.

A perceptual hash says how the brightness of a picture changes from place to place, on scales from the whole
field down to a few cells: the signs of its lowest spatial frequencies. Another encoding, size, brightness or
contrast leaves them; another field of the same slide, stained and lit alike, has its cells elsewhere and
differs in nearly half of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
from imagehash import phash
from PIL import Image

from rbcal.errors import ImageError
from rbcal.formats.pictures import Pixels, decode
from rbcal.store.project import Project

N_BYTES = 32  # of a hash
MOST_DIFFERENT = 52  # of 256 bits; other fields were seen to differ in 62 or more, copies in 52 or fewer
MOST_PAIRS = 10_000  # that are looked for; a folder of blank pictures has more than the memory holds
_SIDE = 64  # pixels of the small copy
_FREQUENCIES = 16  # an axis; a red cell is as wide as half a wave of the highest, or wider
_BLOCK = 250  # hashes that are compared with all others at once; bounds the memory


def perceptual_hash(pixels: Pixels) -> bytes:
    """Return 256 bits, in which pictures of the same field agree: the signs of their lowest frequencies.

    Parameters
    ----------
    pixels : (H, W, 3) uint8

    Returns
    -------
    bytes
        32 of them.

    References
    ----------
    C. Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions, 2010: the hash based on the
    cosine transform, here with 16 x 16 instead of 8 x 8 frequencies.
    """
    grey = Image.fromarray(pixels).convert("L").resize((_SIDE, _SIDE), Image.Resampling.BOX)  # a mean: fast
    return np.packbits(phash(grey, _FREQUENCIES, _SIDE // _FREQUENCIES).hash).tobytes()


def near_pairs(hashes: Sequence[bytes], most: int = MOST_DIFFERENT) -> list[tuple[int, int]]:
    """Return the positions of the pairs of hashes that differ in at most `most` bits, the first one first.

    The search ends at :data:`MOST_PAIRS`, and looks at no more than it must.

    >>> near_pairs([bytes(32), bytes([7]) + bytes(31), bytes([255]) * 32])
    [(0, 1)]
    """
    words = np.frombuffer(b"".join(hashes), np.uint64).reshape(-1, N_BYTES // 8)
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(words), _BLOCK):
        block, rest = words[start : start + _BLOCK], words[start:]
        differ = np.zeros((len(block), len(rest)), np.uint16)
        for word in range(words.shape[1]):
            differ += np.bitwise_count(block[:, None, word] ^ rest[None, :, word])
        for row, near in enumerate(differ <= most):
            later = row + 1 + np.flatnonzero(near[row + 1 :])[: MOST_PAIRS - len(pairs)]
            pairs += [(start + row, start + other) for other in later.tolist()]
        if len(pairs) == MOST_PAIRS:
            break
    return pairs


def hash_missing(project: Project, seconds: float) -> int:
    """Make perceptual hashes that are missing, for about that long; return how many are still missing.

    Import makes them; only a project of an older rbcal lacks some. Each is stored at once, so the next call
    goes on where this one ended.
    """
    until = time.monotonic() + seconds
    missing = project.images.without_hash()
    for done, image_id in enumerate(missing):
        if time.monotonic() >= until:
            return len(missing) - done
        with project.transaction():  # no restore may exchange the picture meanwhile
            project.images.save_hash(image_id, _hash(project, image_id))
    return 0


def _hash(project: Project, image_id: int) -> bytes:
    try:
        return perceptual_hash(decode(project.images.content(image_id), project.images.get(image_id).layer))
    except ImageError:
        return b""  # the decoder of that day read it
