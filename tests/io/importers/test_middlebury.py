from __future__ import annotations

from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.images import read_frame
from recon_cli.io.importers.formats import read_dataset
from recon_cli.io.importers.middlebury import read_middlebury
from tests.io.importers.datasets import write_dataset

DINO = Path(__file__).parents[3] / "../shared/data/middlebury_dino"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("2\n", "3\n", "states 3 cameras and holds 2 lines"),
        ("2\n", "", "states no number of cameras"),
        ("2\n", "two\n", "holds 'two', expected a whole number"),
        ("a_view.png ", "a view.png ", "line 2 holds 23 words, expected 22"),
        ("a_view.png 190", "a_view.png nan", "line 2 holds 'nan'"),
        ("a_view.png 190", "a_view.png -190", "line 2: K is singular"),
        ("a_view.png", "c_view.png", "1 of 2 cameras have no picture"),
        ("a_view.png", "../a_view.png", r"line 2 names '\.\./a_view.png', which lies outside of"),
        ("a_view.png", "/etc/a_view.png", r"line 2 names '/etc/a_view\.png', which lies outside of"),
    ],
)
def test_faults_are_named(tmp_path, old, new, words):
    path = write_dataset("middlebury", tmp_path / "set") / "plane_par.txt"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        read_middlebury(path)


@pytest.mark.data
@pytest.mark.skipif(not DINO.exists(), reason="needs the real dinosaur in ../shared/data")
def test_order_names_and_outlines_of_the_real_dinosaur():
    name, imported = read_dataset(DINO)
    assert name == "middlebury"
    assert imported.cameras.names == tuple(f"dinoSR{number:04d}" for number in range(1, 17))
    assert imported.cameras.size.unique(dim=0).tolist() == [[640, 480]]
    # The published box holds the object: what is bright lies inside the box's outline.
    low, high = torch.tensor([[-0.061897, -0.018874, -0.057845], [0.010897, 0.068227, 0.015495]], dtype=torch.float64)
    corners = torch.cartesian_prod(*torch.stack([low, high], dim=1)).double()
    pixels, depth = imported.cameras.project(corners)
    assert bool((depth > 0).all())
    for view in range(16):
        rows, columns = torch.nonzero(read_frame(imported.images[view]).amax(dim=-1) > 60, as_tuple=True)
        x0, y0 = pixels[view].amin(dim=0).tolist()
        x1, y1 = pixels[view].amax(dim=0).tolist()
        inside = (columns > x0 - 2) & (columns < x1 + 2) & (rows > y0 - 2) & (rows < y1 + 2)
        assert float(inside.double().mean()) > 0.995
