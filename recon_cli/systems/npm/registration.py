"""A template surface warped onto another one: Gauss-Newton on the displacements of a lattice (after Amberg et al. 2007)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import vertex_normals
from recon_cli.systems.npm.config import WarpStage
from recon_cli.systems.npm.warp import WarpLattice

Array = np.ndarray

AGREEING = 0.3
"""Cosine between two normals above which their points may be paired: about 70 degrees."""
MARGIN = 0.04
"""How far around the template's surface space is warped [share of the box]."""
MOST_CONJUGATE_STEPS = 20
CONJUGATE_TOLERANCE = 1e-3
"""Of the preconditioned residual's squared norm: the nearest points change with every step, so more digits would be lost."""


@dataclass(frozen=True)
class Cloud:
    """Points of a surface with their normals, both shape [P, 3]."""

    points: Array
    normals: Array


class Registration:
    """Warps of one template onto any number of surfaces, all in units of the bodies' box.

    A step pairs every template vertex with the nearest point of the surface and every point of the surface with the nearest vertex,
    where their normals agree, and solves for the warp that closes the gaps across the surface while it stretches and bends little. But
    for the pairs' directions the system is the same whatever the surface, so one sparse factorisation a stage preconditions conjugate
    gradients for all of them.

    Args:
        template: the surface that is warped.
        stages: what steps to make.
        reach: distance at which a pair counts a quarter.
    """

    def __init__(self, template: Mesh, stages: Sequence[WarpStage], *, reach: float) -> None:
        self._vertices = template.vertices.double().numpy()
        self._faces = template.faces
        self._reach = reach
        self._stages = [(stage, lattice, weights) for stage, (lattice, weights) in zip(stages, self._lattices(stages), strict=True)]
        self._preconditioners: dict[int, Any] = {}

    def onto(self, start: Array, cloud: Cloud) -> Array:  # [V, 3] -> [V, 3]
        """Where the template's vertices come to lie on a surface.

        Args:
            start: where they are before they are warped.
            cloud: the surface.
        """
        from scipy.spatial import KDTree

        tree = KDTree(cloud.points, balanced_tree=False)
        positions, base = start, start
        warp, last = np.zeros((0, 3)), None
        for index, (stage, lattice, weights) in enumerate(self._stages):
            if lattice is not last:  # a finer lattice goes on from where the coarser one has led
                base, warp, last = positions, np.zeros((lattice.count, 3)), lattice
            for _ in range(stage.steps):
                pairs = self._pairs(positions, cloud, tree)
                warp = warp + self._step(index, pairs, warp)
                positions = base + weights @ warp
        return positions

    def _lattices(self, stages: Sequence[WarpStage]) -> list[tuple[WarpLattice, Any]]:
        normals = self._normals(self._vertices)
        felt = np.concatenate([self._vertices + offset * normals for offset in (-MARGIN / 2, 0.0, MARGIN / 2)])
        made: dict[float, tuple[WarpLattice, Any]] = {}
        for stage in stages:
            if stage.spacing not in made:
                lattice = WarpLattice(felt, stage.spacing)
                made[stage.spacing] = lattice, lattice.weights(self._vertices)
        return [made[stage.spacing] for stage in stages]

    def _normals(self, vertices: Array) -> Array:  # [V, 3] -> [V, 3]
        return vertex_normals(torch.from_numpy(vertices), self._faces).numpy()

    def _pairs(self, positions: Array, cloud: Cloud, tree: Any) -> _Pairs:
        from scipy.spatial import KDTree

        normals = self._normals(positions)
        distance, point = tree.query(positions)
        back, vertex = KDTree(positions, balanced_tree=False).query(cloud.points)
        vertices = np.concatenate([np.arange(len(positions)), vertex])
        points = np.concatenate([point, np.arange(len(cloud.points))])
        squared = np.concatenate([distance, back]) ** 2
        agree = (normals[vertices] * cloud.normals[points]).sum(axis=1) > AGREEING
        weight = agree / (1 + squared / self._reach**2) ** 2 / len(positions)
        return _Pairs(vertices, cloud.points[points] - positions[vertices], cloud.normals[points], weight)

    def _step(self, index: int, pairs: _Pairs, warp: Array) -> Array:  # [N, 3] -> [N, 3]
        stage, lattice, weights = self._stages[index]
        rows = weights[pairs.vertices]
        columns = rows.T.tocsr()
        stiffness = stage.stretching * lattice.stretching + stage.bending * lattice.bending
        if index not in self._preconditioners:
            self._preconditioners[index] = _factorised(columns, pairs.weight * (1 / 3 + stage.sliding), stiffness)

        def times(change: Array) -> Array:
            return columns @ pairs.pulled(rows @ change, stage.sliding) + stiffness @ change

        downhill = columns @ pairs.pulled(pairs.gap, stage.sliding) - stiffness @ warp
        return _conjugate_gradients(times, downhill, self._preconditioners[index])


@dataclass(frozen=True)
class _Pairs:
    """Vertices, the way to their partners, the partners' normals and the pairs' weights."""

    vertices: Array  # [P]
    gap: Array  # [P, 3]
    normals: Array  # [P, 3]
    weight: Array  # [P]

    def pulled(self, moves: Array, sliding: float) -> Array:  # [P, 3] -> [P, 3]
        """The weighted quadratic form of moves: whole across the surface, ``sliding`` times along it."""
        across = (moves * self.normals).sum(axis=1, keepdims=True) * self.normals
        return self.weight[:, None] * (across + sliding * moves)


def _factorised(columns: Any, weight: Array, stiffness: Any) -> Any:
    """Solver of the system in which pairs pull alike in all directions."""
    from scipy.sparse import diags_array, eye_array
    from scipy.sparse.linalg import splu

    matrix = columns @ diags_array(weight) @ columns.T + stiffness + 1e-9 * eye_array(stiffness.shape[0])
    options = {"SymmetricMode": True}
    return splu(matrix.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve


def _conjugate_gradients(times: Any, right: Array, solve: Any) -> Array:
    """Solution of ``times(x) = right``, preconditioned by ``solve``."""
    solution, residual = np.zeros_like(right), right
    direction = improved = solve(residual)
    energy = first = float((residual * improved).sum())
    for _ in range(MOST_CONJUGATE_STEPS):
        if energy <= CONJUGATE_TOLERANCE * first:
            break
        image = times(direction)
        length = energy / float((direction * image).sum())
        solution, residual = solution + length * direction, residual - length * image
        improved = solve(residual)
        energy, last = float((residual * improved).sum()), energy
        direction = improved + (energy / last) * direction
    return solution
