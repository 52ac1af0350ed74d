"""What the manifold dual surface rests on, for all 256 cases."""

from __future__ import annotations

import pytest

from recon_cli.core.dual_cells import APART, JOINED, NO_FACE, pinched_faces, sheets_of_edges
from recon_cli.core.marching_cubes import CELL_EDGES, cell_faces


def ambiguous_faces(case: int) -> list[tuple[int, ...]]:
    """Faces whose inside corners lie across from each other."""
    rings = [(ring, [case >> corner & 1 for corner in ring]) for ring in cell_faces()]
    return [ring for ring, inside in rings if inside[0] == inside[2] != inside[1] == inside[3]]


@pytest.mark.parametrize("case", range(256))
def test_every_cut_edge_has_a_sheet_under_both_rules(case):
    is_cut = [(case >> a & 1) != (case >> b & 1) for a, b in CELL_EDGES]
    for rule in (APART, JOINED):
        assert (sheets_of_edges()[rule, case] >= 0).tolist() == is_cut


@pytest.mark.parametrize("case", range(256))
def test_where_a_face_is_pinched_no_other_depends_on_the_rule(case):
    """Else joining the inside of one face would change what a third cell expects of another."""
    face = int(pinched_faces()[case])
    if face == NO_FACE:
        return
    (ring,) = ambiguous_faces(case)
    assert {corner >> face // 2 & 1 for corner in ring} == {face % 2}


@pytest.mark.parametrize("case", range(256))
def test_joining_parts_the_sheet_that_passes_a_face_twice(case):
    if int(pinched_faces()[case]) == NO_FACE:
        return
    (ring,) = ambiguous_faces(case)
    edges = [edge for edge, corners in enumerate(CELL_EDGES) if set(corners) <= set(ring)]
    assert len(sheets_of_edges()[APART, case, edges].unique()) == 1
    assert len(sheets_of_edges()[JOINED, case, edges].unique()) == 2
