"""A sensor's noise and holes are as asked for."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import label

from recon_cli.prepare.synth.body_sensor import sensed_depth


def scene() -> np.ndarray:
    """A disc at 2 m with a nearer square on it."""
    y, x = np.mgrid[:120, :100]
    depth = np.where((x - 50) ** 2 + (y - 60) ** 2 < 45**2, 2.0, 0.0).astype(np.float32)
    depth[50:70, 40:60] = 1.5
    return depth


def test_nothing_asked_for_changes_nothing():
    depth = scene()
    assert np.array_equal(sensed_depth(depth, noise=0.0, missing=0.0, jump=0.1, generator=np.random.default_rng(0)), depth)


@pytest.mark.parametrize("missing", [0.0, 0.1, 0.5])
def test_the_share_that_is_lost_is_exact_and_nothing_appears(missing):
    depth = scene()
    made = sensed_depth(depth, noise=0.01, missing=missing, jump=0.1, generator=np.random.default_rng(1))
    seen = depth > 0
    assert made.dtype == np.float32
    assert not (made[~seen] != 0).any()
    assert int(seen.sum()) - int((made > 0).sum()) == round(missing * int(seen.sum()))
    kept = made > 0
    assert float((made - depth)[kept].std()) == pytest.approx(0.01, rel=0.06)
    assert abs(float((made - depth)[kept].mean())) < 0.001


def test_some_of_the_lost_lie_in_blobs_and_more_of_them_at_edges():
    depth = scene()
    lost = (depth > 0) & (sensed_depth(depth, noise=0.0, missing=0.1, jump=0.1, generator=np.random.default_rng(2)) == 0)
    sizes = np.bincount(label(lost)[0].reshape(-1))[1:]
    assert (sizes == 1).sum() > 50
    assert sizes.max() >= 8
    middle = (depth == 1.5).copy()
    middle[51:69, 41:59] = False
    assert lost[middle].mean() > 1.3 * lost[depth > 0].mean()
