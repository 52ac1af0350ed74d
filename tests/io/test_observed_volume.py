"""ObsMask and Plane files, well made and not."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.io import savemat

from recon_cli.core.errors import InputError
from recon_cli.io.observed_volume import read_ground_plane, read_observed_volume

MASK = np.arange(24).reshape(2, 3, 4) % 3 == 0


def _write(path, **changes):
    savemat(path, {"ObsMask": MASK, "BB": [[-1.0, -2, -3], [1, 2, 3]], "Res": 0.5, **changes}, do_compression=True)
    return path


def test_a_mask_comes_back(tmp_path):
    volume = read_observed_volume(_write(tmp_path / "ObsMask24_10.mat"))
    assert torch.equal(volume.is_observed, torch.from_numpy(MASK))
    assert volume.box.tolist() == [[-1, -2, -3], [1, 2, 3]]
    assert volume.resolution == 0.5


def test_a_plane_comes_back(tmp_path):
    savemat(tmp_path / "Plane24.mat", {"P": [[0.1], [0.2], [0.3], [4.0]]})
    assert read_ground_plane(tmp_path / "Plane24.mat").tolist() == [0.1, 0.2, 0.3, 4.0]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"BB": [[0.0, 1, 2]]}, "BB"),
        ({"ObsMask": np.ones((3, 3))}, "3 axes"),
        ({"ObsMask": np.array([[["text"]]], dtype=object)}, "numbers"),
        ({"Res": -1.0}, "positive size"),
        ({"Res": [[1.0, 2.0]]}, "one number"),
        ({"BB": [[0.0, 0, 0], [np.nan, 1, 1]]}, "box"),
    ],
)
def test_a_wrong_variable_is_named(tmp_path, changes, said):
    with pytest.raises(InputError, match=said) as error:
        read_observed_volume(_write(tmp_path / "wrong.mat", **changes))
    assert "wrong.mat" in str(error.value)


def test_other_files_are_refused(tmp_path):
    savemat(tmp_path / "plane.mat", {"P": [1.0, 0, 0, 0]})
    with pytest.raises(InputError, match="holds P; expected the variable ObsMask"):
        read_observed_volume(tmp_path / "plane.mat")
    with pytest.raises(InputError, match="does not exist"):
        read_observed_volume(tmp_path / "gone.mat")
    (tmp_path / "text.mat").write_text("not a matrix " * 40)
    with pytest.raises(InputError, match="cannot be read"):
        read_ground_plane(tmp_path / "text.mat")
    cut = _write(tmp_path / "cut.mat").read_bytes()
    (tmp_path / "cut.mat").write_bytes(cut[: len(cut) // 2])
    with pytest.raises(InputError):
        read_observed_volume(tmp_path / "cut.mat")
    (tmp_path / "new.mat").write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + bytes(512))
    with pytest.raises(InputError, match=r"7\.3"):
        read_observed_volume(tmp_path / "new.mat")
    savemat(tmp_path / "flat.mat", {"P": [0.0, 0, 0, 5]})
    with pytest.raises(InputError, match="four finite numbers"):
        read_ground_plane(tmp_path / "flat.mat")


def test_a_header_that_announces_too_much_is_refused_before_reading(tmp_path):
    savemat(tmp_path / "huge.mat", {"ObsMask": np.ones((2, 3, 4), dtype=np.uint8), "BB": np.eye(2, 3), "Res": 1.0})
    data = (tmp_path / "huge.mat").read_bytes()
    dimensions = np.array([2, 3, 4], dtype="<i4").tobytes()
    assert dimensions in data
    (tmp_path / "huge.mat").write_bytes(data.replace(dimensions, np.array([2**14, 2**14, 2**14], dtype="<i4").tobytes()))
    with pytest.raises(InputError, match=r"announces 4\.4e\+12 cells"):
        read_observed_volume(tmp_path / "huge.mat")
