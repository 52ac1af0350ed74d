"""Where the colour of a surface comes from."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.render.texture import corner_appearance, surface_color
from tests.render.scenes import sheet, two_sheets


def test_a_texture_is_read_at_the_coordinates_of_each_corner() -> None:
    mesh = sheet()
    assert mesh.uvs is not None
    assert mesh.face_uvs is not None
    assert torch.equal(corner_appearance(mesh), mesh.uvs[mesh.face_uvs])
    constant = replace(mesh, texture=torch.full((4, 4, 3), 0.25, dtype=torch.float64))
    assert torch.equal(surface_color(constant, torch.rand(5, 2, dtype=torch.float64)), torch.full((5, 3), 0.25, dtype=torch.float64))


def test_vertex_colours_stand_in_for_a_texture() -> None:
    mesh = two_sheets()
    assert mesh.colors is not None
    assert torch.equal(corner_appearance(mesh), mesh.colors[mesh.faces])


def test_a_mesh_without_colour_is_grey() -> None:
    mesh = replace(two_sheets(), colors=None)
    assert bool((corner_appearance(mesh) == 0.7).all())


def test_a_texture_without_coordinates_is_refused() -> None:
    with pytest.raises(InputError, match="no texture coordinates"):
        corner_appearance(replace(sheet(), uvs=None, face_uvs=None))
