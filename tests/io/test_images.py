from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recon_cli.core.errors import InputError
from recon_cli.io.images import encode_png, image_size, mask_of, read_frame, read_image, read_mask, write_image


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """An uncompressed PNG of any depth and 1 to 4 channels, by the letter of its specification."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    height, width, channels = pixels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    rows = b"".join(b"\0" + row.astype(pixels.dtype.newbyteorder(">")).tobytes() for row in pixels)
    header = struct.pack(">IIBBBBB", width, height, 8 * pixels.dtype.itemsize, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_every_depth_and_channel_count_is_read_exactly(tmp_path, dtype, channels):
    largest = np.iinfo(dtype).max
    stored = np.random.default_rng(channels).integers(0, largest + 1, (6, 9, channels), dtype=dtype)
    (tmp_path / "a.png").write_bytes(png(stored))
    expected = np.repeat(stored[..., :1], 3, axis=-1) if channels < 3 else stored[..., :3]
    image = read_image(tmp_path / "a.png")
    assert image.dtype == torch.float32
    np.testing.assert_array_equal(image.numpy(), expected.astype(np.float32) / np.float32(largest))
    rounded = np.rint(expected.astype(np.float64) * 255 / largest).astype(np.uint8)
    np.testing.assert_array_equal(read_frame(tmp_path / "a.png").numpy(), rounded)


def test_eight_bits_round_trip(tmp_path, pixels):
    for name in ("a.png", "b.PNG"):
        write_image(tmp_path / name, pixels)
        np.testing.assert_array_equal(read_frame(tmp_path / name).numpy(), pixels)
        write_image(tmp_path / name, read_image(tmp_path / name))
        np.testing.assert_array_equal(read_frame(tmp_path / name).numpy(), pixels)
    write_image(tmp_path / "gray.png", pixels[..., :1])
    with Image.open(tmp_path / "gray.png") as gray:
        assert gray.mode == "L"
    assert encode_png(torch.from_numpy(pixels)) == (tmp_path / "a.png").read_bytes()


def test_jpeg_is_close(tmp_path):
    ramp = np.linspace(0, 1, 64 * 64).reshape(64, 64, 1).repeat(3, axis=-1)
    write_image(tmp_path / "a.jpg", ramp)
    assert np.abs(read_image(tmp_path / "a.jpg").numpy() - ramp).max() < 0.02


def test_floats_are_clipped_and_rounded():
    row = np.array([[-1.0, 0.0, 0.5, 1.0, 7.0, 0.9980]])
    assert np.asarray(Image.open(io.BytesIO(encode_png(row)))).tolist() == [[0, 0, 128, 255, 255, 254]]


@pytest.mark.parametrize("array", [np.zeros((2, 2, 4)), np.zeros(3), np.zeros((0, 2)), np.full((2, 2), np.nan), np.zeros((2, 2), np.int32)])
def test_arrays_that_are_no_picture(tmp_path, array):
    with pytest.raises(InputError, match="picture"):
        write_image(tmp_path / "a.png", array)
    assert not (tmp_path / "a.png").exists()


def test_unknown_suffix(tmp_path, pixels):
    with pytest.raises(InputError, match="not written as") as caught:
        write_image(tmp_path / "a.xyz", pixels)
    assert ".png" in caught.value.hint


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, pixels, orientation):
    # What each value means: where the stored row 0 and column 0 are in the picture as it should be seen.
    seen = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.transpose(1, 0, 2),
        6: lambda a: a[::-1].transpose(1, 0, 2),
        7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
        8: lambda a: a[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_frame(tmp_path / "a.png").numpy(), seen(pixels))
    assert image_size(tmp_path / "a.png") == seen(pixels).shape[1::-1]


@pytest.mark.parametrize("mode", ["1", "P", "PA", "CMYK", "LA", "RGBA", "L", "I;16"])
def test_other_modes_keep_their_colours(tmp_path, mode):
    stored = np.zeros((4, 4, 3), np.uint8)
    stored[:2] = 255
    image = Image.fromarray(stored).convert("L").convert("I;16").point(lambda v: v * 257) if mode == "I;16" else Image.fromarray(stored)
    image = image if mode == "I;16" else image.convert("P").convert(mode) if mode == "PA" else image.convert(mode)
    name = "a.tif" if mode in ("CMYK", "PA", "I;16") else "a.png"
    image.save(tmp_path / name)
    np.testing.assert_array_equal(read_frame(tmp_path / name).numpy(), stored)


def test_palette_with_transparency_is_a_mask(tmp_path):
    picture = Image.new("P", (4, 4), 0)
    picture.putpalette([255, 255, 255, 10, 10, 10])
    picture.paste(1, (0, 0, 2, 4))
    picture.save(tmp_path / "a.png", transparency=0)
    assert read_mask(tmp_path / "a.png").tolist() == [[255, 255, 0, 0]] * 4
    assert read_frame(tmp_path / "a.png")[0, :, 0].tolist() == [10, 10, 255, 255]


def test_masks(tmp_path):
    levels = np.array([[0, 1, 127, 128, 255]], np.uint8)
    write_image(tmp_path / "gray.png", levels)
    assert read_mask(tmp_path / "gray.png").tolist() == [[0, 0, 0, 255, 255]]
    write_image(tmp_path / "binary.png", np.array([[0, 1, 0]], np.uint8))
    assert read_mask(tmp_path / "binary.png").tolist() == [[0, 255, 0]]
    (tmp_path / "deep.png").write_bytes(png(np.array([[[32895], [32896]]], np.uint16)))
    assert read_mask(tmp_path / "deep.png").tolist() == [[0, 255]]
    colour = np.zeros((1, 3, 4), np.uint8)
    colour[0, :, 0], colour[0, :, 3] = [128, 255, 0], 255
    assert mask_of(colour).tolist() == [[255, 255, 0]]
    colour[0, :, 3] = [255, 100, 200]
    assert mask_of(colour).tolist() == [[255, 0, 255]]
    write_image(tmp_path / "noise.jpg", np.ones((8, 8), np.uint8))
    assert read_mask(tmp_path / "noise.jpg").max() == 0


def test_values_that_are_neither_8_nor_16_bits(tmp_path):
    Image.fromarray(np.ones((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(InputError, match="float32 values"):
        read_image(tmp_path / "a.tif")


def test_files_that_are_no_picture(tmp_path, pixels):
    data = png(pixels)
    bomb = png(pixels)[:16] + struct.pack(">II", 60000, 60000) + b"\x08\x02\0\0\0"
    bomb += struct.pack(">I", zlib.crc32(bomb[12:])) + data[33:]
    for name, content in {"text": b"hello", "cut": data[: len(data) - 30], "bomb": bomb, "head": data[:20]}.items():
        (tmp_path / f"{name}.png").write_bytes(content)
        with pytest.raises(InputError, match="cannot be read as a picture") as caught:
            read_image(tmp_path / f"{name}.png")
        assert caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        read_mask(tmp_path / "none.png")


def seeds() -> list[tuple[str, bytes]]:
    picture = Image.fromarray(np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8))
    files = [(".png", png(np.random.default_rng(2).integers(0, 65536, (4, 4, 3), dtype=np.uint16)))]
    for suffix, kind in ((".png", "PNG"), (".jpg", "JPEG"), (".tif", "TIFF"), (".webp", "WEBP"), (".bmp", "BMP"), (".ppm", "PPM")):
        stream = io.BytesIO()
        picture.save(stream, kind)
        files.append((suffix, stream.getvalue()))
    return files


@settings(max_examples=150, deadline=None)
@given(
    seed=st.sampled_from(seeds()),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4),
    cut=st.none() | st.integers(0, 10_000),
)
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, seed, edits, cut):
    suffix, content = seed
    data = bytearray(content)
    for place, value in edits:
        data[place % len(data)] = value
    path = tmp_path_factory.mktemp("fuzz") / f"a{suffix}"
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    for read in (read_image, read_mask, image_size):
        with suppress(InputError):
            read(path)
