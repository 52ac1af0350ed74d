"""Depth maps of a group optimised over signed ray distances (Zins et al. 2022, Section 3 and 4.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import NumericsError
from recon_cli.kernels.ray_distance import Consistency, MapSet, Samples, climb, ray_energy
from recon_cli.systems.mvs.config import SrdfConfig, SrdfEpoch
from recon_cli.systems.mvs.estimates import Planes
from recon_cli.systems.mvs.photo_consistency import PhotoConsistency


@dataclass(frozen=True)
class Group:
    """Views that are optimised together, at one resolution.

    Attributes:
        views: their indices in the scene.
        cameras: their cameras at this resolution.
        estimates: their hypotheses.
        voters: for each view, places in the group of the views that vote on its samples.
        sources: for each view, views of the scene that the prior compares it with.
    """

    views: Sequence[int]
    cameras: Cameras
    estimates: Sequence[Planes]
    voters: Sequence[Sequence[int]]
    sources: Sequence[Sequence[int]]


def optimise(group: Group, prior: PhotoConsistency, config: SrdfConfig, epoch: SrdfEpoch) -> list[Planes]:
    """One pass over all rays: sample about the current depths, score the samples, raise the energy (Eq. 2)."""
    maps = MapSet.pack([estimate.depth() for estimate in group.estimates], group.cameras)
    consistency = Consistency(variance=config.variance, occlusion=config.occlusion)
    if config.ascent == "closed":
        return [_climbed(group, maps, index, prior, consistency, epoch) for index in range(len(group.views))]
    return _descended(group, maps, prior, consistency, config, epoch)


def sample_rays(group: Group, maps: MapSet, index: int, prior: PhotoConsistency, epoch: SrdfEpoch) -> Samples:
    """Points at equal steps on [d - offset, d + offset] of every foreground ray of a view, and their photo-consistency."""
    estimate = group.estimates[index]
    width = estimate.costs.shape[1]
    places = estimate.is_known.reshape(-1).nonzero()[:, 0]
    positions = torch.stack([places % width, places.div(width, rounding_mode="floor")], dim=-1).to(torch.int32)
    depth = maps.map(index).reshape(-1)[places]
    offset = epoch.offset * depth_unit(group.cameras, index, group.voters[index], positions, depth)
    # A sample never reaches the camera.
    offset = torch.minimum(offset, 0.5 * depth)
    steps = torch.linspace(-1, 1, epoch.samples, device=depth.device)
    samples = depth[:, None] + offset[:, None] * steps
    slopes = estimate.planes.reshape(-1, 3)[places, 1:]
    scores = prior.scores(group.views[index], group.sources[index], positions, samples, slopes)
    return Samples(index, tuple(group.voters[index]), places.to(torch.int32), offset, samples, scores.contiguous())


def depth_unit(cameras: Cameras, index: int, others: Sequence[int], positions: Tensor, depth: Tensor) -> Tensor:  # [P]
    """Change of depth [scene units] that moves a point by one pixel in the average of the other views."""
    if len(positions) == 0 or not others:
        return torch.ones_like(depth)
    pixels = positions.to(torch.float64) + 0.5
    lifted = [cameras[index].unproject(pixels[None], z[None].double())[0] for z in (depth, depth * 1.001)]
    moved = [cameras.chosen(others).project(points)[0] for points in lifted]
    move = (moved[1] - moved[0]).norm(dim=-1).mean(dim=0)
    return (0.001 * depth.double() / move.clamp(min=1e-9)).to(depth)


def _climbed(group: Group, maps: MapSet, index: int, prior: PhotoConsistency, consistency: Consistency, epoch: SrdfEpoch) -> Planes:
    """All maps rise at once: each view sees the others as they were before the pass."""
    samples = sample_rays(group, maps, index, prior, epoch)
    risen, _ = climb(maps, samples, consistency, steps_up=epoch.steps)
    return group.estimates[index].with_depth(samples.pixels, risen)


def _descended(
    group: Group, maps: MapSet, prior: PhotoConsistency, consistency: Consistency, config: SrdfConfig, epoch: SrdfEpoch
) -> list[Planes]:
    """The paper's way: gradients of the energy by all depths, Adam, samples and scores held during the pass."""
    samples = [sample_rays(group, maps, index, prior, epoch) for index in range(len(group.views))]
    # Adam's steps do not know units: the unknown of a pixel is its depth in offsets, from where it is now.
    units = torch.zeros_like(maps.depths)
    for rays in samples:
        units[(maps.offsets[rays.view] + rays.pixels).long()] = rays.offsets
    change = torch.zeros_like(maps.depths, requires_grad=True)
    optimiser = torch.optim.Adam([change], lr=config.rate)
    for _ in range(epoch.steps):
        optimiser.zero_grad()
        depths = maps.depths + change * units
        gradient = torch.zeros_like(depths)
        # The energy is a sum over views: one at a time needs memory for one.
        for rays in samples:
            leaf = depths.detach().requires_grad_()
            (part,) = torch.autograd.grad(ray_energy(leaf, maps, rays, consistency).sum(), leaf)
            gradient += part
        if not bool(torch.isfinite(gradient).all()):
            raise NumericsError("the gradient of the energy is not finite", hint="lower srdf.rate, or raise srdf.occlusion")
        change.grad = -gradient * units
        optimiser.step()
        with torch.no_grad():
            change.clamp_(-1, 1)
    depths = (maps.depths + change * units).detach()
    risen = MapSet(depths, maps.offsets, maps.cameras)
    return [group.estimates[rays.view].with_depth(rays.pixels, risen.map(rays.view).reshape(-1)[rays.pixels.long()]) for rays in samples]


def voters(neighbours: Tensor, views: Sequence[int], count: int) -> list[list[int]]:
    """Places in a group of the nearest of its own views, for each of them; ``neighbours`` [C, K] are ordered, -1 pads."""
    place: Mapping[int, int] = {view: index for index, view in enumerate(views)}
    return [[place[other] for other in neighbours[view].tolist() if other in place][:count] for view in views]
