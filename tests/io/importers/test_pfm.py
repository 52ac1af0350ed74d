from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.importers.pfm import read_pfm, write_pfm


def test_values_come_back_bit_for_bit(tmp_path):
    values = torch.tensor([[0.0, -0.0, 1 / 3], [math.inf, math.nan, 1e-40]])
    write_pfm(tmp_path / "a.pfm", values)
    read = read_pfm(tmp_path / "a.pfm")
    assert read.numpy().tobytes() == values.numpy().tobytes()


def test_rows_go_from_bottom_to_top_in_either_byte_order(tmp_path):
    rows = np.arange(6, dtype=np.float32).reshape(2, 3)
    for order, scale in (("<f4", "-2.5"), (">f4", "1")):
        (tmp_path / "a.pfm").write_bytes(f"Pf\n3 2\n{scale}\n".encode() + rows[::-1].astype(order).tobytes())
        assert read_pfm(tmp_path / "a.pfm").tolist() == rows.tolist()
    write_pfm(tmp_path / "b.pfm", torch.from_numpy(rows))
    assert (tmp_path / "b.pfm").read_bytes() == b"Pf\n3 2\n-1.0\n" + rows[::-1].astype("<f4").tobytes()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PF\n1 1\n-1\n" + bytes(12), "three channels"),
        (b"P5\n1 1\n255\n0", "starts with"),
        (b"Pf\n2 2\n-1\n" + bytes(15), "holds 15 bytes of values, expected 16"),
        (b"Pf\n999999999 999999999\n-1\n" + bytes(16), "expected 3999999992000000004"),
        (b"Pf\n0 2\n-1\n", "header of 0x2"),
        (b"Pf\n1 1\n0\n" + bytes(4), "scale 0"),
        (b"Pf\n1 1\n1e\n" + bytes(4), "scale 1e"),
        (b"", "is empty"),
    ],
)
def test_faults_are_named(tmp_path, data, words):
    (tmp_path / "a.pfm").write_bytes(data)
    with pytest.raises(InputError, match=words):
        read_pfm(tmp_path / "a.pfm")


def test_only_maps_are_written(tmp_path):
    with pytest.raises(InputError, match="is no map"):
        write_pfm(tmp_path / "a.pfm", torch.zeros(2, 2, 3))
