"""DICOM: what its samples mean, what is refused, and that no patient comes along."""

from __future__ import annotations

import contextlib
import io
import traceback

import numpy as np
import pytest
import tifffile
from PIL import Image

from rbcal import synth
from rbcal.errors import ImageError
from rbcal.formats import dicom, pictures

pydicom = pytest.importorskip("pydicom", reason='DICOM needs: pip install "rbcal[pictures]"')

from pydicom import uid  # noqa: E402
from pydicom.dataset import Dataset, FileMetaDataset  # noqa: E402
from pydicom.encaps import encapsulate  # noqa: E402

PIXELS, _ = synth.draw(1, width=60, height=40, n_cells=3)
GREY = np.ascontiguousarray(PIXELS[..., 1])
DEEP = np.arange(2400, dtype=np.uint16).reshape(40, 60)
FRAMES = np.stack([np.full((40, 60), value, np.uint8) for value in (10, 200, 30)])


def file_of(samples: np.ndarray, colours: str = "MONOCHROME2", **elements: object) -> bytes:
    """Return a DICOM file of samples (H, W) or (N, H, W), with 3 at the end in colour, and more elements."""
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = elements.pop("syntax", uid.ExplicitVRLittleEndian)
    data.SOPClassUID, data.SOPInstanceUID = uid.SecondaryCaptureImageStorage, "1.2.3"
    data.PatientName, data.PatientID, data.PatientBirthDate = "Muster^Erika", "P-4711", "19640812"
    data.SamplesPerPixel = 3 if colours.startswith(("RGB", "YBR")) else 1
    if data.SamplesPerPixel == 3:
        data.PlanarConfiguration = 0
    shape = samples.shape[: samples.ndim - (data.SamplesPerPixel == 3)]
    data.Rows, data.Columns = shape[-2:]
    if len(shape) == 3:
        data.NumberOfFrames = shape[0]
    data.PhotometricInterpretation = colours
    data.BitsAllocated = data.BitsStored = 8 * samples.dtype.itemsize
    data.HighBit, data.PixelRepresentation = data.BitsStored - 1, int(samples.dtype.kind == "i")
    data.PixelData = samples.tobytes()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    if data.file_meta.TransferSyntaxUID.is_compressed:
        data["PixelData"].VR = "OB"
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    return file.getvalue()


def jpeg(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=95)
    return file.getvalue()


def test_8_bit_grey_stays_what_it_is():
    decoded = pictures.decode(file_of(GREY))
    assert np.array_equal(decoded, np.repeat(GREY[..., None], 3, axis=2))


def test_where_the_lowest_is_white_more_is_darker():
    assert np.array_equal(pictures.decode(file_of(255 - GREY, "MONOCHROME1"))[..., 0], GREY)
    deep = pictures.decode(file_of(DEEP, "MONOCHROME1"))[..., 0].ravel()
    assert (deep[0], deep[-1]) == (255, 0)


def test_rgb_comes_back_exactly_in_either_order():
    assert np.array_equal(pictures.decode(file_of(PIXELS, "RGB")), PIXELS)
    planes = np.ascontiguousarray(np.moveaxis(PIXELS, -1, 0))
    content = file_of(PIXELS, "RGB", PlanarConfiguration=1, PixelData=planes.tobytes())
    assert np.array_equal(pictures.decode(content), PIXELS)


def test_ybr_becomes_rgb():
    ybr = np.asarray(Image.fromarray(PIXELS).convert("YCbCr"))
    assert np.abs(pictures.decode(file_of(ybr, "YBR_FULL")).astype(int) - PIXELS).max() <= 3


def test_16_bits_are_scaled_as_those_of_a_tiff():
    file = io.BytesIO()
    tifffile.imwrite(file, DEEP)
    expected = pictures.decode(file.getvalue())
    assert np.array_equal(pictures.decode(file_of(DEEP)), expected)
    assert np.array_equal(pictures.decode(file_of(DEEP, RescaleSlope=2, RescaleIntercept=-1024)), expected)
    assert np.array_equal(pictures.decode(file_of(DEEP.astype(np.int16) - 1200)), expected)


def test_a_falling_slope_turns_light_into_dark():
    decoded = pictures.decode(file_of(DEEP, RescaleSlope=-1, RescaleIntercept=0))[..., 0].ravel()
    assert (decoded[0], decoded[-1]) == (255, 0)


