"""HEIC and HEIF: the photographs of phones."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from PIL import Image

from rbcal import synth
from rbcal.errors import ImageError
from rbcal.formats import heif, pictures

pillow_heif = pytest.importorskip("pillow_heif", reason='HEIC needs: pip install "rbcal[pictures]"')

PIXELS, _ = synth.draw(1, width=128, height=80, n_cells=3)


def file_of(picture: Image.Image, **options: object) -> bytes:
    file = io.BytesIO()
    pillow_heif.from_pillow(picture).save(file, quality=90, **options)
    return file.getvalue()


HOST = file_of(Image.fromarray(PIXELS))


def test_a_photograph_is_read():
    assert np.abs(pictures.decode(HOST).astype(int) - PIXELS).mean() < 6
    assert pictures.layers(HOST) == pictures.Extent(1, 3, 80, 128)


def test_grey_has_one_channel():
    content = file_of(Image.fromarray(PIXELS).convert("L"))
    assert np.ptp(pictures.decode(content).astype(int), axis=2).max() == 0
    assert pictures.layers(content).channels == pictures.layers(pictures.plain(content)).channels


def test_transparency_lies_on_white():
    content = file_of(Image.new("RGBA", (64, 64), (0, 0, 0, 0)))
    assert (pictures.decode(content) >= 250).all()


def test_a_turned_photograph_stands_upright():
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees
    file = io.BytesIO()
    pillow_heif.encode("RGB", (128, 80), PIXELS.tobytes(), file, quality=90, exif=exif.tobytes())
    content = file.getvalue()
    assert pictures.size(content) == (80, 128)
    upright = np.rot90(PIXELS, -1).astype(int)
    assert np.abs(pictures.decode(content).astype(int) - upright).mean() < 6


def test_what_is_kept_is_a_tiff_without_the_place():
    picture = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x010F] = "Telephone of Erika"
    picture.info["exif"] = exif.tobytes()
    content = file_of(picture)
    kept = pictures.plain(content)
    assert b"Erika" in content
    assert b"Erika" not in kept
    assert pictures.suffix(kept) == ".tif"
    assert pictures.plain(content) == kept
    assert np.array_equal(pictures.decode(kept), pictures.decode(content))


def test_a_browser_gets_a_jpeg_of_it():
    for shown in (pictures.display(HOST), pictures.thumbnail(HOST)):
        assert shown.startswith(b"\xff\xd8")


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 128 * 80 - 1)
    monkeypatch.setattr(heif, "pages", None)
    with pytest.raises(ImageError, match="128 x 80 pixels"):
        pictures.decode(HOST)


def test_any_damage_gives_pixels_or_a_sentence():
    rng = np.random.default_rng(0)
    damaged = [HOST[:n] for n in np.linspace(12, len(HOST) - 1, 40).astype(int)]
    for k in range(300):
        flipped = bytearray(HOST)
        for place in rng.integers(12, (500, len(HOST))[k % 2], 3):
            flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    refused = 0
    for broken in damaged:
        with contextlib.suppress(ImageError):
            assert pictures.decode(broken).dtype == np.uint8
            refused -= 1
        refused += 1
        for act in (pictures.layers, pictures.display, pictures.thumbnail):
            with contextlib.suppress(ImageError):
                act(broken)
    assert 0 < refused < len(damaged)
