"""The sheets of a surface that pass through a cell of a lattice: one vertex for each makes the dual surface manifold.

A loop of a cell's case is a sheet (Nielson 2004, dual marching cubes). Two cells beside each other may each have one sheet that passes
their common face twice; the dual surface would touch itself there along an edge. Inside corners of that face are then joined
instead of kept apart, in both cells (Wenger 2013): a case with such a sheet has no other face of which the two rules differ.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from recon_cli.core.marching_cubes import CELL_EDGES, cell_faces, cell_loops

NO_FACE = -1
APART, JOINED = 0, 1
"""What becomes of a face whose inside corners lie across from each other."""


@cache
def sheets_of_edges() -> Tensor:  # [2, 256, 12]
    """Which sheet of a case passes each edge of the cell, -1 for none, where inside corners are kept APART and where they are JOINED."""
    table = torch.full((2, 256, len(CELL_EDGES)), -1)
    for case in range(256):
        # The inside is joined where the outside is kept apart.
        for rule, loops in ((APART, cell_loops(case)), (JOINED, cell_loops(255 - case))):
            for sheet, loop in enumerate(loops):
                table[rule, case, list(loop)] = sheet
    return table


@cache
def pinched_faces() -> Tensor:  # [256]
    """The face that one sheet of a case passes twice where inside corners are kept apart; face 2 a + i is the lower (0) or upper (1) end
    of axis a, NO_FACE where there is none."""
    faces = torch.full((256,), NO_FACE)
    for case in range(256):
        for place, ring in enumerate(cell_faces()):
            axis, is_lower = divmod(place, 2)
            crossed = {edge for edge, corners in enumerate(CELL_EDGES) if set(corners) <= set(ring)}
            if any(crossed <= set(loop) for loop in cell_loops(case)):
                faces[case] = 2 * axis + 1 - is_lower
    return faces
