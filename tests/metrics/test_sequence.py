"""Errors over a sequence whose values are known, and the facts of a real one."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.points import PointSet
from recon_cli.metrics.chamfer import chamfer
from recon_cli.metrics.sequence import Comparison, compare, compare_sequence, mean_errors, side_length, vertex_error
from tests.metrics.solids import bumpy, sphere, waving

S1 = Path(__file__).resolve().parents[2] / "../shared/data/phi_sft_s1"


def _grid(count: int = 5, side: float = 2.0) -> Mesh:
    line = torch.linspace(0, side, count, dtype=torch.float64)
    y, x = torch.meshgrid(line, line, indexing="ij")
    vertices = torch.stack([x, y, torch.ones_like(x)], dim=-1).reshape(-1, 3)
    first = (torch.arange(count - 1)[:, None] * count + torch.arange(count - 1)).reshape(-1)
    faces = torch.stack([first, first + count, first + 1, first + 1, first + count, first + count + 1], dim=-1).reshape(-1, 3)
    return Mesh(vertices, faces)


def _turned(mesh: Mesh, angle: float) -> Mesh:
    rotation = torch.tensor([[1, 0, 0], [0, math.cos(angle), -math.sin(angle)], [0, math.sin(angle), math.cos(angle)]], dtype=torch.float64)
    return mesh.with_vertices(mesh.vertices @ rotation.T)


def test_a_shift_is_the_vertex_error():
    mesh = _grid()
    found = vertex_error(mesh.with_vertices(mesh.vertices + torch.tensor([0.0, 3.0, 4.0])), mesh)
    assert found.vertex_error == pytest.approx(5.0)
    assert found.vertex_error_max == pytest.approx(5.0)
    assert found.e3d == pytest.approx(0.0, abs=1e-12)
    assert found.normal_error_degrees == pytest.approx(0.0, abs=1e-9)


def test_a_turn_is_the_normal_error():
    mesh = _grid()
    found = vertex_error(_turned(mesh, math.radians(7.0)), mesh)
    assert found.normal_error_degrees == pytest.approx(7.0, abs=1e-9)
    assert found.e3d == pytest.approx(0.0, abs=1e-12)


def test_scale_is_not_an_error_of_e3d_but_noise_is():
    mesh = _grid()
    assert vertex_error(mesh.with_vertices(1.7 * mesh.vertices), mesh).e3d == pytest.approx(0.0, abs=1e-12)
    noise = 1e-4 * torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert vertex_error(mesh.with_vertices(mesh.vertices + noise), mesh).e3d == pytest.approx(
        float(noise.norm() / mesh.vertices.norm()), rel=0.2
    )


def test_the_side_of_a_square_is_its_side():
    assert side_length(_grid(side=0.7)) == pytest.approx(0.7)


def test_vertices_that_do_not_correspond_are_refused_but_surfaces_compare():
    with pytest.raises(InputError, match="16 vertices do not correspond to 25"):
        vertex_error(_grid(4), _grid(5))
    found = compare(_grid(4), _grid(5), Comparison(samples=1000))
    assert found.vertices is None
    assert found.chamfer.squared < 0.02


def test_a_sequence_gives_its_frames_in_order_and_their_mean():
    mesh = _grid()
    shifts = [0.0, 0.1, 0.4]

    def load(frame: int) -> tuple[Mesh, Mesh]:
        return mesh.with_vertices(mesh.vertices + torch.tensor([0.0, 0.0, shifts[frame]])), mesh

    errors = compare_sequence(load, [0, 1, 2], Comparison(samples=500))
    assert [error.frame for error in errors] == [0, 1, 2]
    assert [error.vertices.vertex_error for error in errors if error.vertices] == pytest.approx(shifts)
    means = mean_errors(errors)
    assert means["squared"] == pytest.approx(2 * (0.01 + 0.16) / 3)
    assert means["vertex_error"] == pytest.approx(0.5 / 3)
    assert "frame" not in means


def test_the_mean_leaves_out_what_some_frames_lack():
    mesh = _grid()
    sides = {0: (mesh, mesh), 1: (mesh, PointSet(mesh.vertices))}
    means = mean_errors(compare_sequence(sides.__getitem__, [0, 1], Comparison(samples=200)))
    assert "squared" in means
    assert "vertex_error" not in means


def test_rigid_alignment_removes_a_motion_but_not_from_the_vertex_error():
    mesh = _grid()
    bent = mesh.with_vertices(mesh.vertices + torch.stack([0 * mesh.vertices[:, 0], 0 * mesh.vertices[:, 0], mesh.vertices[:, 0] ** 2], -1))
    moved = _turned(bent, 0.2)
    found = compare_sequence(lambda _: (moved, bent), [0, 1], Comparison(samples=500, align="rigid"))
    for error in found:
        assert error.chamfer.squared < 1e-20
        assert error.vertices is not None
        assert error.vertices.vertex_error > 0.1


def test_a_similarity_is_removed_from_all_figures_but_motion_between_frames_is_not():
    ball = sphere(12)
    truth = [ball.with_vertices(waving(bumpy(ball.vertices), t)) for t in (0.0, 0.5, 1.0)]
    found = [mesh.with_vertices(3 * mesh.vertices + torch.tensor([5.0, 0, 0])) for mesh in truth]
    found[2] = found[2].with_vertices(found[2].vertices + torch.tensor([0.0, 0, 0.3]))
    comparison = Comparison(samples=500, align="similarity")
    errors = compare_sequence(lambda t: (found[t], truth[t]), [0, 1], comparison)
    assert max(error.vertices.vertex_error for error in errors if error.vertices) < 1e-4
    assert max(error.chamfer.squared for error in errors) < 1e-8
    shifted = compare_sequence(lambda t: (found[t], truth[t]), [0, 1, 2], comparison)
    assert all(error.vertices is not None and error.vertices.vertex_error > 0.01 for error in shifted)
    assert compare(found[2], truth[2], comparison).chamfer.squared < 1e-8


@pytest.mark.data
@pytest.mark.skipif(not S1.is_dir(), reason="real inputs (../shared/data/phi_sft_s1) are absent")
def test_facts_of_the_real_sequence_are_met():
    clouds = {t: _binary_cloud(S1 / "ground_truth" / f"{t:03d}.ply") for t in range(0, 50, 7)}
    halves = [_shuffled_halves(cloud) for cloud in clouds.values()]
    floor = sum(chamfer(first, second).squared for first, second in halves) / len(halves)
    # Published beside the data: 0.153e-4 over all frames.
    assert 1e4 * floor == pytest.approx(0.153, abs=0.01)


def _shuffled_halves(cloud: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    order = torch.randperm(len(cloud), generator=torch.Generator().manual_seed(0))
    return cloud[order[: len(cloud) // 2]], cloud[order[len(cloud) // 2 :]]


def _binary_cloud(path: Path) -> torch.Tensor:
    header, _, body = path.read_bytes().partition(b"end_header\n")
    count = int(header.split(b"element vertex ")[1].split()[0])
    return torch.frombuffer(bytearray(body), dtype=torch.float32).reshape(count, 3).double()
