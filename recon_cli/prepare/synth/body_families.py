"""The families of bodies: how each draws an individual, moves it and is looked at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from recon_cli.prepare.synth.body_figure import Figure, uneven
from recon_cli.prepare.synth.body_motion import Repertoire
from recon_cli.prepare.synth.body_person import draw_person, person_skeleton
from recon_cli.prepare.synth.body_person_flesh import person_flesh
from recon_cli.prepare.synth.body_person_poses import person_poses, person_walk
from recon_cli.prepare.synth.body_person_soft import person_soft
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


FAMILIES = {
    "people": Family(
        draw=draw_person_figure,
        soft=person_soft,
        repertoire=Repertoire(person_poses, person_walk, is_grounded=True, tilts=(0.7, 0.15, 0.1), fastest=2.2),
        aspect=(0.8, 1.0),
    ),
}
