from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError
from recon_cli.prepare.undistort import LARGEST_GROWTH, Lens, pinhole_of, straighten_mask, straighten_picture
from tests.core.test_distortion import LENSES
from tests.io.importers.datasets import PlaneView, measured_shift, photograph, roll_pitch_yaw

MILD = {
    **LENSES,
    "tangential": Distortion(tangential=(0.02, -0.01)),
    "pincushion": Distortion(radial=(0.15, 0.0, 0.0, 0.0)),
}


def lens_of(distortion: Distortion, size: tuple[int, int] = (240, 180), focal: float = 200.0) -> Lens:
    K = torch.tensor([[focal, 0.4, 0.52 * size[0]], [0, 1.03 * focal, 0.47 * size[1]], [0, 0, 1]], dtype=torch.float64)
    return Lens(K, size, distortion)


def view_of(lens: Lens) -> PlaneView:
    R = roll_pitch_yaw(0.1, 0.05, -0.1)

    def bend(points: np.ndarray) -> np.ndarray:
        return lens.distortion.distort(torch.from_numpy(points)).numpy()

    return PlaneView("a", lens.K.numpy(), R, -R @ np.array([0.1, 0.0, 0.0]), lens.size, bend)


@pytest.mark.parametrize("name", MILD)
def test_a_straightened_picture_stands_where_its_pinhole_says(name):
    lens = lens_of(MILD[name])
    lens.K[0, 1] = 0.0  # the test's own camera has no skew
    view = view_of(lens)
    pinhole = pinhole_of(lens)
    picture = straighten_picture(torch.from_numpy(photograph(view)), pinhole).numpy()
    assert picture.shape == pinhole.size[::-1]
    straight = PlaneView("a", pinhole.K.numpy(), view.R, view.t, pinhole.size)
    assert np.abs(measured_shift(picture, straight)).max() < 0.02
    error = np.abs(picture.astype(float) - photograph(straight))
    assert error.max() < 10  # of 255, where the plane tilts away and its texture is fine
    assert error.mean() < 0.75


@pytest.mark.parametrize("name", MILD)
def test_focal_lengths_are_kept_and_every_pixel_is_seen(name):
    lens = lens_of(MILD[name])
    pinhole = pinhole_of(lens)
    difference = lens.K - pinhole.K
    assert difference[:2, 2].tolist() == [float(value) for value in pinhole.corner]
    assert not bool(difference[:, :2].any())
    width, height = pinhole.size
    x, y = torch.arange(width).double() + 0.5, torch.arange(height).double() + 0.5
    ideal = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1) + torch.tensor(pinhole.corner)
    bent = lens.bend(ideal)
    size = torch.tensor(lens.size)
    assert bool(((bent > 0.48) & (bent < size - 0.48)).all())
    assert width > 0.8 * lens.size[0] or name in ("pincushion", "rational")


def test_skew_is_kept():
    lens = lens_of(MILD["opencv"])
    pixels = torch.tensor([[10.0, 20.0], [200.0, 150.0]], dtype=torch.float64)
    torch.testing.assert_close(lens.bend(lens.straighten(pixels)), pixels, rtol=0, atol=1e-8)
    plane = torch.linalg.solve(lens.K, torch.tensor([[10.0], [20.0], [1.0]], dtype=torch.float64))[:2, 0]
    distorted = lens.K @ torch.cat([lens.distortion.distort(plane), torch.ones(1, dtype=torch.float64)])
    torch.testing.assert_close(lens.bend(pixels[:1])[0], distorted[:2], rtol=0, atol=1e-9)


def test_a_very_wide_lens_is_cut():
    lens = lens_of(Distortion(is_fisheye=True), size=(400, 300), focal=110.0)  # 104 degrees to either side
    width, height = pinhole_of(lens).size
    assert 400 < width <= LARGEST_GROWTH * 400
    assert 300 < height <= LARGEST_GROWTH * 300


def test_coefficients_that_are_no_lens_are_refused():
    with pytest.raises(InputError, match=r"leaves .* of 240x180 pixels") as caught:
        pinhole_of(lens_of(Distortion(radial=(-900.0, 0.0, 0.0, 0.0))))
    assert "colmap image_undistorter" in str(caught.value.hint)


def test_masks_stay_masks():
    lens = lens_of(MILD["radial"])
    pinhole = pinhole_of(lens)
    mask = torch.zeros(180, 240, dtype=torch.uint8)
    mask[:, 120:] = 255
    straight = straighten_mask(mask, pinhole)
    assert straight.unique().tolist() == [0, 255]
    assert tuple(straight.shape) == pinhole.size[::-1]
    assert float((straight > 0).double().mean()) == pytest.approx(0.5, abs=0.05)


def test_colours_do_not_mix():
    lens = lens_of(MILD["radial"])
    picture = torch.tensor([10, 120, 250], dtype=torch.uint8).expand(180, 240, 3)
    straight = straighten_picture(picture, pinhole_of(lens))
    assert straight.reshape(-1, 3).unique(dim=0).tolist() == [[10, 120, 250]]
