"""The families of bodies: how each draws an individual, moves it and is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recon_cli.prepare.synth.body_figure import Figure, uneven
from recon_cli.prepare.synth.body_hand import WHOLE, draw_hand, hand_skeleton
from recon_cli.prepare.synth.body_hand_flesh import hand_flesh, hand_soft
from recon_cli.prepare.synth.body_hand_poses import hand_grasp, hand_poses
from recon_cli.prepare.synth.body_motion import Repertoire
from recon_cli.prepare.synth.body_person import draw_person, person_skeleton
from recon_cli.prepare.synth.body_person_flesh import person_flesh
from recon_cli.prepare.synth.body_person_poses import person_poses, person_walk
from recon_cli.prepare.synth.body_person_soft import person_soft
from recon_cli.prepare.synth.body_quadruped import draw_quadruped, quadruped_skeleton
from recon_cli.prepare.synth.body_quadruped_flesh import quadruped_flesh
from recon_cli.prepare.synth.body_quadruped_poses import quadruped_gait, quadruped_poses
from recon_cli.prepare.synth.body_quadruped_soft import quadruped_soft
from recon_cli.prepare.synth.body_skeleton import Skeleton
from recon_cli.prepare.synth.body_soft import SoftField
from recon_cli.prepare.synth.body_solid import Solid, with_twins


@dataclass(frozen=True)
class Family:
    """One kind of body.

    Attributes:
        draw: draws an individual.
        soft: proportions, skeleton at rest in shares of the size and generator to what is soft in an individual.
        repertoire: how they move.
        aspect: width and height of their pictures over the longest side.
    """

    draw: Callable[[np.random.Generator], Figure]
    soft: Callable[[dict, Skeleton, np.random.Generator], tuple[SoftField, ...]]
    repertoire: Repertoire
    aspect: tuple[float, float]


def draw_person_figure(generator: np.random.Generator) -> Figure:
    """A person; its size is the stature."""
    proportions = draw_person(generator)
    skeleton = person_skeleton(proportions)
    solid = Solid(uneven(with_twins(person_flesh(proportions, skeleton)), generator), seam=0.011)
    return Figure(skeleton, solid, 0.016, float(proportions["stature"]), lambda box: float(box[1]), proportions)


def draw_quadruped_figure(generator: np.random.Generator) -> Figure:
    """A quadruped; its size is the longest side of its box."""
    proportions = draw_quadruped(generator)
    skeleton = quadruped_skeleton(proportions)
    solid = Solid(uneven(with_twins(quadruped_flesh(proportions, skeleton)), generator), seam=0.016)
    return Figure(skeleton, solid, 0.029, float(proportions["length"]), lambda box: float(box.max()), proportions)


def draw_hand_figure(generator: np.random.Generator) -> Figure:
    """A right hand; its size is its length from the wrist to the tip of the longest finger."""
    proportions = draw_hand(generator)
    skeleton = hand_skeleton(proportions)
    solid = Solid(uneven(hand_flesh(proportions, skeleton), generator), seam=0.009)
    return Figure(skeleton, solid, 0.021, float(proportions["length"]), lambda box: float(box[1]) / WHOLE, proportions)


FAMILIES = {
    "people": Family(
        draw=draw_person_figure,
        soft=person_soft,
        repertoire=Repertoire(person_poses, person_walk, is_grounded=True, tilts=(0.7, 0.15, 0.1), fastest=2.05),
        aspect=(0.8, 1.0),
    ),
    "quadrupeds": Family(
        draw=draw_quadruped_figure,
        soft=quadruped_soft,
        repertoire=Repertoire(quadruped_poses, quadruped_gait, is_grounded=True, tilts=(0.7, 0.1, 0.08), fastest=3.0),
        aspect=(1.0, 0.8),
    ),
    "hands": Family(
        draw=draw_hand_figure,
        soft=hand_soft,
        repertoire=Repertoire(hand_poses, hand_grasp, is_grounded=False, tilts=(0.8, 0.5, 0.5), fastest=5.0),
        aspect=(0.8, 1.0),
    ),
}
