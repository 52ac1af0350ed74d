"""Bodies at rest are closed solids without handles, of the size that was drawn, facing +z, and different from one another."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_manifold, components, edge_faces
from recon_cli.prepare.synth.body_families import FAMILIES
from recon_cli.prepare.synth.body_figure import draw_body

CASES = [(family, seed) for family in FAMILIES for seed in range(3)]


def volume(vertices, faces) -> float:
    a, b, c = np.asarray(vertices, dtype=np.float64)[faces].transpose(1, 0, 2)
    return float((np.cross(a, b) * c).sum() / 6)


@pytest.mark.parametrize(("family", "seed"), CASES)
def test_bodies_at_rest_and_in_motion_are_closed_solids_in_one_piece(moved_body, family, seed):
    moved = moved_body(family, seed, motion="scattered", frames=12)
    body = moved.body
    check_manifold(Mesh(torch.from_numpy(body.vertices), torch.from_numpy(body.faces)))
    faces = torch.from_numpy(body.faces)
    info = edge_faces(faces)
    assert not bool(info.is_boundary.any())
    assert len(body.vertices) - len(info.edges) + len(faces) == 2
    assert int(components(faces, len(body.vertices)).max()) == 0
    assert 2500 < len(body.vertices) < 5500
    at_rest = volume(body.vertices, body.faces)
    assert at_rest > 0  # faces run counter-clockwise from outside
    for positions in moved.positions:
        assert volume(positions, body.faces) == pytest.approx(at_rest, rel=0.12)


@pytest.mark.parametrize(("family", "seed"), CASES)
def test_a_body_has_the_size_that_was_drawn_and_stands_on_the_ground(moved_body, family, seed):
    body = moved_body(family, seed, motion="scattered", frames=12).body
    sides = np.ptp(body.vertices, axis=0)
    assert body.vertices[:, 1].min() == pytest.approx(0.0, abs=1e-6)
    size, low, high = {
        "people": (sides[1], 1.5, 1.95),
        "quadrupeds": (sides.max(), 0.4, 1.6),
        "hands": (sides[1] / 1.22, 0.16, 0.21),
    }[family]
    assert size == pytest.approx(body.proportions[{"people": "stature"}.get(family, "length")], rel=1e-5)
    assert low <= size <= high


def test_people_face_z_with_their_left_at_x(moved_body):
    body = moved_body("people", motion="scattered", frames=12).body
    heads, tails = body.skeleton.heads, body.skeleton.tails
    assert tails[body.skeleton.find("left_foot")][2] > heads[body.skeleton.find("left_foot")][2]
    assert heads[body.skeleton.find("left_hand")][0] > 0.3
    ahead = body.vertices[body.vertices[:, 1] < 0.05, 2]
    assert ahead.max() > -1.5 * ahead.min()  # toes, not heels
    left, right = (np.abs(body.vertices[body.vertices[:, 0] * side > 0, 0]).max() for side in (1, -1))
    assert left == pytest.approx(right, rel=0.02)


def test_quadrupeds_look_along_z_and_thumbs_point_to_x(moved_body):
    animal = moved_body("quadrupeds", motion="scattered", frames=12).body.skeleton
    assert animal.tails[animal.find("head")][2] > 0 > animal.tails[animal.find("tail_4")][2]
    hand = moved_body("hands", motion="scattered", frames=12).body.skeleton
    assert hand.tails[hand.find("thumb_3")][0] > 0 > hand.tails[hand.find("little_3")][0]


@pytest.mark.parametrize("family", ["people", "quadrupeds"])
def test_left_and_right_are_nearly_but_not_quite_the_same(moved_body, family):
    body = moved_body(family, motion="scattered", frames=12).body
    mirrored = body.vertices * np.array([-1.0, 1.0, 1.0])
    gaps = torch.cdist(torch.from_numpy(mirrored), torch.from_numpy(body.vertices)).amin(dim=1)
    assert 0.0 < float(gaps.mean()) < 0.012 * body.box_side


@pytest.mark.parametrize("family", FAMILIES)
def test_two_individuals_differ_and_one_comes_back(family):
    first, second, again = (draw_body(FAMILIES[family].draw, np.random.default_rng(seed)) for seed in (0, 1, 0))
    assert np.array_equal(first.vertices, again.vertices)
    assert np.array_equal(first.weights, again.weights)
    assert first.proportions == again.proportions != second.proportions
    assert len(first.vertices) != len(second.vertices) or not np.allclose(first.vertices, second.vertices)


def test_people_come_in_all_shapes_and_clothes():
    from recon_cli.prepare.synth.body_person import CLOTHES, draw_person

    people = [draw_person(np.random.default_rng(seed)) for seed in range(300)]
    statures = np.array([person["stature"] for person in people])
    assert statures.min() < 1.56
    assert statures.max() > 1.86
    assert {person["clothes"] for person in people} == set(CLOTHES)
    girth, belly, head = (np.array([person[name] for person in people]) for name in ("girth", "belly", "head"))
    assert np.corrcoef(girth, belly)[0, 1] > 0.3
    assert np.corrcoef(statures, head)[0, 1] < -0.5  # tall people have smaller heads for their stature