@pytest.mark.parametrize(
    ("elements", "black", "white"),
    [
        (
            {"WindowCenter": 1000, "WindowWidth": 200},
            900,
            1099,
        ),  # PS3.3 C.11.2.1.2.1: c - 0.5 -/+ (w - 1) / 2
        ({"WindowCenter": [1000, 5], "WindowWidth": [200, 9]}, 900, 1099),
        ({"WindowCenter": 0, "WindowWidth": 200, "RescaleSlope": 1, "RescaleIntercept": -1000}, 900, 1099),
        (
            {"WindowCenter": 0, "WindowWidth": 201, "RescaleSlope": -1, "RescaleIntercept": 1000},
            1100,
            900,
        ),
    ],
)
def test_the_window_of_the_file_says_what_is_black_and_white(elements, black, white):
    decoded = pictures.decode(file_of(DEEP, **elements))[..., 0].ravel()
    outside = 50 if black > white else -50
    assert (decoded[black + outside], int(decoded[black])) == (0, pytest.approx(0, abs=2))
    assert (decoded[white - outside], int(decoded[white])) == (255, pytest.approx(255, abs=2))
    assert int(decoded[(black + white) // 2]) == pytest.approx(127.5, abs=2)


def test_the_window_of_32_bits_is_applied_too():
    decoded = pictures.decode(file_of(DEEP.astype(np.uint32), WindowCenter=1000, WindowWidth=200))
    assert np.array_equal(decoded, pictures.decode(file_of(DEEP, WindowCenter=1000, WindowWidth=200)))


def test_the_tables_of_the_file_are_applied():
    table = Dataset()
    table.LUTDescriptor, table.LUTData = [256, 0, 8], np.arange(255, -1, -1, dtype="<u2").tobytes()
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        decoded = pictures.decode(file_of(GREY, **{keyword: [table]}))
        assert np.array_equal(decoded[..., 0], 255 - GREY), keyword


def test_a_palette_becomes_its_colours():
    elements: dict[str, object] = {}
    for colour, values in (("Red", range(256)), ("Green", range(255, -1, -1)), ("Blue", [7] * 256)):
        elements[f"{colour}PaletteColorLookupTableDescriptor"] = [256, 0, 16]
        elements[f"{colour}PaletteColorLookupTableData"] = (np.array(values, np.uint16) << 8).tobytes()
    content = file_of(GREY, "PALETTE COLOR", **elements)
    assert np.array_equal(pictures.decode(content), np.dstack([GREY, 255 - GREY, np.full_like(GREY, 7)]))
    assert pictures.layers(content).channels == 3


@pytest.mark.parametrize("bits", [1, 4, 7])
def test_few_bits_reach_from_black_to_white(bits):
    samples = (np.arange(2400) % 2**bits).astype(np.uint8).reshape(40, 60)
    data = np.packbits(samples, bitorder="little") if bits == 1 else samples
    content = file_of(samples, BitsAllocated=1 if bits == 1 else 8, BitsStored=bits, PixelData=data.tobytes())
    decoded = pictures.decode(content)[..., 0]
    assert np.abs(decoded - samples * (255 / (2**bits - 1))).max() <= 1


@pytest.mark.parametrize(("layer", "value"), [("", 10), ("page=1", 10), ("page=2", 200), ("max", 200)])
def test_frames_are_pages(layer, value):
    content = file_of(FRAMES)
    assert pictures.layers(content) == pictures.Extent(3, 1, 40, 60)
    assert pictures.decode(content, layer)[0, 0].tolist() == [value] * 3
    with pytest.raises(ImageError, match="3 pages, so there is no page 4"):
        pictures.decode(content, "page=4")


def test_compressed_frames_are_read_where_their_decoder_is_there():
    frames = encapsulate([jpeg(PIXELS), jpeg(255 - PIXELS)])
    content = file_of(np.stack([PIXELS] * 2), "YBR_FULL_422", syntax=uid.JPEGBaseline8Bit, PixelData=frames)
    assert np.abs(pictures.decode(content).astype(int) - PIXELS).mean() < 5
    assert np.abs(pictures.decode(content, "page=2").astype(int) - (255 - PIXELS)).mean() < 5


def test_a_compression_without_a_decoder_is_named():
    content = file_of(GREY, syntax=uid.MPEG2MPML, PixelData=encapsulate([b"1234"]))
    with pytest.raises(ImageError, match=r"compressed as MPEG2.* export it without"):
        pictures.decode(content)
    nameless = content.replace(uid.MPEG2MPML.encode(), b"1.2.826.0.1.3680043.9.1"[: len(uid.MPEG2MPML)])
    with pytest.raises(ImageError, match="a kind"):
        pictures.decode(nameless)


# claims


def test_a_bomb_is_refused_before_it_goes_off(monkeypatch):
    monkeypatch.setattr(pictures, "MAX_PIXELS", 60 * 40 - 1)
    monkeypatch.setattr(dicom, "pages", None)
    with pytest.raises(ImageError, match="60 x 40 pixels"):
        pictures.decode(file_of(GREY))


def test_frames_that_claim_too_much_are_refused_before_memory_is_taken(monkeypatch):
    monkeypatch.setattr(dicom, "_frames", None)
    with pytest.raises(ImageError, match=r"15,000 frames come to 1,500,000 MB; at most 1,074 MB"):
        pictures.decode(file_of(GREY, NumberOfFrames=15_000, Rows=10_000, Columns=10_000))


def test_more_frames_than_there_can_be_are_refused():
    with pytest.raises(ImageError, match="more than 20,000 frames"):
        pictures.decode(file_of(GREY, NumberOfFrames=20_001))


def test_deflated_data_are_not_unpacked():
    with pytest.raises(ImageError, match="deflated"):
        pictures.decode(file_of(GREY, syntax=uid.DeflatedExplicitVRLittleEndian))


def test_a_report_is_no_picture():
    content = bytearray(file_of(GREY))
    pixels = content.rindex(b"\xe0\x7f\x10\x00")
    with pytest.raises(ImageError, match="no picture"):
        pictures.decode(bytes(content[:pixels]))
    data = Dataset()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    data.SOPClassUID, data.SOPInstanceUID = uid.EnhancedSRStorage, "1.2.3"
    file = io.BytesIO()
    pydicom.dcmwrite(file, data, enforce_file_format=True)
    with pytest.raises(ImageError, match="another kind of DICOM"):
        pictures.size(file.getvalue())


# patients


def test_what_is_kept_is_a_tiff_without_a_patient():
    content = file_of(FRAMES)
    kept = pictures.plain(content)
    assert pictures.suffix(kept) == ".tif"
    assert b"Muster" in content
    for secret in (b"Muster", b"4711", b"1964", b"1.2.3"):
        assert secret not in kept
    assert np.array_equal(pictures.decode(kept, "page=3"), pictures.decode(content, "page=3"))
    assert pictures.plain(content) == kept  # so the same file is known again
    assert pictures.plain(kept) is kept


def test_a_slide_that_is_both_tiff_and_dicom_keeps_no_patient():
    both = b"II*\0" + file_of(GREY)[4:]
    assert b"Muster" not in pictures.plain(both)


def test_no_error_says_what_a_file_says(caplog, capfd):
    for broken in (
        file_of(GREY, PhotometricInterpretation="MUSTER ERIKA"),
        file_of(GREY).replace(b"MONOCHROME2 ", b"Muster^Erika"),
        file_of(GREY, WindowCenter=3, WindowWidth=9, VOILUTFunction="MUSTER"),
    ):
        with pytest.raises(ImageError) as caught:
            pictures.decode(broken)
        assert "muster" not in "".join(traceback.format_exception(caught.value)).lower()
    assert "muster" not in (caplog.text + "".join(capfd.readouterr())).lower()


# damage


HOSTS = {
    "grey": file_of(GREY, WindowCenter=100, WindowWidth=90),
    "deep": file_of(DEEP, "MONOCHROME1", RescaleSlope=2, RescaleIntercept=-1024),
    "frames": file_of(FRAMES),
    "colour": file_of(PIXELS, "RGB"),
    "JPEG": file_of(
        PIXELS, "YBR_FULL_422", syntax=uid.JPEGBaseline8Bit, PixelData=encapsulate([jpeg(PIXELS)])
    ),
    "implicit": file_of(GREY, syntax=uid.ImplicitVRLittleEndian),
}


@pytest.mark.parametrize("kind", HOSTS)
def test_any_damage_gives_pixels_or_a_sentence(kind):
    rng, content = np.random.default_rng(0), HOSTS[kind]
    damaged = [content[:n] for n in np.linspace(132, len(content) - 1, 40).astype(int)]
    for k in range(150):
        flipped = bytearray(content)
        for place in rng.integers(132, min(len(content), (900, len(content))[k % 2]), 3):
            flipped[place] ^= 1 << int(rng.integers(8))
        damaged.append(bytes(flipped))
    refused = 0
    for broken in damaged:
        with contextlib.suppress(ImageError):
            assert pictures.decode(broken, "max").dtype == np.uint8
            refused -= 1
        refused += 1
        for act in (pictures.layers, pictures.display, pictures.thumbnail):
            with contextlib.suppress(ImageError):
                act(broken)
    assert 0 < refused < len(damaged)


def test_the_size_that_is_said_is_that_of_the_pixels():
    for content in HOSTS.values():
        assert pictures.size(content) == pictures.decode(content).shape[1::-1] == (60, 40)
