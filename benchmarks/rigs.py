"""The rigs of the multi-view stereo figures: every mesh, from the front and from all around, with much and with little texture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from recon_cli.core.mesh import Mesh
from recon_cli.io.meshes import read_mesh
from recon_cli.prepare.synth.rig import Rig, RigSpec, make_rig
from recon_cli.prepare.synth.rig_mesh import smoothed
from recon_cli.prepare.synth.rig_object import draw_object

MESHES = Path(__file__).parents[2] / "shared" / "data" / "meshes"
FACES = 20_000
"""Coarse meshes are subdivided until they have as many faces, so that no facet shows."""
SIZES = {"frontal": 512, "hemisphere": 320}
TEXTURES = ("strong", "weak")
NOISE = 1.0
"""Of the sensor [8-bit levels]."""
SEED = 0


OBJECTS: dict[str, tuple[str | None, float]] = {
    "object": (None, 0.0),
    "spot": ("spot_low_resolution.obj", 150.0),
    "koala": ("koala_low_resolution.obj", 40.0),
    "man": ("human_man.obj", 0.0),
}
"""The file of each object, None for that of sample_data/rig, and the azimuth [degrees] of the frontal layout's middle."""


def bench_rigs(
    *,
    objects: Sequence[str] = tuple(OBJECTS),
    layouts: Sequence[str] = tuple(SIZES),
    textures: Sequence[str] = TEXTURES,
    size: int | None = None,
    views: int | None = None,
) -> Iterator[tuple[str, Rig]]:
    """Names such as "spot-frontal-weak" and their rigs, made one at a time; a mesh whose file is absent is left out.

    Args:
        objects: keys of ``OBJECTS``.
        layouts: of the cameras.
        textures: strengths.
        size: longest side of a picture [px]; None for 512 from the front and 320 from around.
        views: cameras; None for 19 and 65.
    """
    for name in objects:
        file, azimuth = OBJECTS[name]
        if file is not None and not (MESHES / file).exists():
            continue
        mesh = bench_mesh(name)
        for layout in layouts:
            for texture in textures:
                spec = RigSpec(layout=layout, texture=texture, size=size or SIZES[layout], views=views, azimuth=azimuth, noise=NOISE)
                yield f"{name}-{layout}-{texture}", make_rig(mesh, spec, seed=[SEED, *name.encode()])


def bench_mesh(name: str) -> Mesh:
    """The mesh that is photographed [scene units]."""
    file, _ = OBJECTS[name]
    if file is None:
        return draw_object(np.random.default_rng([SEED, 0]))
    return smoothed(read_mesh(MESHES / file, geometry_only=True), at_least=FACES)
