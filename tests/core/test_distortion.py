from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.distortion import Distortion
from recon_cli.core.errors import InputError

LENSES = {
    "radial": Distortion(radial=(-0.2, 0.05, 0.0, 0.0)),
    "pincushion": Distortion(radial=(0.3, 0.1, 0.02, 0.01)),
    "opencv": Distortion(radial=(-0.12, 0.03, 0.0, 0.0), tangential=(0.004, -0.007)),
    "rational": Distortion(radial=(0.4, 0.2, 0.01, 0.0), rational=(0.5, 0.1, 0.02), tangential=(0.001, 0.002)),
    "fisheye": Distortion(is_fisheye=True, radial=(0.03, -0.01, 0.004, -0.001)),
    "thin prism": Distortion(is_fisheye=True, radial=(-0.02, 0.01, -0.003, 0.0005), tangential=(0.002, -0.001), thin_prism=(0.003, -0.002)),
}


def opencv(x: float, y: float, k: tuple, p: tuple, q: tuple) -> tuple[float, float]:
    """OpenCV's formula for one point, with COLMAP's and nerfstudio's fourth radial factor."""
    r = math.hypot(x, y)
    factor = (1 + k[0] * r**2 + k[1] * r**4 + k[2] * r**6 + k[3] * r**8) / (1 + q[0] * r**2 + q[1] * r**4 + q[2] * r**6)
    return (
        x * factor + 2 * p[0] * x * y + p[1] * (r**2 + 2 * x**2),
        y * factor + p[0] * (r**2 + 2 * y**2) + 2 * p[1] * x * y,
    )


def grid(reach: float) -> torch.Tensor:
    steps = torch.linspace(-reach, reach, 13, dtype=torch.float64)
    return torch.cartesian_prod(steps, steps)


@pytest.mark.parametrize("name", ["radial", "pincushion", "opencv", "rational"])
def test_perspective_lenses_follow_opencvs_formula(name):
    lens = LENSES[name]
    points = grid(0.7)
    expected = [opencv(x, y, lens.radial, lens.tangential, lens.rational) for x, y in points.tolist()]
    torch.testing.assert_close(lens.distort(points), torch.tensor(expected, dtype=torch.float64), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", ["fisheye", "thin prism"])
def test_fisheye_lenses_bend_the_angle(name):
    lens = LENSES[name]
    for (x, y), (u, v) in zip(grid(1.5).tolist(), lens.distort(grid(1.5)).tolist()):
        r = math.hypot(x, y)
        angle = math.atan(r)
        a, b = (angle * x / r, angle * y / r) if r else (0.0, 0.0)
        expected = opencv(a, b, lens.radial, lens.tangential, (0, 0, 0))
        shifts = (lens.thin_prism[0] * angle**2, lens.thin_prism[1] * angle**2)
        assert (u, v) == pytest.approx((expected[0] + shifts[0], expected[1] + shifts[1]), abs=1e-14)


@pytest.mark.parametrize("name", LENSES)
def test_undistort_is_the_inverse(name):
    reach = 2.0 if LENSES[name].is_fisheye else 0.7
    back = LENSES[name].undistort(LENSES[name].distort(grid(reach)))
    torch.testing.assert_close(back, grid(reach), rtol=1e-9, atol=1e-10)
    assert not bool(LENSES[name].folds(grid(reach)).any())


def test_a_fisheye_sees_no_plane_beyond_a_right_angle():
    lens = Distortion(is_fisheye=True)
    directions = torch.tensor([[1.5, 0.0], [1.6, 0.0], [0.0, -3.0]], dtype=torch.float64)  # angles [rad]
    assert lens.undistort(directions).isnan().any(dim=1).tolist() == [False, True, True]


def test_where_a_lens_folds_nothing_is_undistorted():
    lens = Distortion(radial=(-0.5, 0.0, 0.0, 0.0))  # its image ends at r = sqrt(2 / 3), where it is 2 / 3 of that
    end = math.sqrt(2 / 3)
    points = torch.tensor([[0.99 * end, 0.0], [1.01 * end, 0.0]], dtype=torch.float64)
    assert lens.folds(points).tolist() == [False, True]
    beyond = torch.tensor([[end * 2 / 3 * 1.001, 0.0]], dtype=torch.float64)
    assert bool(lens.undistort(beyond).isnan().all())


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-10, 10), min_size=11, max_size=11), st.booleans())
def test_any_coefficients_give_the_inverse_or_nothing(c, fisheye):
    lens = Distortion(fisheye, (c[0], c[1], c[2], c[3]), (c[4], c[5], c[6]), (c[7], c[8]), (c[9], c[10]))
    target = grid(0.8)
    back = lens.undistort(target)
    good = back.isfinite().all(dim=1)
    torch.testing.assert_close(lens.distort(back[good]), target[good], rtol=0, atol=1e-6)


def test_coefficients_are_finite_and_zeros_are_a_pinhole():
    with pytest.raises(InputError, match="NaN or infinite"):
        Distortion(radial=(math.nan, 0.0, 0.0, 0.0))
    assert Distortion().is_pinhole
    assert not Distortion(is_fisheye=True).is_pinhole
    assert not LENSES["radial"].is_pinhole
    assert torch.equal(Distortion().distort(grid(3)), grid(3))


@pytest.mark.parametrize("name", ["rational", "thin prism"])
def test_newtons_derivative_is_the_derivative(name):
    lens = LENSES[name]
    for point in grid(0.6)[::7]:
        expected = torch.autograd.functional.jacobian(lens._bent, point)
        torch.testing.assert_close(lens._jacobian(point), expected, rtol=0, atol=1e-13)
