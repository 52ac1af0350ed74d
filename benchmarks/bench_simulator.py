"""Times of the cloth simulator on one core: a step with its gradient, inverse dynamics and material estimation.

Run: python benchmarks/bench_simulator.py
Beside the banded factorisations stands SciPy's SuperLU on the same matrices.
"""

# ruff: noqa: E402 - the thread limits must be set before the libraries load
from __future__ import annotations

import os

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

from recon_cli.core.mesh import Mesh
from recon_cli.systems.sft.balance import Physics, system
from recon_cli.systems.sft.cloth import Cloth, make_cloth
from recon_cli.systems.sft.inverse_dynamics import inverse_dynamics
from recon_cli.systems.sft.material_estimation import estimate_material
from recon_cli.systems.sft.materials import Material, published
from recon_cli.systems.sft.simulator import ClothState, Wind, simulate, step

REPEATS = 15
H = 1 / 120


def sheet(rows: int, columns: int) -> Mesh:
    """A slightly irregular sheet, 0.6 m wide."""
    generator = torch.Generator().manual_seed(0)
    ys, xs = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
    plane = torch.stack([xs, ys], dim=-1).reshape(-1, 2).double()
    plane = (plane + 0.1 * torch.randn(plane.shape, generator=generator, dtype=torch.float64)) * 0.6 / (columns - 1)
    corner = torch.arange(rows * columns).view(rows, columns)
    a, b, c, d = corner[:-1, :-1].flatten(), corner[:-1, 1:].flatten(), corner[1:, 1:].flatten(), corner[1:, :-1].flatten()
    faces = torch.cat([torch.stack([a, b, c], dim=1), torch.stack([a, c, d], dim=1)])
    return Mesh(torch.cat([plane, torch.zeros(len(plane), 1, dtype=torch.float64)], dim=1), faces)


def milliseconds(work: Callable[[], object]) -> float:
    """Median over repeats."""
    work()
    times = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - start))
    return statistics.median(times)


def differentiable_step(cloth: Cloth, positions: torch.Tensor, *, windy: bool) -> Callable[[], object]:
    """A step and the gradients of everything that it can be differentiated by."""
    material = published()
    leaves = [t.clone().requires_grad_() for t in (positions, torch.zeros_like(positions), torch.zeros_like(positions))]
    constants = [t.requires_grad_() for t in (material.density, material.stretching, material.bending)]
    air = torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64, requires_grad=True)

    def work() -> object:
        wind = Wind(air) if windy else None
        state = step(cloth, Material(*constants), ClothState(leaves[0], leaves[1]), h=H, forces=leaves[2], wind=wind)
        wanted = [*leaves, *constants, *([air] if windy else [])]
        return torch.autograd.grad(state.positions.square().sum(), wanted)

    return work


def factorisations(cloth: Cloth, positions: torch.Tensor, *, windy: bool) -> tuple[float, float]:
    """Milliseconds to assemble, factorise and solve: banded LAPACK, SuperLU."""
    wind = Wind(torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)) if windy else None
    (per_face, per_hinge), diagonal = system(
        cloth, published(), wind, Physics(), H, positions=positions, velocities=torch.zeros_like(positions)
    )
    elements, diagonal = (per_face.numpy(), per_hinge.numpy()), diagonal.repeat_interleave(3).numpy()
    right = np.random.default_rng(0).normal(size=positions.shape)
    rows, columns = [np.arange(len(diagonal))], [np.arange(len(diagonal))]
    for corners in (cloth.faces.numpy(), cloth.hinges.numpy()):
        places = (3 * corners[:, :, None] + np.arange(3)).reshape(len(corners), -1)
        row, column = np.broadcast_arrays(places[:, :, None], places[:, None, :])
        rows.append(row.ravel())
        columns.append(column.ravel())
    spots = (np.concatenate(rows), np.concatenate(columns))

    def sparse() -> object:
        values = np.concatenate([diagonal, elements[0].ravel(), elements[1].ravel()])
        options = {"SymmetricMode": True}
        return splu(coo_matrix((values, spots)).tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options=options).solve(
            right.ravel()
        )

    def banded() -> object:
        return cloth.matrix.factor(elements, diagonal, is_symmetric=not windy).solve(right)

    return milliseconds(banded), milliseconds(sparse)


def bench_steps() -> None:
    print(f"{'vertices':>8} {'wind':>5} {'step + gradient':>16} {'banded system':>14} {'SuperLU':>9}   [ms]")
    for rows, columns in ((15, 20), (25, 40), (32, 32)):
        mesh = sheet(rows, columns)
        cloth = make_cloth(mesh)
        noise = torch.randn(mesh.vertices.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
        positions = mesh.vertices + 0.002 * noise
        for windy in (False, True):
            whole = milliseconds(differentiable_step(cloth, positions, windy=windy))
            banded, sparse = factorisations(cloth, positions, windy=windy)
            print(f"{rows * columns:8d} {'yes' if windy else 'no':>5} {whole:16.1f} {banded:14.1f} {sparse:9.1f}")


def bench_sequence() -> None:
    """Inverse dynamics, replay and estimation on a flag of 1,024 vertices over 49 frames."""
    mesh = sheet(32, 32)
    cloth, material = make_cloth(mesh, pins=[0, 31]), published()
    physics = Physics(gravity=(0.0, 9.81, 0.0), mass_damping=0.2)
    wind = Wind(torch.tensor([1.0, 0.0, 3.0], dtype=torch.float64), drag=0.1)
    start = ClothState.at_rest(mesh.vertices)
    positions = simulate(cloth, material, start, steps=48, h=1 / 60, wind=wind, physics=physics)
    began = time.perf_counter()
    forces = inverse_dynamics(cloth, published("eight_fabrics"), positions, h=1 / 60, physics=physics)
    solved = time.perf_counter()
    replay = simulate(cloth, published("eight_fabrics"), start, steps=48, h=1 / 60, forces=forces, physics=physics)
    replayed = time.perf_counter()
    print(f"\n1024 vertices, 49 frames: inverse dynamics {solved - began:.2f} s, replay {replayed - solved:.2f} s", end=", ")
    print(f"largest error {float((replay - positions).abs().max()):.1e} m")
    for guess in (None, Wind(torch.tensor([0.5, 0.0, 2.0], dtype=torch.float64), drag=0.1)):
        began = time.perf_counter()
        found = estimate_material(cloth, published("eight_fabrics"), positions, h=1 / 60, wind=guess, physics=physics)
        taken = time.perf_counter() - began
        print(
            f"material{' and wind' if guess else ''}: {taken:.2f} s, "
            f"unexplained {found.initial_acceleration:.2f} -> {found.acceleration:.2g} m/s²"
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    bench_steps()
    bench_sequence()
