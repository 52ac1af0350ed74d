"""Figures of a classification, against counting; and the baseline that the network is measured against."""

from __future__ import annotations

import pytest
import torch

from recon_cli.systems.mvs.prior_config import SamplingConfig
from recon_cli.systems.mvs.prior_correlation import CorrelationPrior
from recon_cli.systems.mvs.prior_measures import ScoredPoints, area_under_roc, best_threshold, measured, scored_points
from tests.systems.mvs.prior_scenes import small_scene


def scores(seed=0, count=200):
    generator = torch.Generator().manual_seed(seed)
    on, off = torch.rand(2, count, generator=generator)
    return (0.2 + 0.8 * on).mul(20).round() / 20, off.mul(20).round() / 20  # with ties


def test_area_is_the_share_of_pairs_in_order():
    on, off = scores()
    pairs = on[:, None] - off[None]
    expected = float(((pairs > 0).double() + 0.5 * (pairs == 0).double()).mean())
    assert area_under_roc(on, off) == pytest.approx(expected, abs=1e-12)
    assert area_under_roc(torch.ones(3), torch.zeros(2)) == 1.0
    assert area_under_roc(torch.ones(3), torch.ones(2)) == 0.5


def test_best_threshold_is_the_best():
    on, off = scores(1)
    best = best_threshold(on, off)

    def right(cut):
        return float((on > cut).double().mean() + (off <= cut).double().mean())

    assert right(best) == pytest.approx(max(right(cut) for cut in torch.linspace(-0.01, 1, 400).tolist()))


def test_curve_rises_from_corner_to_corner_and_holds_the_area():
    on, off = scores(2, 4000)
    curve = measured(ScoredPoints(on, off, torch.full((4000,), 5.0)))
    assert (curve.false_positives[0], curve.true_positives[0]) == (0.0, 0.0)
    assert (curve.false_positives[-1], curve.true_positives[-1]) == (1.0, 1.0)
    assert list(curve.false_positives) == sorted(curve.false_positives)
    assert list(curve.true_positives) == sorted(curve.true_positives)
    area = float(torch.trapezoid(torch.tensor(curve.true_positives), torch.tensor(curve.false_positives)))
    assert area == pytest.approx(curve.auc, abs=0.01)
    assert curve.points == 8000
    assert curve.accuracy == pytest.approx(0.5 * float((on > 0.5).double().mean() + (off <= 0.5).double().mean()))


def test_bins_hold_their_own_points():
    on = torch.tensor([0.9, 0.9, 0.9, 0.1])
    off = torch.tensor([0.8, 0.2, 0.2, 0.2])
    curve = measured(ScoredPoints(on, off, torch.tensor([0.6, 3.0, 3.5, 20.0])))
    assert curve.bins == ((0.5, 1.0), (2.0, 4.0), (16.0, 32.0))
    assert curve.bin_accuracy == pytest.approx((0.5 * 0.75, 0.5 * 1.75, 0.5 * 1.75))
    assert curve.bin_auc == pytest.approx((0.75, 0.75, 0.75))


def test_correlation_finds_the_surface_and_ignores_exposure():
    item = small_scene()
    config = SamplingConfig(pixels=500, slope_share=1.0, slope_noise=0.0)
    (points,) = scored_points([CorrelationPrior], [item], config, batches=3, seed=1)
    curve = measured(points, threshold=None)
    assert curve.auc > 0.8
    assert curve.bin_auc[-1] > curve.bin_auc[0]
    assert len(points.on) == len(points.off) == len(points.offset)
