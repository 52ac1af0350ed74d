"""Which samples a camera sees: all of a smooth sheet, and of two sheets only the near one where they overlap."""

import torch

from recon_cli.core.cameras import Cameras
from recon_cli.systems.sft.tracker import barycentric_grid
from recon_cli.systems.sft.visibility import seen_samples
from tests.systems.sft.waving import pose, sheet

CAMERA = Cameras.pinhole(width=320, height=240, fx=300.0, fy=300.0, cx=160.0, cy=120.0)


def test_a_bent_sheet_does_not_hide_itself():
    parameters, faces = sheet(15)
    seen = seen_samples(pose(parameters, 0.2).numpy(), faces.numpy(), barycentric_grid(3), CAMERA)
    assert float(seen.mean()) == 1.0


def test_a_nearer_sheet_hides_what_is_behind_it():
    parameters, faces = sheet(13)
    flat = torch.cat([0.6 * (parameters - 0.5), torch.full((len(parameters), 1), 1.5, dtype=torch.float64)], dim=1)
    near = flat * torch.tensor([0.5, 1.0, 1.0]) + torch.tensor([0.0, 0.0, -0.2])
    points = torch.cat([flat, near])
    both = torch.cat([faces, faces + len(flat)])
    grid = barycentric_grid(2)
    seen = seen_samples(points.numpy(), both.numpy(), grid, CAMERA)
    assert float(seen[len(faces) :].mean()) == 1.0
    places = torch.einsum("sb,fbd->fsd", grid, flat[faces])
    on_screen = (places[..., 0] / places[..., 2]).abs()
    edge = 0.15 / 1.3
    assert float(seen[: len(faces)][on_screen < edge - 0.01].max()) == 0.0
    assert float(seen[: len(faces)][on_screen > edge + 0.01].min()) == 1.0
