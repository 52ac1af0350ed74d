"""The derived cases of marching cubes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from recon_cli.core.marching_cubes import CELL_EDGES, marching_cubes_cases


def _triangles(case: int) -> list[list[int]]:
    starts, rows = marching_cubes_cases()
    return rows[starts[case] : starts[case + 1]].tolist()


def _crossed(case: int) -> set[int]:
    return {e for e, (a, b) in enumerate(CELL_EDGES) if (case >> a & 1) != (case >> b & 1)}


def _middle(edge: int) -> torch.Tensor:
    a, b = CELL_EDGES[edge]
    return torch.tensor([((a >> axis & 1) + (b >> axis & 1)) / 2 for axis in range(3)])


@pytest.mark.parametrize("case", range(256))
def test_every_crossed_edge_is_used_and_no_other(case: int) -> None:
    assert {edge for triangle in _triangles(case) for edge in triangle} == _crossed(case)


@pytest.mark.parametrize("case", range(256))
def test_edges_inside_a_cell_are_shared_and_those_on_its_faces_are_not(case: int) -> None:
    """Each side of a triangle is walked once each way inside the cell; on a face of the cell it is walked once."""
    directed = Counter((t[k - 1], t[k]) for t in _triangles(case) for k in range(3))
    assert all(count == 1 for count in directed.values())
    for a, b in directed:
        corners = {*CELL_EDGES[a], *CELL_EDGES[b]}
        is_on_face = any(len({c >> axis & 1 for c in corners}) == 1 for axis in range(3))
        assert ((b, a) in directed) != is_on_face


def test_neighbouring_cells_agree_on_the_face_between_them() -> None:
    """Side by side along x, whatever the corners: what one walks on the common face the other walks back."""
    for shared in range(16):
        walked = []
        for bit in (1, 0):
            for rest in (0, 0b1111):
                case = sum(1 << (bit | corner << 1) for corner in range(4) if shared >> corner & 1)
                case |= sum(1 << ((1 - bit) | corner << 1) for corner in range(4) if rest >> corner & 1)
                found = set()
                for t in _triangles(case):
                    for k in range(3):
                        corners = [c for e in (t[k - 1], t[k]) for c in CELL_EDGES[e]]
                        if all((c & 1) == bit for c in corners):
                            ends = tuple(tuple((_middle(e)[1:] * 2).int().tolist()) for e in (t[k - 1], t[k]))
                            found.add(ends if bit else ends[::-1])
                walked.append(found)
        assert all(found == walked[0] for found in walked)


def test_a_single_inside_corner_is_seen_from_outside() -> None:
    (triangle,) = _triangles(1)
    a, b, c = (_middle(e) for e in triangle)
    assert torch.linalg.cross(b - a, c - a).min() > 0


def test_inverted_cases_of_a_single_corner_are_flipped() -> None:
    for corner in range(8):
        assert len(_triangles(1 << corner)) == len(_triangles(255 - (1 << corner))) == 1
