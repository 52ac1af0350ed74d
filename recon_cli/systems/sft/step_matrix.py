"""The linear system of one implicit step as a band matrix: where element matrices go, its factors and its solves.

Vertices are numbered so that the band is narrow; the element matrices are summed straight into the band, whose places are found once per
cloth. Symmetric systems take a Cholesky factorisation, others (wind) an LU factorisation with partial pivoting, both from LAPACK.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recon_cli.core.banded import narrow_order
from recon_cli.core.errors import NumericsError

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray


@dataclass(frozen=True)
class Places:
    """Where the entries of element matrices lie in a flat band.

    Attributes:
        entry: indices into the concatenated element matrices that are stored, shape [N].
        slot: the place of each in the band, shape [N].
        diagonal: the places of the diagonal in the order of the unknowns, shape [3 V].
        rows: length of one stored column.
    """

    entry: Array
    slot: Array
    diagonal: Array
    rows: int


class StepMatrix:
    """Ordering and places for one mesh.

    Args:
        faces: shape [F, 3]; hinges: shape [H, 4]; is_free: shape [V]; coordinates: shape [V, 2], used to find a narrow ordering.
    """

    def __init__(self, faces: Array, hinges: Array, is_free: Array, coordinates: Array) -> None:
        import numpy as np

        self._faces, self._hinges, self._is_free = faces, hinges, is_free
        rank = narrow_order(coordinates, _couplings(faces, hinges, len(coordinates)))
        self.unknown = (3 * rank[:, None] + np.arange(3)).flatten()  # [3 V] place of every unknown in the narrow ordering
        self.half_width = 3 * _spread(rank, faces, hinges) + 2
        self.size = 3 * len(rank)

    def factor(self, matrices: tuple[Array, Array], diagonal: Array, *, is_symmetric: bool) -> Factor:
        """Factorise the sum of element matrices ([F, 9, 9], [H, 12, 12]) and a diagonal [3 V]; pinned unknowns keep the diagonal alone.

        Raises:
            NumericsError: the system is singular, or not positive definite where it must be.
        """
        import numpy as np

        places = self._symmetric if is_symmetric else self._general
        values = np.concatenate([matrices[0].ravel(), matrices[1].ravel()])
        band = np.bincount(places.slot, weights=values[places.entry], minlength=self.size * places.rows)
        band[places.diagonal] += diagonal
        band = band.reshape(self.size, places.rows).T
        factor_with = CholeskyFactor if is_symmetric else PivotedFactor
        return factor_with(band, self.unknown, self.half_width)

    @cached_property
    def _symmetric(self) -> Places:
        return self._places(lower_only=True)

    @cached_property
    def _general(self) -> Places:
        return self._places(lower_only=False)

    def _places(self, *, lower_only: bool) -> Places:
        import numpy as np

        width = self.half_width
        above = 0 if lower_only else 2 * width  # LU needs room for the fill of row exchanges
        rows = above + width + 1
        entries, slots, start = [], [], 0
        for elements in (self._faces, self._hinges):
            spots = self.unknown.reshape(-1, 3)[elements].reshape(len(elements), 3 * elements.shape[1])
            free = np.repeat(self._is_free[elements], 3, axis=1)
            row, column = np.broadcast_arrays(spots[:, :, None], spots[:, None, :])
            keep = free[:, :, None] & free[:, None, :]
            if lower_only:
                keep = keep & (row >= column)
            chosen = np.flatnonzero(keep)
            entries.append(start + chosen)
            slots.append((column * rows + above + row - column).ravel()[chosen])
            start += keep.size
        return Places(np.concatenate(entries), np.concatenate(slots), self.unknown * rows + above, rows)


class Factor(ABC):
    """A factorised system in the narrow ordering."""

    def __init__(self, unknown: Array) -> None:
        self._unknown = unknown

    def solve(self, right: Array, *, transposed: bool = False) -> Array:  # [V, 3] -> [V, 3]
        """Solve with the matrix or its transpose."""
        import numpy as np

        ordered = np.empty(right.size)
        ordered[self._unknown] = right.ravel()
        return self._back_substitute(ordered, transposed)[self._unknown].reshape(right.shape)

    @abstractmethod
    def _back_substitute(self, ordered: Array, transposed: bool) -> Array:
        """Solve in the narrow ordering; ``ordered`` [3 V] may be overwritten."""


class CholeskyFactor(Factor):
    """Of a symmetric positive definite band, lower part stored."""

    def __init__(self, band: Array, unknown: Array, half_width: int) -> None:
        from scipy.linalg import lapack

        super().__init__(unknown)
        self._factor, info = lapack.dpbtrf(  # pyright: ignore[reportAttributeAccessIssue]
            band, lower=1, overwrite_ab=1
        )
        if info:
            raise NumericsError(f"the implicit step's system is not positive definite at unknown {info}", hint=_HINT)

    def _back_substitute(self, ordered: Array, transposed: bool) -> Array:
        from scipy.linalg import lapack

        return lapack.dpbtrs(  # pyright: ignore[reportAttributeAccessIssue]
            self._factor, ordered, lower=1, overwrite_b=1
        )[0]


class PivotedFactor(Factor):
    """Of any band."""

    def __init__(self, band: Array, unknown: Array, half_width: int) -> None:
        from scipy.linalg import lapack

        super().__init__(unknown)
        self._half_width = half_width
        self._factor, self._pivots, info = lapack.dgbtrf(  # pyright: ignore[reportAttributeAccessIssue]
            band, half_width, half_width, overwrite_ab=1
        )
        if info:
            raise NumericsError(f"the implicit step's system is singular at unknown {info}", hint=_HINT)

    def _back_substitute(self, ordered: Array, transposed: bool) -> Array:
        from scipy.linalg import lapack

        width = self._half_width
        return lapack.dgbtrs(  # pyright: ignore[reportAttributeAccessIssue]
            self._factor, width, width, ordered, self._pivots, trans=int(transposed), overwrite_b=1
        )[0]


_HINT = "use more steps per frame, smaller forces, or a material with less extreme constants"


def _couplings(faces: Array, hinges: Array, count: int) -> Any:  # scipy sparse [V, V]
    """Which vertices share an element."""
    import numpy as np
    from scipy.sparse import coo_array

    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]], hinges[:, [2, 3]]])
    return coo_array((np.ones(2 * len(pairs), dtype=np.int8), np.concatenate([pairs, pairs[:, ::-1]]).T), shape=(count, count)).tocsr()


def _spread(rank: Array, faces: Array, hinges: Array) -> int:
    """Largest distance in the ordering between two vertices of one element."""
    import numpy as np

    return max((int(np.ptp(rank[elements], axis=1).max()) for elements in (faces, hinges) if len(elements)), default=0)
