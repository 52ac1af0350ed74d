"""A piece of cloth that hangs, settles and is caught by the wind: what one individual is made of, and its motion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recon_cli.prepare.synth.mass_spring import Fabric, HangingSheet, Wind
from recon_cli.prepare.synth.sheet import Sheet, hexagonal_sheet

Array = np.ndarray

LATTICE = 44
"""Springs along the longer side: a fold of a fifth of the side spans nine of them."""

PEG = 0.05
"""Radius of the patch that a peg holds, as a share of the longer side."""

SETTLING_TIME = 1.2
"""Seconds of simulation before the first frame."""

HANGINGS = ("bar", "clips", "corners", "curtain")


@dataclass(frozen=True)
class ClothSetup:
    """One individual piece of cloth and the air around it.

    Attributes:
        size: width and height [m].
        hanging: how its top edge is held, one of ``HANGINGS``.
        slack: share of the top edge's length that its holds are closer together than the cloth is wide.
        folds: half waves of the slack along the top edge.
        yaw: turn about the vertical [rad].
        distance: of the cloth from the camera along z [m].
        fabric: material.
        wind: air.
    """

    size: tuple[float, float]
    hanging: str
    slack: float
    folds: int
    yaw: float
    distance: float
    fabric: Fabric
    wind: Wind


def draw_setup(generator: np.random.Generator) -> ClothSetup:
    """Draw an individual: cloths of 0.5-0.8 m at 0.9-1.4 m, of 0.14-0.30 kg/m², in winds of 0.9-1.6 m/s."""
    width = generator.uniform(0.5, 0.8)
    hanging = str(generator.choice(HANGINGS))
    slack = {"bar": 0.005, "clips": 0.03, "corners": 0.06, "curtain": 0.05}[hanging] * generator.uniform(0.7, 1.3)
    folds = {"bar": 1, "clips": 3, "corners": 1, "curtain": 5}[hanging]
    fabric = Fabric(
        density=generator.uniform(0.14, 0.30),
        stiffness=generator.uniform(120.0, 240.0),
        bending=float(np.exp(generator.uniform(np.log(3e-5), np.log(2e-4)))),
    )
    return ClothSetup(
        size=(width, width * generator.uniform(0.9, 1.1)),
        hanging=hanging,
        slack=slack,
        folds=folds,
        yaw=generator.uniform(-0.35, 0.35),
        distance=width * generator.uniform(1.7, 2.3),
        fabric=fabric,
        wind=_draw_wind(generator, width, fabric.density),
    )


def _draw_wind(generator: np.random.Generator, side: float, density: float) -> Wind:
    """A stream mostly through the sheet, with three waves as long as 0.5 to 1.2 sides running over it."""
    towards = generator.choice([-1.0, 1.0])
    # Pressure goes with the square of the speed: this balances the weight at the same angle for light and heavy cloth.
    speed = generator.uniform(1.05, 1.25) * float(np.sqrt(density / 0.2))
    steady = speed * np.array([generator.uniform(-0.5, 0.5), generator.uniform(-0.1, 0.1), towards])
    lengths = side * generator.uniform(0.5, 1.2, 3)
    headings = generator.uniform(0, 2 * np.pi, 3)
    wave_vectors = 2 * np.pi / lengths[:, None] * np.stack([np.cos(headings), np.sin(headings), 0 * headings], axis=-1)
    gusts = speed * generator.uniform(0.2, 0.4, (3, 1)) * np.stack([0.3 * np.cos(headings), 0 * headings, 1 + 0 * headings], axis=-1)
    return Wind(
        steady=steady,
        gusts=gusts,
        wave_vectors=wave_vectors,
        frequencies=2 * np.pi * generator.uniform(0.7, 1.5, 3),
        phases=generator.uniform(0, 2 * np.pi, 3),
        calm=0.3,
        onset=-0.25,
        rise=0.6,
    )


def hang(setup: ClothSetup, generator: np.random.Generator) -> tuple[Sheet, HangingSheet]:
    """Hang the cloth before a camera at the origin that looks along +z, and let it settle until time 0."""
    sheet = hexagonal_sheet(setup.size, max(setup.size) / LATTICE, generator)
    hanging = HangingSheet(sheet, setup.fabric, setup.wind, pins=_pins(sheet, setup.hanging), start=_start(sheet, setup))
    step = hanging.stable_step()
    # Strong drag takes the energy of the fall out first, weak drag lets folds find their place.
    hanging.run(-SETTLING_TIME, -0.3 * SETTLING_TIME, step, extra_drag=8.0)
    hanging.run(-0.3 * SETTLING_TIME, 0.0, step, extra_drag=2.0)
    return sheet, hanging


def _start(sheet: Sheet, setup: ClothSetup) -> Array:  # [V, 3]
    """The sheet in waves along x whose arc length takes up the slack, turned and centred before the camera."""
    width, height = setup.size
    waves = np.pi * setup.folds / width
    share = sheet.points[:, 0] / width
    # A sine of amplitude a and wave number w lengthens a line by about (a w)² / 4.
    bulge = 2 * np.sqrt(setup.slack) / waves * np.sin(np.pi * setup.folds * share)
    x = (share - 0.5) * width * (1 - setup.slack)
    cosine, sine = np.cos(setup.yaw), np.sin(setup.yaw)
    return np.stack([cosine * x + sine * bulge, sheet.points[:, 1] - 0.5 * height, setup.distance - sine * x + cosine * bulge], axis=-1)


def _pins(sheet: Sheet, hanging: str) -> Array:
    """Vertices that are held: the top edge, or patches along it."""
    if hanging in ("bar", "curtain"):
        return np.flatnonzero(sheet.points[:, 1] == 0.0)
    x = np.linspace(0, sheet.size[0], 2 if hanging == "corners" else 4)
    pegs = np.stack([x, 0 * x], axis=-1)
    distances = np.linalg.norm(sheet.points[:, None] - pegs, axis=-1).min(axis=-1)
    return np.flatnonzero(distances < PEG * max(sheet.size))
