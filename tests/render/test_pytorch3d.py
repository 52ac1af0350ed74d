"""Parity with PyTorch3D where it can be imported, and what is said where it cannot."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from recon_cli.core.errors import UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.render.lights import Lights
from recon_cli.render.protocol import RenderSettings, get_renderer
from tests.render.scenes import camera, sheet, two_sheets

needs_pytorch3d = pytest.mark.skipif(importlib.util.find_spec("pytorch3d") is None, reason="PyTorch3D is not installed")


def test_a_missing_pytorch3d_names_the_conda_line(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pytorch3d", "pytorch3d.renderer"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="cannot be imported") as caught:
        get_renderer("pytorch3d")
    assert caught.value.hint is not None
    assert "conda install" in caught.value.hint


def _pictures_and_gradients(name: str, mesh: Mesh, settings: RenderSettings) -> tuple[list[Tensor], list[Tensor]]:
    view = camera(160, 120)
    leaves = [value.float().clone().requires_grad_(True) for value in (mesh.vertices, view.K, view.camera_from_world)]
    if mesh.texture is not None:
        leaves.append(mesh.texture.float().clone().requires_grad_(True))
        mesh = replace(mesh, texture=leaves[3])
    mesh = replace(mesh.to(dtype=torch.float32), vertices=leaves[0], texture=leaves[3] if len(leaves) > 3 else None)
    lights = Lights(ambient=torch.full((3,), 0.5), directions=torch.tensor([[0.3, -0.5, -1.0]]), colors=torch.full((1, 3), 0.6))
    view = replace(view, K=leaves[1], camera_from_world=leaves[2])
    rendered = get_renderer(name).render(mesh, view, lights=lights, settings=settings)
    weights = torch.rand(rendered.color.shape, generator=torch.Generator().manual_seed(0))
    loss = (rendered.color * weights).mean() + (rendered.silhouette * weights[..., 0]).mean()
    gradients = list(torch.autograd.grad(loss, leaves))
    # PyTorch3D reads focal lengths and principal point only.
    gradients[1] = torch.stack([gradients[1][0, i, j] for i, j in ((0, 0), (1, 1), (0, 2), (1, 2))])
    return [rendered.color, rendered.depth, rendered.normal, rendered.silhouette, rendered.face], gradients


@needs_pytorch3d
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("mesh", [sheet(12), two_sheets()], ids=["sheet", "two sheets"])
def test_pictures_and_gradients_agree(mesh: Mesh, slots: int) -> None:
    settings = RenderSettings(mode="soft", faces_per_pixel=slots, background=(0.2, 0.3, 0.4))
    (ours, our_gradients), (theirs, their_gradients) = (_pictures_and_gradients(name, mesh, settings) for name in ("builtin", "pytorch3d"))
    is_same = ours[4] == theirs[4]
    assert float(is_same.float().mean()) > 0.999
    for mine, reference, limit in zip(ours, theirs, (1e-3, 1e-4, 1e-3, 1e-4)):
        assert float((mine - reference)[is_same].abs().max()) < limit
    for mine, reference in zip(our_gradients, their_gradients):
        assert float((mine - reference).norm()) < 5e-3 * float(reference.norm())


@needs_pytorch3d
def test_antialiased_mode_is_refused() -> None:
    with pytest.raises(UsageError, match="'soft' only"):
        get_renderer("pytorch3d").render(sheet(), camera())
