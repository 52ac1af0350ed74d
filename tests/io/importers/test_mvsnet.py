from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.importers.mvsnet import read_mvsnet, read_pairs
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
