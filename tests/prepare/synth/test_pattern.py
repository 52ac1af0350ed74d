"""Prints are rich, bright enough and seeded."""

from __future__ import annotations

import numpy as np
import pytest

from recon_cli.prepare.synth.pattern import MOTIFS, _palette, draw_pattern, smooth_noise


@pytest.mark.parametrize("seed", range(3))
def test_a_print_is_seeded_and_never_dark(seed):
    first, second = (draw_pattern(96, np.random.default_rng(seed)) for _ in range(2))
    assert np.array_equal(first, second)
    assert first.shape == (96, 96, 3)
    assert first.min() >= 51
    assert not np.array_equal(first, draw_pattern(96, np.random.default_rng(seed + 10)))


@pytest.mark.parametrize("motif", MOTIFS)
def test_every_part_of_a_print_has_an_edge(motif):
    generator = np.random.default_rng(0)
    color = motif(128, _palette(generator), generator).mean(axis=-1)
    blocks = color.reshape(4, 32, 4, 32).transpose(0, 2, 1, 3).reshape(16, -1)
    assert (blocks.max(axis=1) - blocks.min(axis=1)).min() > 0.1


def test_noise_is_smooth_and_centred():
    noise = smooth_noise(200, 10, np.random.default_rng(0))
    assert abs(noise.mean()) < 0.15
    assert np.abs(noise).max() <= 1
    assert np.abs(np.diff(noise, axis=0)).max() < 0.15
