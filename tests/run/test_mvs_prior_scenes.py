"""Rendered training scenes: always the same for a seed, never the same for another number."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.run import mvs_prior_scenes
from recon_cli.run.mvs_prior_scenes import RigScenes, draw_spec
from recon_cli.systems.mvs.prior_config import RigsConfig

TINY = RigsConfig(views=4, size=64)


def test_a_rig_is_the_same_again_and_rendered_once(monkeypatch):
    scenes = RigScenes(TINY, 2, seed=3)
    first = scenes[0]
    assert scenes[0] is first
    again = RigScenes(TINY, 1, seed=3)[0]
    assert torch.equal(again.scene.images[1], first.scene.images[1])
    assert torch.equal(again.depths.depth[1], first.depths.depth[1])
    other = RigScenes(TINY, 1, seed=3, first=10**6)[0]
    assert other.scene.images[0].shape != first.scene.images[0].shape or not torch.equal(other.scene.images[0], first.scene.images[0])
    monkeypatch.setattr(mvs_prior_scenes, "KEPT_BYTES", 1)
    scenes[1]
    assert scenes[0] is not first
    assert torch.equal(scenes[0].scene.images[0], first.scene.images[0])
    with pytest.raises(IndexError):
        scenes[2]


def test_every_kind_of_material_and_sensor_occurs():
    generator = np.random.default_rng(0)
    specs = [draw_spec(TINY, generator) for _ in range(200)]
    assert {spec.layout for spec in specs} == {"frontal", "hemisphere"}
    assert {spec.texture for spec in specs} == {"strong", "weak"}
    assert {spec.background for spec in specs} == {"black", "textured"}
    assert {spec.clutter for spec in specs} == {0, 1, 2, 3, 4}
    assert any(spec.specular == 0 for spec in specs)
    assert max(spec.specular for spec in specs) > 0.4
    assert max(spec.noise for spec in specs) > 2
    assert max(spec.exposure for spec in specs) > 0.3
