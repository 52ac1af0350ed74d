from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.importers.mvsnet import read_cam, read_mvsnet, read_pairs
from recon_cli.io.importers.pfm import write_pfm
from tests.io.importers.datasets import write_dataset


@pytest.fixture
def folder(tmp_path) -> Path:
    return write_dataset("mvsnet", tmp_path / "set")


def test_pairs(folder):
    assert read_pairs(folder / "pair.txt") == {0: [(1, 2036.5)], 1: [(0, 2036.5)]}


def test_depth_maps_belong_to_their_views(folder):
    (folder / "depths").mkdir()
    write_pfm(folder / "depths" / "00000001.pfm", torch.ones(150, 200))
    assert read_mvsnet(folder / "cams").depths == (None, folder / "depths" / "00000001.pfm")


def test_the_depth_ranges_give_bounds(folder):
    """Both views look at the plane near (0, 0, 5) between depths 3 and 7."""
    bounds = read_mvsnet(folder / "cams").bounds
    assert bounds is not None
    low, high = bounds
    centre = torch.tensor([0.0, 0.0, 5.0], dtype=torch.float64)
    assert bool(((low < centre - 0.5) & (high > centre + 0.5)).all())
    assert bool((high - low < 7).all())
    assert low[2] > 2.5
    assert high[2] < 7.5


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("3.0 0.02 192 7.0", (3.0, 7.0)),
        ("3.0 0.02 100", (3.0, 5.0)),
        ("3.0 0.5", (3.0, 99.0)),
        ("3.0", None),
        ("", None),
        ("-3 0.1 10 7", None),
        ("3 0.1 10 2", None),
    ],
)
def test_depth_ranges_of_all_lengths(folder, line, expected):
    path = folder / "cams" / "00000000_cam.txt"
    path.write_text(path.read_text().replace("3.0 0.02 192 7.0", line))
    assert read_cam(path).depth_range == expected
    assert (read_mvsnet(folder / "cams").bounds is None) == (expected is None)


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("cams/00000000_cam.txt", "extrinsic", "outer", "is no camera of MVSNet"),
        ("cams/00000000_cam.txt", "intrinsic\n190.0", "intrinsic\nnan", "intrinsic holds 'nan'"),
        ("cams/00000000_cam.txt", "0.0 0.0 0.0 1.0", "0.0 0.0 0.5 1.0", "extrinsic ends in"),
        ("pair.txt", "1 0 2036.5", "1 2 2036.5", "names view 2, but there are 2 _cam.txt files"),
        ("pair.txt", "1 0 2036.5", "900000000000000000 0 1", "in the middle of a list"),
        ("pair.txt", "2036.5", "inf", "'inf', expected a finite number"),
        ("pair.txt", "2\n0", "-2\n0", "'-2', expected a whole number"),
    ],
)
def test_faults_are_named(folder, file, old, new, words):
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words) as caught:
        read_mvsnet(folder / "cams")
    assert caught.value.path == str(folder / file)
