"""Cleaning: masks, number of views, small pieces."""

from __future__ import annotations

from dataclasses import replace

import torch

from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.mesh import Mesh
from recon_cli.kernels.isosurface import extract_surface
from recon_cli.kernels.tsdf import integrate, touched_grid
from recon_cli.systems.mvs.cleaning import clean, view_counts
from recon_cli.systems.mvs.config import FusionConfig
from tests.systems.mvs.sphere_rig import CENTRE, RADIUS, scene_of, sphere_maps

CONFIG = FusionConfig(voxel=0.1)


def sphere() -> tuple[Mesh, DepthMaps]:
    maps = sphere_maps()
    return extract_surface(integrate(maps, touched_grid(maps, 0.1))), maps


def joined(first: Mesh, second: Mesh) -> Mesh:
    faces = torch.cat([first.faces, second.faces + len(first.vertices)])
    return Mesh(torch.cat([first.vertices, second.vertices]), faces)


def moved(mesh: Mesh, scale: float, shift: list[float]) -> Mesh:
    vertices = (mesh.vertices.double() - CENTRE) * scale + CENTRE + torch.tensor(shift).double()
    return Mesh(vertices.float(), mesh.faces)


def test_view_counts_are_those_of_the_geometry() -> None:
    """A face of a sphere is seen by a camera when the camera lies above its tangent plane."""
    mesh, maps = sphere()
    counts = view_counts(mesh, maps)
    middle = mesh.vertices[mesh.faces].double().mean(dim=1)
    normal = (middle - CENTRE) / (middle - CENTRE).norm(dim=-1, keepdim=True)
    places = maps.cameras.world_from_camera[:, :3, 3]
    to_camera = torch.nn.functional.normalize(places[None] - middle[:, None], dim=-1)
    cosine = (to_camera * normal[:, None]).sum(-1)
    # Near its outline a sphere falls away faster than a pixel tells.
    assert bool((counts >= (cosine > 0.3).sum(1)).all())
    assert bool((counts <= (cosine > -0.05).sum(1)).all())


def test_a_face_turned_away_is_not_seen() -> None:
    mesh, maps = sphere()
    inside_out = Mesh(mesh.vertices, mesh.faces.flip(1))
    assert int(view_counts(inside_out, maps, relative=0.002).float().median()) == 0


def test_what_masks_do_not_allow_goes() -> None:
    mesh, maps = sphere()
    # A piece beside the sphere that all maps claim to see: only the masks know better.
    extra = joined(mesh, moved(mesh, 0.2, [1.6, 0.0, 0.0]))
    cleaned = clean(extra, maps, scene_of(maps), CONFIG.model_copy(update={"views": 0, "component": 0.0}))
    assert len(cleaned.mesh.faces) == len(mesh.faces)
    assert cleaned.removed["outside masks"] > 0.03
    tolerant = clean(extra, maps, scene_of(maps), CONFIG.model_copy(update={"views": 0, "component": 0.0, "mask_views": 14}))
    assert len(tolerant.mesh.faces) == len(extra.faces)


def test_what_too_few_maps_see_goes() -> None:
    mesh, maps = sphere()
    extra = joined(mesh, moved(mesh, 0.3, [0.0, 0.0, 0.0]))
    cleaned = clean(extra, maps, None, CONFIG)
    radius = (cleaned.mesh.vertices.double() - CENTRE).norm(dim=-1)
    assert float(radius.min()) > 0.9 * RADIUS
    assert len(cleaned.mesh.faces) == len(mesh.faces)


def test_small_pieces_go_or_all_but_the_largest() -> None:
    mesh, maps = sphere()
    three = joined(joined(mesh, moved(mesh, 0.05, [2.0, 0, 0])), moved(mesh, 0.5, [0, 3.0, 0]))
    loose = CONFIG.model_copy(update={"views": 0})
    assert len(clean(three, maps, None, loose).mesh.faces) == 2 * len(mesh.faces)
    assert len(clean(three, maps, None, loose.model_copy(update={"largest_component": True})).mesh.faces) == len(mesh.faces)


def test_no_faces_and_no_depths() -> None:
    mesh, maps = sphere()
    nothing = Mesh(torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.int64))
    assert len(clean(nothing, maps, scene_of(maps), CONFIG).mesh.faces) == 0
    blind = replace(maps, depth=tuple(torch.zeros_like(d) for d in maps.depth))
    assert len(clean(mesh, blind, None, CONFIG).mesh.faces) == 0
