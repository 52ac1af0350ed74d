"""The template against the reference frame: texture coordinates that are its projection are known, either way up, and their scale."""

from dataclasses import replace

import pytest
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.template import check_template, with_projected_texture
from tests.systems.sft.waving import pose, sheet

CAMERA = Cameras.pinhole(width=320, height=240, fx=300.0, fy=300.0, cx=150.0, cy=130.0)


@pytest.fixture
def projected() -> Mesh:
    parameters, faces = sheet(9)
    return with_projected_texture(Mesh(pose(parameters, 0.0), faces), CAMERA, torch.zeros(240, 320, 3, dtype=torch.uint8))


def check(template: Mesh):
    return check_template(template, CAMERA, torch.full((240, 320), 255, dtype=torch.uint8).numpy(), minimum_visible=0.5)


@pytest.mark.parametrize("is_flipped", [False, True])
def test_own_projection_has_no_residual(projected, is_flipped):
    flip = torch.tensor([1.0, -1.0]) if is_flipped else torch.ones(2)
    found = check(replace(projected, uvs=projected.uvs * flip + torch.tensor([0.0, float(is_flipped)])))
    assert found.visible_share == 1.0
    assert found.uv_is_projection
    assert found.uv_residual_px is not None
    assert max(found.uv_residual_px) < 1e-9
    assert found.uv_scale == pytest.approx(1.0)


def test_scale_and_shift_are_measured(projected):
    uvs = 1.02 * (projected.uvs - projected.uvs.mean(dim=0)) + projected.uvs.mean(dim=0) + torch.tensor([4.0 / 320, 0.0])
    found = check(replace(projected, uvs=uvs))
    assert found.uv_scale == pytest.approx(1.02, rel=1e-3)
    assert found.uv_residual_px is not None
    assert found.uv_residual_px[0] == pytest.approx(4.0, rel=0.3)
    assert found.uv_is_projection


def test_an_atlas_is_no_projection(projected):
    parameters, _ = sheet(9)
    assert not check(replace(projected, uvs=parameters)).uv_is_projection
