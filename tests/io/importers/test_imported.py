from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from recon_cli.core.errors import InputError
from recon_cli.io.importers.imported import View, gather


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_cameras_in_one_place_are_told_from_others_in_any_unit(tmp_path, unit):
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[:, 0, 3] = [2 * unit, 3 * unit]
    K = np.array([[50.0, 0, 20], [0, 50, 15], [0, 0, 1]])
    views = [View(name, tmp_path / "a.png", K, pose) for name, pose in zip(("a", "b"), poses)]
    assert len(gather(views, first_pixel=0.5, path=tmp_path).cameras) == 2
    poses[1] = poses[0]
    with pytest.raises(InputError, match="stand in the same place"):
        gather(views, first_pixel=0.5, path=tmp_path)
