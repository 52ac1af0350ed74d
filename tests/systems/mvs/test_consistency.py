"""The depth filter: what it believes, what it averages, and what it does with odd maps."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import StoppedError, UsageError
from recon_cli.core.hooks import NoHooks
from recon_cli.systems.mvs.config import FilterConfig
from recon_cli.systems.mvs.consistency import filter_depths
from tests.systems.mvs.sphere_rig import CENTRE, looking_at, nearest_views, plane_depth

NORMAL = torch.tensor([0.2, 0.1, -1.0], dtype=torch.float64)
CONFIG = FilterConfig(neighbours=5, speckle=0)


def plane_maps(count: int = 6) -> DepthMaps:
    places = CENTRE + torch.tensor([[0.5 * i - 1.2, 0.3 * (i % 2), -5.0] for i in range(count)], dtype=torch.float64)
    cameras = looking_at(places, CENTRE)
    return DepthMaps(cameras, tuple(plane_depth(cameras[i], CENTRE, NORMAL) for i in range(count)))


def errors(maps: DepthMaps, exact: DepthMaps) -> torch.Tensor:
    return torch.cat([(d / e - 1)[d > 0] for d, e in zip(maps.depth, exact.depth, strict=True)])


def noisy(exact: DepthMaps, sigma: float = 0.0004) -> DepthMaps:
    generator = torch.Generator().manual_seed(5)
    return replace(exact, depth=tuple(d * (1 + sigma * torch.randn(d.shape, generator=generator)) for d in exact.depth))


def test_averaging_makes_a_noisy_plane_better() -> None:
    exact = plane_maps()
    neighbours = nearest_views(exact.cameras, 5)
    plain, _ = filter_depths(noisy(exact), neighbours, CONFIG.model_copy(update={"averaging": False}))
    averaged, counts = filter_depths(noisy(exact), neighbours, CONFIG)
    assert float(errors(averaged, exact).std()) < 0.45 * float(errors(plain, exact).std())
    assert all(torch.equal(a > 0, p > 0) for a, p in zip(averaged.depth, plain.depth, strict=True))
    assert int(counts[2].max()) == 5
    kept = sum(int((d > 0).sum()) for d in averaged.depth) / sum(d.numel() for d in exact.depth)
    assert kept > 0.85


def test_progress_tells_the_share_of_a_views_depths_that_is_confirmed() -> None:
    told = []

    class Listening(NoHooks):
        def progress(self, done: int, total: int, **numbers: float) -> None:
            told.append(numbers)

    exact = plane_maps()
    half = torch.arange(exact.depth[2].shape[1]) % 2 == 0
    wrong = replace(exact, depth=(*exact.depth[:2], exact.depth[2] * torch.where(half, 0.9, 1.0), *exact.depth[3:]))
    found, _ = filter_depths(wrong, nearest_views(exact.cameras, 5), CONFIG, hooks=Listening())
    shares = [float((d > 0).sum()) / float((w > 0).sum()) for d, w in zip(found.depth, wrong.depth, strict=True)]
    assert [numbers["confirmed"] for numbers in told] == pytest.approx(shares)
    assert shares[2] < 0.55 < min(shares[:2])


def test_an_inconsistent_view_is_voted_out() -> None:
    exact = plane_maps()
    wrong = replace(exact, depth=(*exact.depth[:2], exact.depth[2] * 0.9, *exact.depth[3:]))
    kept, counts = filter_depths(wrong, nearest_views(exact.cameras, 5), CONFIG)
    assert not kept.depth[2].any()
    assert not counts[2].any()
    assert float(errors(kept, exact).abs().max()) < 1e-5
    assert all(float((d > 0).float().mean()) > 0.6 for i, d in enumerate(kept.depth) if i != 2)


def test_contradicted_depths_go_although_some_agree() -> None:
    """Two views share a ghost in front of the plane, four look through it."""
    exact = plane_maps()
    point = CENTRE + torch.tensor([0.0, 0.0, -0.5], dtype=torch.float64)
    depth = tuple(plane_depth(exact.cameras[i], point, NORMAL) if i in (2, 3) else d for i, d in enumerate(exact.depth))
    ghost = replace(exact, depth=depth)
    config = CONFIG.model_copy(update={"agreeing": 1})
    voted, _ = filter_depths(ghost, nearest_views(exact.cameras, 5), config)
    trusting, _ = filter_depths(ghost, nearest_views(exact.cameras, 5), config.model_copy(update={"conflicts": 0.0}))
    assert float((trusting.depth[2] > 0).float().mean()) > 0.7
    assert float((voted.depth[2] > 0).float().mean()) < 0.1


def test_the_order_of_the_views_does_not_matter() -> None:
    maps = noisy(plane_maps())
    neighbours = nearest_views(maps.cameras, 5)
    order = [3, 0, 5, 1, 4, 2]
    place = torch.tensor([order.index(i) for i in range(6)])
    first, _ = filter_depths(maps, neighbours, CONFIG)
    second, _ = filter_depths(maps.chosen(order), place[neighbours[order]], CONFIG)
    for i, view in enumerate(order):
        assert torch.equal(first.depth[view], second.depth[i])


def test_doubtful_depths_need_one_more_view() -> None:
    exact = plane_maps(3)
    neighbours = nearest_views(exact.cameras, 2)
    sure = replace(exact, confidence=tuple(torch.full_like(d, 0.9) for d in exact.depth))
    doubtful = replace(exact, confidence=tuple(torch.full_like(d, 0.1) for d in exact.depth))
    assert filter_depths(sure, neighbours, CONFIG)[0].depth[1].any()
    assert not filter_depths(doubtful, neighbours, CONFIG)[0].depth[1].any()


def test_confident_views_weigh_more() -> None:
    exact = plane_maps(3)
    off = replace(exact, depth=(exact.depth[0] * 1.001, *exact.depth[1:]))
    results = []
    for weight in (0.05, 1.0):
        confidence = tuple(torch.full_like(d, weight if i == 0 else 1.0) for i, d in enumerate(exact.depth))
        config = CONFIG.model_copy(update={"doubtful": 0.0})
        kept, _ = filter_depths(replace(off, confidence=confidence), nearest_views(exact.cameras, 2), config)
        results.append(float((kept.depth[1] / exact.depth[1] - 1)[20:40, 30:60].mean()))
    assert 0 < results[0] < 0.3 * results[1]


def test_small_pieces_go_and_large_ones_stay() -> None:
    exact = plane_maps(3)
    holed = []
    for depth in exact.depth:
        kept = torch.zeros_like(depth)
        kept[:, : depth.shape[1] // 2] = depth[:, : depth.shape[1] // 2]
        holed.append(kept)
    first = holed[0].clone()
    first[30:33, 42:44] = exact.depth[0][30:33, 42:44]
    maps = replace(exact, depth=(first, exact.depth[1], exact.depth[2]))
    config = CONFIG.model_copy(update={"speckle": 20})
    kept, _ = filter_depths(maps, nearest_views(exact.cameras, 2), config)
    assert not kept.depth[0][:, 38:].any()
    assert float((kept.depth[0][:, :30] > 0).float().mean()) > 0.5
    assert filter_depths(maps, nearest_views(exact.cameras, 2), CONFIG)[0].depth[0][30:33, 42:44].any()


def test_nan_infinity_and_negative_depths_count_as_nothing() -> None:
    exact = plane_maps(4)
    broken = exact.depth[1].clone()
    broken[:10], broken[10:20], broken[20:30] = torch.nan, torch.inf, -3.0
    kept, counts = filter_depths(replace(exact, depth=(exact.depth[0], broken, *exact.depth[2:])), nearest_views(exact.cameras, 3), CONFIG)
    assert not kept.depth[1][:30].any()
    assert all(bool(torch.isfinite(d).all()) for d in kept.depth)
    assert kept.depth[1][35:50].any()
    assert not counts[1][:30].any()


def test_empty_maps_stay_empty_and_padding_is_nobody() -> None:
    exact = plane_maps(3)
    empty = replace(exact, depth=tuple(torch.zeros_like(d) for d in exact.depth))
    kept, _ = filter_depths(empty, nearest_views(exact.cameras, 2), FilterConfig())
    assert not any(d.any() for d in kept.depth)
    alone, counts = filter_depths(exact, torch.full((3, 2), -1), FilterConfig(agreeing=0))
    assert torch.equal(alone.depth[0], exact.depth[0])
    assert not counts[0].any()


def test_smoothing_keeps_the_plane_and_lessens_its_noise() -> None:
    exact = plane_maps()
    neighbours = nearest_views(exact.cameras, 5)
    plain, _ = filter_depths(noisy(exact), neighbours, CONFIG)
    smooth, _ = filter_depths(noisy(exact), neighbours, CONFIG.model_copy(update={"bilateral_radius": 2}))
    assert float(errors(smooth, exact).std()) < 0.7 * float(errors(plain, exact).std())
    assert abs(float(errors(smooth, exact).mean())) < 1e-5


def test_normals_follow_the_depths() -> None:
    exact = plane_maps(3)
    maps = replace(exact, normals=tuple(torch.ones(*d.shape, 3) for d in exact.depth))
    maps.depth[0][:10] = 0
    kept, _ = filter_depths(maps, nearest_views(exact.cameras, 2), CONFIG)
    assert kept.normals is not None
    assert torch.equal(kept.normals[0].any(-1), kept.depth[0] > 0)


def test_neighbours_that_do_not_fit_are_refused() -> None:
    maps = plane_maps(3)
    with pytest.raises(UsageError, match=r"\[2, 2\], expected \[3, K\]"):
        filter_depths(maps, torch.zeros(2, 2, dtype=torch.int64), CONFIG)


def test_it_stops_when_asked() -> None:
    class Stop(NoHooks):
        def should_stop(self) -> bool:
            return True

    maps = plane_maps(3)
    with pytest.raises(StoppedError):
        filter_depths(maps, nearest_views(maps.cameras, 2), CONFIG, hooks=Stop())
