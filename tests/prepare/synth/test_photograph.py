"""Pictures of a flat square whose colour and outline are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from recon_cli.prepare.synth.photograph import Pinhole, Scene, decode, encode, photograph
from recon_cli.prepare.synth.sheet import grid

CAMERA = Pinhole(80, 60, 100.0, (40.0, 30.0))


def _scene(texture: np.ndarray, **changes: object) -> Scene:
    mesh = grid((0.4, 0.3), 4, 3)
    scene = Scene(
        camera=CAMERA,
        faces=mesh.faces,
        uvs=mesh.uvs,
        texture=texture,
        light=np.array([0.0, -0.6, -0.8]),
        directional=0.5,
        ambient=0.25,
        background=np.full(3, 0.002),
        blur=0.0,
        read_noise=0.0,
        shot_noise=0.0,
    )
    return replace(scene, **changes)


def _facing(z: float = 1.0) -> np.ndarray:
    """The square that covers columns 20 to 60 and rows 15 to 45 at depth 1 m."""
    points = grid((0.4, 0.3), 4, 3).points - np.array([0.2, 0.15])
    return np.concatenate([points, np.full((len(points), 1), z)], axis=-1)


def _plain(level: int = 200) -> np.ndarray:
    return np.full((8, 8, 3), level, dtype=np.uint8)


def test_the_mask_is_the_projected_square():
    _, mask = photograph(_scene(_plain()), _facing(), np.random.default_rng(0))
    expected = np.zeros((60, 80), dtype=np.uint8)
    expected[15:45, 20:60] = 255
    assert np.array_equal(mask, expected)


def test_colour_is_print_times_light():
    picture, _ = photograph(_scene(_plain()), _facing(), np.random.default_rng(0))
    expected = 255 * encode(decode(np.array(200 / 255)) * (0.25 + 0.5 * 0.8))
    assert np.abs(picture[16:44, 21:59].astype(float) - expected).max() <= 0.5
    assert np.abs(picture[:14].astype(float) - 255 * encode(np.array(0.002))).max() <= 0.5


def test_both_sides_of_the_cloth_are_lit_alike():
    scene = _scene(_plain())
    turned = replace(scene, faces=scene.faces[:, [0, 2, 1]])
    first, second = (photograph(one, _facing(), np.random.default_rng(0))[0] for one in (scene, turned))
    assert np.array_equal(first, second)


def test_the_print_is_upright():
    texture = _plain(40)
    texture[:4, 4:] = [250, 40, 40]  # red in the upper right quarter
    picture, _ = photograph(_scene(texture), _facing(), np.random.default_rng(0))
    red = picture[..., 0].astype(int) - picture[..., 1]
    assert red[17:28, 43:58].min() > 60
    assert np.abs(red[32:43, 22:58]).max() <= 1


def test_an_edge_through_a_pixel_is_covered_by_its_share():
    shifted = _facing() + np.array([1 / 300, 0, 0])  # a third of a pixel to the right: one of three rays of column 20 misses
    picture, mask = photograph(_scene(_plain(), background=np.zeros(3)), shifted, np.random.default_rng(0))
    inside, edge = decode(picture[30, 40] / 255), decode(picture[30, 20] / 255)
    np.testing.assert_allclose(edge / inside, 2 / 3, atol=0.02)
    assert mask[30, 20] == 255
    assert mask[30, 60] == 0


def test_noise_has_the_strength_asked_for_and_leaves_the_mask_alone():
    scene = _scene(_plain(), read_noise=0.003, shot_noise=0.02)
    picture, mask = photograph(scene, _facing(), np.random.default_rng(0))
    clean, clean_mask = photograph(_scene(_plain()), _facing(), np.random.default_rng(0))
    assert np.array_equal(mask, clean_mask)
    light = float(decode(np.array(200 / 255))) * 0.65
    noise = decode(picture[16:44, 21:59] / 255) - decode(clean[16:44, 21:59] / 255)
    assert noise.std() == pytest.approx(np.hypot(0.003, 0.02 * np.sqrt(light)), rel=0.06)


def test_srgb_round_trip():
    levels = np.linspace(0, 1, 50)
    np.testing.assert_allclose(encode(decode(levels)), levels, atol=1e-6)
