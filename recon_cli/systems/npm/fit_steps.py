"""Gauss-Newton steps on the postures of some frames, and on the shape and the scale that they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from numpy.linalg import LinAlgError
from torch import Tensor

from recon_cli.core.errors import NumericsError
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.fit_config import TermsConfig
from recon_cli.systems.npm.fit_terms import Pulls, pulls
from recon_cli.systems.npm.motion_equations import bending_force, covariances, solve_banded
from recon_cli.systems.npm.observed import Observed
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.vertex_motion import Moved, VertexMotion

MOST_GROWTH = 0.2
"""Of the unit in a step, as a logarithm."""
DAMPING = 1e-3
"""Of a root's turn and place, which have no prior."""


@dataclass(frozen=True)
class Estimate:
    """What is known after a step.

    Attributes:
        shape: code, shape [S].
        postures: of B frames.
        unit: what a box is, in the boxes of what was observed.
    """

    shape: Tensor
    postures: Postures
    unit: float = 1.0

    def __getitem__(self, index: slice | list[int] | Tensor) -> Estimate:
        return replace(self, postures=self.postures[index])


@dataclass(frozen=True)
class Free:
    """What the frames share that a step may change.

    Attributes:
        shape: the shape code.
        unit: the scale of the scene.
    """

    shape: bool = True
    unit: bool = False


HELD = Free(shape=False)
"""Only the postures move."""


@dataclass(frozen=True)
class Equations:
    """Normal equations of B frames and of what they share: S numbers.

    Attributes:
        blocks: of every frame's D own unknowns, shape [B, D, D].
        gradient: shape [B, D].
        coupling: shape [B, D, S].
        shared: shape [S, S].
        shared_gradient: shape [S].
    """

    blocks: Tensor
    gradient: Tensor
    coupling: Tensor
    shared: Tensor
    shared_gradient: Tensor


class Stepper:
    """Steps at chosen vertices of a model.

    Args:
        model: the body.
        config: of the terms.
        vertices: which of the model's vertices are looked at, shape [v].
    """

    def __init__(self, model: BodyModel, config: TermsConfig, vertices: Tensor) -> None:
        self.config, self.motion = config, VertexMotion(model, vertices)

    def step(
        self,
        estimate: Estimate,
        seen: Observed,
        scale: float,
        *,
        free: Free,
        smoothness: float = 0.0,
        also: Callable[[Moved], Pulls] | None = None,
    ) -> Estimate:
        """One step.

        Args:
            estimate: where from.
            seen: the same frames.
            scale: of the residuals that are to count [box].
            free: what the frames share that moves, too.
            smoothness: weight of the pose codes' second differences; frames are then neighbours in time.
            also: a term beside the recipe's.

        Raises:
            NumericsError: the equations have no solution.
        """
        equations = self.equations(estimate, seen, scale, free=free, also=also)
        with _solvable():
            change, shared = solve(equations, estimate.postures.poses, smoothness)
        if not bool(change.isfinite().all() and shared.isfinite().all()):
            raise NumericsError("a step of the fit is not finite")
        size = len(estimate.shape) if free.shape else 0
        growth = math.exp(float(shared[size:].clamp(-MOST_GROWTH, MOST_GROWTH).sum()))
        shape = estimate.shape + shared[:size] if free.shape else estimate.shape
        return Estimate(shape, estimate.postures.stepped(change), estimate.unit * growth)

    def equations(
        self, estimate: Estimate, seen: Observed, scale: float, *, free: Free, also: Callable[[Moved], Pulls] | None = None
    ) -> Equations:
        """Of all terms and the codes' priors."""
        moved = self.motion(estimate.shape, estimate.postures, with_shape=free.shape)
        pull = pulls(moved, seen.scaled(1 / estimate.unit), self.config, scale)
        pull = pull + also(moved) if also is not None else pull
        # A body that grows about the camera is a scene that shrinks: the silhouette stays.
        radial = [moved.points[..., None]] if free.unit else []
        own, rows = moved.by_posture.shape[-1], torch.cat([moved.by_posture, moved.by_shape, *radial], dim=-1)  # [B, v, 3, D + S]
        weighted = (pull.weights @ rows).flatten(1, 2)
        flat = rows.flatten(1, 2)
        matrix = flat.mT @ weighted
        gradient = (flat.mT @ pull.forces.flatten(1)[..., None])[..., 0]
        prior = torch.cat([torch.full((6,), DAMPING), torch.full((own - 6,), self.config.pose)])
        gradient[:, 6:own] -= self.config.pose * estimate.postures.poses
        code = estimate.shape if free.shape else estimate.shape[:0]
        known = torch.cat([torch.full_like(code, self.config.shape), torch.zeros(len(radial))])
        return Equations(
            blocks=matrix[:, :own, :own] + torch.diag(prior),
            gradient=gradient[:, :own],
            coupling=matrix[:, :own, own:],
            shared=matrix[:, own:, own:].sum(dim=0) + torch.diag(known),
            shared_gradient=gradient[:, own:].sum(dim=0) - known * torch.cat([code, torch.zeros(len(radial))]),
        )

    def deviation(self, estimate: Estimate, seen: Observed, scale: float, *, smoothness: float) -> Tensor:  # [B]
        """Root mean square standard deviation of the vertices by the curvature of the energy, shape and scale held [box].

        Neighbours in time bear each other out by the ``smoothness`` of their second differences.
        """
        blocks = self.equations(estimate, seen, scale, free=HELD).blocks.double()
        rows = self.motion(estimate.shape, estimate.postures, with_shape=False).by_posture.flatten(1, 2)  # [B, 3 v, D]
        with _solvable():
            covariance = covariances(blocks, smoothness, estimate.postures.poses.shape[1]).float()
        return ((rows @ covariance) * rows).sum(dim=(1, 2)).div(rows.shape[1] / 3).clamp(min=0).sqrt()


@contextmanager
def _solvable() -> Iterator[None]:
    try:
        yield
    except (LinAlgError, torch.linalg.LinAlgError) as error:  # pyright: ignore[reportPrivateImportUsage]  (documented, not exported)
        raise NumericsError("the equations of a step of the fit have no solution", hint="take weights nearer to the defaults") from error


def solve(equations: Equations, poses: Tensor, smoothness: float) -> tuple[Tensor, Tensor]:
    """Changes of the frames' unknowns [B, D] and of what they share [S].

    The frames' equations hang together in time by second differences, so that the matrix has a band of three blocks; what they share is
    eliminated (Schur).
    """
    count, size = equations.gradient.shape
    right = torch.cat([equations.gradient[..., None], equations.coupling], dim=-1).double()  # [B, D, 1 + S]
    blocks = equations.blocks.double()
    if smoothness and count > 2:
        right[..., 0] -= bending_force(poses.double(), size, smoothness)
        solved = solve_banded(blocks, right.flatten(0, 1), smoothness, poses.shape[1]).unflatten(0, (count, size))
    else:
        solved = torch.linalg.solve(blocks, right)
    coupling = equations.coupling.double()
    left = equations.shared.double() - torch.einsum("bds,bdr->sr", coupling, solved[..., 1:])
    rest = equations.shared_gradient.double() - torch.einsum("bds,bd->s", coupling, solved[..., 0])
    shared = torch.linalg.solve(left, rest) if len(rest) else rest
    own = solved[..., 0] - solved[..., 1:] @ shared
    return own.float(), shared.float()
