"""Pictures that need an extra: what is said without it, and that a project never needs it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from rbcal.errors import ImageError
from rbcal.formats import foreign, pictures

DICOM, HEIC = bytes(128) + b"DICM", b"\0\0\0\x18ftypheic"
GREY = np.arange(2400, dtype=np.uint16).reshape(40, 60)


@pytest.fixture
def without_extra(monkeypatch):
    for package in ("pydicom", "pillow_heif"):
        monkeypatch.setitem(sys.modules, package, None)


@pytest.mark.parametrize(("content", "name"), [(DICOM, "DICOM"), (HEIC, "HEIC")])
@pytest.mark.parametrize("act", [pictures.decode, pictures.size, pictures.display, pictures.plain])
@pytest.mark.usefixtures("without_extra")
def test_without_the_extra_the_message_says_what_to_install(content, name, act):
    with pytest.raises(ImageError, match=rf'it is a {name} file\. .* pip install "rbcal\[pictures\]"'):
        act(content)


@pytest.mark.usefixtures("without_extra")
def test_what_is_missing_is_known_by_the_name():
    assert "pip install" in foreign.missing("slides/1.DCM")
    assert "HEIC" in foreign.missing("1.heif")
    assert foreign.missing("1.png") == ""


def test_rbcal_imports_without_the_extra():
    program = (
        "import sys; sys.modules |= dict.fromkeys(('pydicom', 'pillow_heif')); "
        "import rbcal.interchange.import_images, rbcal.interchange.exported_model"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize(
    "samples",
    [
        GREY,
        GREY.astype(np.uint8),
        GREY.astype(np.int16),
        GREY.astype(np.float32),
        GREY.astype(np.uint32) * 70_000,
    ],
)
@pytest.mark.usefixtures("without_extra")
def test_what_is_kept_is_without_loss_and_read_without_the_extra(samples):
    content = foreign.to_tiff(iter([samples, samples[::-1]]))
    with pictures.stacks.Stack(content) as stack:
        assert stack.extent == pictures.Extent(2, 1, 40, 60)
        for page, expected in ((1, samples), (2, samples[::-1])):
            assert np.array_equal(stack.read(pictures.Layer(page))[..., 0], expected)
    assert pictures.plain(content) is content


def test_colour_is_kept_as_colour():
    samples = np.dstack([GREY, GREY * 2, GREY * 3])
    assert pictures.layers(foreign.to_tiff(iter([samples]))) == pictures.Extent(1, 3, 40, 60)


def test_every_foreign_format_is_among_the_endings():
    assert foreign.SUFFIXES == (".dcm", ".heic", ".heif")
    assert set(foreign.SUFFIXES) == set(pictures.SUFFIXES) - set(pictures.OWN_SUFFIXES)
