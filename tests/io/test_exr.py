from __future__ import annotations

import resource
from contextlib import suppress

import numpy as np
import OpenEXR
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.io.exr import read_depth, write_depth


def depth() -> np.ndarray:  # [6, 9]
    values = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    values[0, :4] = [np.nan, np.inf, -np.inf, -0.0]
    values[1, :2] = np.array([1, 0xFFC12345], np.uint32).view(np.float32)  # the least subnormal, a NaN with a payload
    values[3:5] = 0
    return values


def write_channels(path, channels, **header) -> None:
    with OpenEXR.File({"type": OpenEXR.scanlineimage, **header}, channels) as file:
        file.write(str(path))


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


def test_every_bit_comes_back(tmp_path):
    write_depth(tmp_path / "a.exr", torch.from_numpy(depth()))
    assert same_bits(read_depth(tmp_path / "a.exr").numpy(), depth())
    write_depth(tmp_path / "b.exr", depth()[::-1, ::2])
    assert same_bits(read_depth(tmp_path / "b.exr").numpy(), np.ascontiguousarray(depth()[::-1, ::2]))
    write_depth(tmp_path / "c.exr", depth())
    assert (tmp_path / "a.exr").read_bytes() == (tmp_path / "c.exr").read_bytes()


def test_the_file_holds_one_float_channel_z(tmp_path):
    write_depth(tmp_path / "a.exr", depth())
    with OpenEXR.File(str(tmp_path / "a.exr")) as file:
        assert list(file.channels()) == ["Z"]
        assert file.channels()["Z"].pixels.dtype == np.float32


@pytest.mark.parametrize("name", ["Z", "Y", "R", "depth.V"])
def test_other_names_of_the_channel(tmp_path, name):
    write_channels(tmp_path / "a.exr", {name: depth()}, compression=OpenEXR.PIZ_COMPRESSION)
    assert same_bits(read_depth(tmp_path / "a.exr").numpy(), depth())


def test_z_goes_before_colours_which_are_not_merged(tmp_path):
    zeros = np.zeros((6, 9), np.float32)
    write_channels(tmp_path / "a.exr", {"R": zeros, "G": zeros, "B": zeros, "Z": depth()})
    assert same_bits(read_depth(tmp_path / "a.exr").numpy(), depth())
    write_channels(tmp_path / "b.exr", {"R": depth(), "G": zeros, "B": zeros})
    assert same_bits(read_depth(tmp_path / "b.exr").numpy(), depth())


def test_half_floats_are_widened(tmp_path):
    half = np.array([[0.1, 65504, -0.0, np.inf]], np.float16)
    write_channels(tmp_path / "a.exr", {"Z": half})
    assert same_bits(read_depth(tmp_path / "a.exr").numpy(), half.astype(np.float32))


def test_a_window_away_from_the_origin(tmp_path):
    window = (np.array([5, 7], np.int32), np.array([13, 12], np.int32))
    write_channels(tmp_path / "a.exr", {"Z": depth()}, dataWindow=window)
    assert same_bits(read_depth(tmp_path / "a.exr").numpy(), depth())


def test_channels_that_are_no_depth(tmp_path):
    write_channels(tmp_path / "a.exr", {"Z": np.ones((2, 2), np.uint32)})
    with pytest.raises(InputError, match=r"Z \(uint32\).*expected floats"):
        read_depth(tmp_path / "a.exr")
    write_channels(tmp_path / "b.exr", {"A": depth(), "B": depth()})
    with pytest.raises(InputError, match="channels A"):
        read_depth(tmp_path / "b.exr")


def test_files_that_are_no_exr(tmp_path):
    write_depth(tmp_path / "a.exr", depth())
    data = (tmp_path / "a.exr").read_bytes()
    for name, content in {"cut": data[:-20], "head": data[:40], "magic": data[:4], "text": b"hello world", "empty": b""}.items():
        (tmp_path / f"{name}.exr").write_bytes(content)
        with pytest.raises(InputError, match="OpenEXR") as caught:
            read_depth(tmp_path / f"{name}.exr")
        assert caught.value.hint
        assert caught.value.path == str(tmp_path / f"{name}.exr")


@pytest.mark.parametrize("cut", [-20, 350, 600])
def test_of_a_truncated_file_the_library_itself_says_nothing(tmp_path, capfd, cut):
    write_depth(tmp_path / "a.exr", np.random.default_rng(0).normal(size=(60, 50)).astype(np.float32))
    (tmp_path / "a.exr").write_bytes((tmp_path / "a.exr").read_bytes()[:cut])
    with pytest.raises(InputError, match=r"cannot be read as an OpenEXR file: .*(chunk|scanline)") as caught:
        read_depth(tmp_path / "a.exr")
    assert str(tmp_path) not in caught.value.message
    print("result")
    assert capfd.readouterr() == ("result\n", "")


def test_a_file_that_announces_too_much(tmp_path):
    write_depth(tmp_path / "a.exr", depth())
    data = bytearray((tmp_path / "a.exr").read_bytes())
    place = data.index(b"dataWindow\0box2i\0") + len(b"dataWindow\0box2i\0") + 4
    data[place + 8 : place + 16] = np.array([40000, 40000], "<i4").tobytes()
    (tmp_path / "a.exr").write_bytes(data)
    with pytest.raises(InputError, match=r"40001x40001|cannot be read"):
        read_depth(tmp_path / "a.exr")


@pytest.mark.parametrize("array", [np.zeros((2, 2, 1)), np.zeros(3), np.zeros((0, 2)), np.zeros((2, 2), np.int32)])
def test_arrays_that_are_no_depth_map(tmp_path, array):
    with pytest.raises(InputError, match="no depth map"):
        write_depth(tmp_path / "a.exr", array)
    assert not (tmp_path / "a.exr").exists()


def test_the_size_limit_of_the_process(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(InputError, match="size limit") as caught:
            write_depth(tmp_path / "a.exr", np.random.default_rng(0).normal(size=(100, 100)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.hint
    assert list(tmp_path.iterdir()) == []


@settings(max_examples=100, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4), cut=st.none() | st.integers(0, 10_000))
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, edits, cut):
    path = tmp_path_factory.mktemp("fuzz") / "a.exr"
    write_depth(path, depth())
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    with suppress(InputError):
        read_depth(path)
