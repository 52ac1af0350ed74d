from __future__ import annotations

import pytest

from recon_cli.core.errors import InputError
from recon_cli.io.importers.strecha import find_strecha, read_strecha
from tests.io.importers.datasets import write_dataset


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("0 0 0\n", "0.1 0 0\n", r"radial coefficients \[0.1, 0.0, 0.0\]"),
        ("0 0 0\n", "0 0\n", "holds 25 numbers, expected 26"),
        ("190.0", "nan", "'nan', expected a finite number"),
        ("160 120", "160 0", "size of 160 x 0"),
        ("160 120", "160 121", "is 160x120, its camera 160x121"),
    ],
)
def test_faults_are_named(tmp_path, old, new, words):
    folder = write_dataset("strecha", tmp_path / "set")
    path = folder / "a_view.png.camera"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=words):
        read_strecha(folder)


def test_pictures_may_lie_beside_the_folder_of_cameras(tmp_path):
    folder = write_dataset("strecha", tmp_path / "set")
    (folder / "cameras").mkdir()
    (folder / "images").mkdir()
    for path in folder.glob("*.camera"):
        path.rename(folder / "cameras" / path.name)
    for path in folder.glob("*.png"):
        path.rename(folder / "images" / path.name)
    assert find_strecha(folder) == folder / "cameras"
    assert [image.parent.name for image in read_strecha(folder / "cameras").images] == ["images", "images"]
