import time

import pytest
import torch

from recon_cli.core.closest_points import ClosestPoints
from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.frame_quality import explained
from recon_cli.systems.npm.observed import depth_points
from tests.systems.npm.capsule import SIZE, Capsule, K, depth_of, posed, truth


@pytest.fixture(scope="module")
def body():
    vertices, faces = posed(Capsule(), truth(1))
    return vertices[0], faces, depth_of(vertices[0], faces)


def test_the_surface_that_was_seen_is_explained(body):
    found = explained(*body, K)
    assert found.residual < 1e-6
    assert found.unexplained == 0
    assert found.overhang == 0


def test_distances_are_those_of_the_triangles_that_face_the_camera(body):
    vertices, faces, depth = body
    moved = vertices + torch.tensor([0.0, 0.0, 0.02])
    corners = moved[faces].double()
    normals = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    front = Mesh(moved, faces[(normals * corners[:, 0]).sum(-1) < 0])
    points = depth_points(depth.double(), K.double(), 2000)
    away = (ClosestPoints(front)(points).on(moved.double()) - points).norm(dim=1)
    found = explained(moved, faces, depth, K)
    assert found.residual == pytest.approx(float(away.median()), rel=0.01)


def test_a_body_behind_the_depth_is_not_explained_by_its_back(body):
    vertices, faces, depth = body
    nearer = vertices - torch.tensor([0.0, 0.0, 0.2])  # its back lies where its front was seen
    assert explained(nearer, faces, depth, K).residual > 0.1


def test_what_is_missing_is_unexplained_and_what_is_too_much_overhangs(body):
    vertices, faces, depth = body
    shifted = vertices + torch.tensor([0.1, 0.0, 0.0])
    found = explained(shifted, faces, depth, K)
    pixels = (shifted @ K.T)[:, :2] / shifted[:, 2:]
    rows, columns = torch.nonzero(depth > 0, as_tuple=True)
    centres = torch.stack([columns, rows], 1) + 0.5
    away = torch.cdist((pixels.floor() + 0.5).float(), centres.float()).amin(dim=1)
    assert found.overhang == pytest.approx(float((away > 2).double().mean()))
    assert found.overhang > 0.2
    assert found.unexplained > 0.2


def test_beyond_the_picture_nothing_overhangs_and_behind_the_camera_all_does(body):
    vertices, faces, depth = body
    assert explained(vertices + torch.tensor([5.0, 0.0, 0.0]), faces, depth, K).overhang == 0
    assert explained(vertices - torch.tensor([0.0, 0.0, 5.0]), faces, depth, K).overhang == 1


def test_a_surface_without_a_front_explains_nothing(body):
    vertices, faces, depth = body
    found = explained(vertices, faces[:0], depth, K)
    assert found.residual == float("inf")
    assert found.unexplained == 1


def test_points_are_lifted_and_chosen_evenly(body):
    _, _, depth = body
    everything = depth_points(depth, K, depth.numel())
    assert len(everything) == int((depth > 0).sum())
    pixels = (everything @ K.T)[:, :2] / everything[:, 2:]
    rows, columns = torch.nonzero(depth > 0, as_tuple=True)
    torch.testing.assert_close(pixels, torch.stack([columns, rows], 1) + 0.5, rtol=0, atol=1e-3)
    some = depth_points(depth, K, 100)
    assert len(some) == 100
    assert torch.equal(some, everything[(torch.arange(100) * len(everything)) // 100])


def test_a_frame_takes_little_time(body):
    explained(*body, K)
    begin = time.process_time()
    for _ in range(3):
        explained(*body, K)
    assert (time.process_time() - begin) / 3 < 0.2  # 0.02 on an idle core
    assert body[2].shape == SIZE
