"""Transforms as text."""

from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.transforms import read_transform


def test_four_lines_of_four_numbers(tmp_path):
    (tmp_path / "t.txt").write_text("# from here\n1 0 0 0.5\n0, 1, 0, -2e-1\n\n0 0 1 3\n0 0 0 1\n")
    expected = torch.eye(4, dtype=torch.float64)
    expected[:3, 3] = torch.tensor([0.5, -0.2, 3])
    assert torch.allclose(read_transform(tmp_path / "t.txt"), expected)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 2 3\n", "4 x 4"),
        ("1 2\n3\n", "4 x 4"),
        ("one two\n", "4 x 4"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 1 1\n", "no transform"),
        ("1 0 0 0\n0 1 0 0\n0 0 0 0\n0 0 0 1\n", "no transform"),
        ("nan 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n", "finite"),
        ("", "empty"),
    ],
)
def test_anything_else_is_refused(tmp_path, text, said):
    (tmp_path / "t.txt").write_text(text)
    with pytest.raises(InputError, match=said):
        read_transform(tmp_path / "t.txt")
