"""Votes of neighbouring views against a slow twin, and what they mean on planes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import UsageError
from recon_cli.kernels.consistency import Agreement, Votes, count_votes
from tests.systems.mvs.sphere_rig import looking_at, plane_depth

TARGET = torch.tensor([0.3, -0.2, 4.0], dtype=torch.float64)
NORMAL = torch.tensor([0.5, 0.3, -1.0], dtype=torch.float64)
SIZES = ((40, 30), (44, 36), (32, 40))
STEP = 5
"""The twin is slow and judges every fifth pixel."""


def rig(count: int = 4) -> Cameras:
    places = torch.tensor([[0.4 * i - 0.5, 0.25 * (i % 2), 0.1 * i] for i in range(count)], dtype=torch.float64)
    return looking_at(places, TARGET, sizes=SIZES)


def plane_maps(cameras: Cameras) -> list[Tensor]:
    return [plane_depth(cameras[i], TARGET, NORMAL) for i in range(len(cameras))]


def lookup(depth: Tensor, x: float, y: float, edge: float) -> tuple[float, Tensor, bool] | None:
    """1 / z, its slopes and whether four pixels carry it."""
    height, width = depth.shape
    if not (0 <= x < width and 0 <= y < height):
        return None
    left, top = math.floor(x - 0.5), math.floor(y - 0.5)
    if left >= 0 and top >= 0 and left + 1 < width and top + 1 < height:
        four = depth[top : top + 2, left : left + 2].double()
        if four.min() > 0 and four.max() - four.min() <= edge * four.min():
            w, s, t = 1 / four, x - 0.5 - left, y - 0.5 - top
            value = (w[0, 0] * (1 - s) + w[0, 1] * s) * (1 - t) + (w[1, 0] * (1 - s) + w[1, 1] * s) * t
            slopes = torch.stack(
                [(w[:, 1] - w[:, 0]) @ torch.tensor([1 - t, t]).double(), (w[1] - w[0]) @ torch.tensor([1 - s, s]).double()]
            )
            return float(value), slopes, True
    z = float(depth[int(y), int(x)])
    return (1 / z, torch.zeros(2, dtype=torch.float64), False) if z > 0 else None


def biweight(values: list[tuple[float, float]], centre: float, reach: float) -> tuple[float, float]:
    weighted = [(v, w * max(1 - ((v - centre) / reach) ** 2, 0) ** 2) for v, w in values]
    return sum(v * w for v, w in weighted), sum(w for _, w in weighted)


def twin(view: int, others: list[int], cameras: Cameras, depth: list[Tensor], confidence: list[Tensor], agreement: Agreement) -> Votes:
    shape = depth[view].shape
    votes = Votes(torch.zeros(shape), torch.zeros(shape), torch.zeros(shape, dtype=torch.uint8), torch.zeros(shape, dtype=torch.uint8))
    for row, column in (depth[view] > 0).nonzero()[::STEP].tolist():
        z = float(depth[view][row, column])
        pixel = torch.tensor([[[column + 0.5, row + 0.5]]], dtype=torch.float64)
        place = cameras[view].world_from_camera[0, :3, 3]
        ray = cameras[view].unproject(pixel, torch.ones(1, 1).double())[0, 0] - place
        values, conflicts = [], 0
        for j in others:
            at, seen_z = cameras[j].project((place + z * ray)[None])
            (x, y), seen_z = at[0, 0].tolist(), float(seen_z)
            found = lookup(depth[j], x, y, min(agreement.tilt / float(cameras.K[j, 0, 0]), 0.5))
            if seen_z <= 0 or found is None:
                continue
            w, slopes, is_smooth = found
            back, back_z = cameras[view].project(cameras[j].unproject(at, torch.full((1, 1), 1 / w).double())[0])
            # Points of the neighbour's plane: 1 / z' = w + slopes . (p' - p); with q the pixel times z', a . q = 1.
            a = torch.cat([slopes, torch.tensor([w - float(slopes @ at[0, 0])]).double()])
            project = cameras[j].K[0] @ cameras[j].camera_from_world[0, :3]
            m, t = project[:, :3] @ ray, project[:, :3] @ place + project[:, 3]
            met = float((1 - a @ t) / (a @ m)) if is_smooth and a @ m > 0 else float(back_z)
            is_near = abs(1 / (w * seen_z) - 1) <= agreement.relative and float((back - pixel).norm()) <= agreement.pixels
            if is_near and abs(met - z) <= agreement.relative * z:
                values.append((met, float(confidence[j][int(y), int(x)]) if is_smooth else 0.0))
            elif is_smooth and 1 / (w * seen_z) - 1 > agreement.gap:
                conflicts += 1
        own, reach = float(confidence[view][row, column]), agreement.relative * z
        moment, total = biweight(values, z, reach)
        centre = (own * z + moment) / (own + total) if own + total else z
        moment, total = biweight([*values, (z, own)], centre, reach)
        votes.mean[row, column], votes.support[row, column] = moment / total if total else centre, total
        votes.agreeing[row, column], votes.conflicting[row, column] = len(values), conflicts
    return votes


def test_matches_the_twin() -> None:
    cameras = rig()
    generator = torch.Generator().manual_seed(0)
    depth, confidence = [], []
    for exact in plane_maps(cameras):
        noisy = exact * (1 + 0.002 * torch.randn(exact.shape, generator=generator))
        noisy[torch.rand(exact.shape, generator=generator) < 0.03] *= 0.8
        noisy[torch.rand(exact.shape, generator=generator) < 0.05] = 0
        depth.append(noisy)
        confidence.append(torch.rand(exact.shape, generator=generator))
    agreement = Agreement(pixels=1.0, relative=0.004, gap=0.02, tilt=4.0)
    ours = count_votes(1, [0, 2, 3], cameras, depth, confidence, agreement=agreement)
    theirs = twin(1, [0, 2, 3], cameras, depth, confidence, agreement)
    # A depth on the brink of agreement may fall to either side in float32.
    judged = torch.zeros_like(ours.agreeing, dtype=torch.bool)
    judged[tuple((depth[1] > 0).nonzero()[::STEP].T)] = True
    same = judged & (ours.agreeing == theirs.agreeing) & (ours.conflicting == theirs.conflicting)
    assert float(same.sum()) > 0.99 * float(judged.sum())
    assert int(ours.agreeing.max()) == 3
    assert int(ours.conflicting.max()) >= 2
    torch.testing.assert_close(ours.mean[same], theirs.mean[same], rtol=2e-6, atol=0)
    torch.testing.assert_close(ours.support[same], theirs.support[same], rtol=1e-3, atol=1e-3)


def test_a_slanted_plane_is_confirmed_without_bias() -> None:
    """The mean is that of the same pixel, far below a hundredth of a pixel of disparity."""
    cameras = rig()
    depth = plane_maps(cameras)
    votes = count_votes(0, [1, 2, 3], cameras, depth)
    assert int(votes.agreeing[5:-5, 8:-8].min()) >= 2
    torch.testing.assert_close(votes.mean, depth[0], rtol=1e-6, atol=0)
    assert not votes.conflicting.any()


def test_averaging_reduces_noise_by_the_root_of_the_views() -> None:
    cameras, generator = rig(6), torch.Generator().manual_seed(3)
    exact = plane_maps(cameras)
    # One number for each map: interpolation between a neighbour's pixels does not average it away.
    offsets = 0.0005 * torch.randn(6, generator=generator)
    depth = [d * (1 + o) for d, o in zip(exact, offsets, strict=True)]
    errors = torch.stack([(count_votes(i, [j for j in range(6) if j != i], cameras, depth).mean / exact[i] - 1)[10, 15] for i in range(6)])
    assert float(errors.square().mean()) < 0.35 * float(offsets.square().mean())


def test_what_a_neighbour_sees_through_conflicts_and_what_hides_does_not() -> None:
    cameras = rig()
    depth = plane_maps(cameras)
    near = [d.clone() for d in depth]
    near[0] *= 0.8
    assert int(count_votes(0, [1, 2, 3], cameras, near).conflicting.max()) == 3
    hidden = [d * 0.8 if i else d for i, d in enumerate(depth)]
    votes = count_votes(0, [1, 2, 3], cameras, hidden)
    assert not votes.conflicting.any()
    assert not votes.agreeing.any()


def test_no_neighbours_and_too_many() -> None:
    cameras = rig()
    depth = plane_maps(cameras)
    alone = count_votes(0, [], cameras, depth)
    assert not alone.agreeing.any()
    torch.testing.assert_close(alone.mean, depth[0])
    with pytest.raises(UsageError, match="17 neighbours"):
        count_votes(0, [1] * 17, cameras, depth)
