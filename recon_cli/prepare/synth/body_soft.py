"""What skinning cannot express: flesh that lags behind its bones, muscles that swell, breath and hems, as fields on the body at rest.

A field is a few smooth displacements [m] of the vertices at rest, and a state for each of them in every frame. The fields of a family are
written in shares of the size and are placed on the bones of an individual.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from recon_cli.prepare.synth.body_figure import Body
from recon_cli.prepare.synth.body_motion import FPS, Motion
from recon_cli.prepare.synth.body_oscillator import oscillated
from recon_cli.prepare.synth.body_skeleton import Vector, mirrored, twin

Array = np.ndarray


class SoftField(Protocol):
    """S displacements and their states."""

    @property
    def name(self) -> str:
        """Of the part."""
        ...

    def basis(self, body: Body) -> Array:  # [S, V, 3]
        """Displacements [m] for states of 1."""
        ...

    def states(self, body: Body, motion: Motion, generator: np.random.Generator) -> Array:  # [T, S]
        """States, from -1 to 1."""
        ...


@dataclass(frozen=True)
class Jiggle:
    """A mass of flesh about a point of a bone that lags behind it, a damped oscillator; three states, one an axis of the body at rest.

    Attributes:
        name: of the mass.
        bone: that it hangs on.
        share: where along the bone.
        aside: from there to its middle.
        reach: standard deviations of its bell.
        amplitude: largest displacements.
        bones: whose skin takes part.
        rate: of its oscillation [1/s].
        damping: over the critical one.
    """

    name: str
    bone: str
    share: float
    aside: Vector
    reach: Vector
    amplitude: Vector
    bones: tuple[str, ...]
    rate: float = 2.6
    damping: float = 0.25

    def basis(self, body: Body) -> Array:
        bell = _bell(body, self.bone, self.share, self.aside, self.reach) * _skin_of(body, self.bones)
        return np.diag(self.amplitude)[:, None, :] * body.scale * bell[:, None]

    def states(self, body: Body, motion: Motion, generator: np.random.Generator) -> Array:
        centre, bone = _place(body, self.bone, self.share, self.aside), body.skeleton.find(self.bone)
        push = _felt(centre, bone, motion) / (body.scale * np.array(self.amplitude))
        return _lagging(push, motion, self.rate, self.damping, generator)

    def mirrored(self) -> Jiggle:
        """The mass on the other side."""
        names = {"name": twin(self.name), "bone": twin(self.bone), "bones": tuple(twin(name) for name in self.bones)}
        return replace(self, aside=mirrored(self.aside), **names)


@dataclass(frozen=True)
class Bulge:
    """A muscle that swells on one side of a bone as a joint bends; one state.

    Attributes:
        name: of the muscle.
        bone: that it lies on.
        joint: that it bends.
        side: direction of the swelling from the bone.
        share: where along the bone.
        reach: standard deviation along the bone, over its length.
        amplitude: largest displacement.
        full: angle of the joint at which it has swollen most [degrees].
        axis: angle of the joint that counts.
    """

    name: str
    bone: str
    joint: str
    side: Vector
    share: float
    reach: float
    amplitude: float
    full: float
    axis: int = 0

    def basis(self, body: Body) -> Array:
        j = body.skeleton.find(self.bone)
        head, axis = body.skeleton.heads[j], body.skeleton.tails[j] - body.skeleton.heads[j]
        along = (body.vertices - head) @ axis / (axis @ axis)
        outward = body.vertices - head - along[:, None] * axis
        outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 1e-9
        swelling = np.exp(-0.5 * ((along - self.share) / self.reach) ** 2) * _skin_of(body, (self.bone,))
        swelling *= 0.3 + 0.7 * np.maximum(outward @ np.array(self.side), 0.0)
        return (self.amplitude * body.scale * swelling[:, None] * outward)[None]

    def states(self, body: Body, motion: Motion, generator: np.random.Generator) -> Array:
        bend = motion.angles[:, body.skeleton.find(self.joint), self.axis] / np.radians(self.full)
        bent = np.clip(bend, 0.0, 1.0)
        return (bent * bent * (3 - 2 * bent))[:, None]

    def mirrored(self) -> Bulge:
        """The muscle on the other side."""
        names = {kind: twin(getattr(self, kind)) for kind in ("name", "bone", "joint")}
        return replace(self, side=mirrored(self.side), **names)


@dataclass(frozen=True)
class Breath:
    """A part that rises and falls; one state.

    Attributes:
        name: of the part.
        bone: that it lies on.
        share: where along the bone.
        aside: from there to its middle.
        reach: standard deviations of its bell.
        amplitude: displacement of a full breath.
        bones: whose skin takes part.
        rate: breaths a second.
    """

    name: str
    bone: str
    share: float
    aside: Vector
    reach: Vector
    amplitude: Vector
    bones: tuple[str, ...]
    rate: float = 0.4

    def basis(self, body: Body) -> Array:
        bell = _bell(body, self.bone, self.share, self.aside, self.reach) * _skin_of(body, self.bones)
        return (body.scale * bell[:, None] * np.array(self.amplitude))[None]

    def states(self, body: Body, motion: Motion, generator: np.random.Generator) -> Array:
        phase = generator.uniform(0, 2 * np.pi, len(motion.angles) if motion.times is None else 1)
        run = 0.0 if motion.times is None else 2 * np.pi * self.rate * motion.times
        return np.sin(phase + run)[:, None]


@dataclass(frozen=True)
class Hem:
    """The lower edge of a skirt or coat: it swings sideways and to the front, and flares; three states.

    Attributes:
        name: of the cloth.
        bone: that carries it.
        top: height of the waist at rest, where it hardly moves.
        bottom: height of its edge.
        bones: whose skin takes part.
        amplitude: largest displacements along x and z and outward.
        rate: of its swing [1/s].
        damping: over the critical one.
    """

    name: str
    bone: str
    top: float
    bottom: float
    bones: tuple[str, ...]
    amplitude: Vector = (0.02, 0.02, 0.018)
    rate: float = 1.4
    damping: float = 0.3

    def basis(self, body: Body) -> Array:
        drop = np.clip((self.top - body.vertices[:, 1] / body.scale) / (self.top - self.bottom), 0.0, None)
        # It grows towards the edge and fades below, where the legs come out.
        hanging = np.minimum(drop, 1.0) ** 2 * np.exp(-0.5 * (np.maximum(drop - 1.0, 0.0) / 0.12) ** 2) * _skin_of(body, self.bones)
        outward = body.vertices * np.array([1.0, 0.0, 1.0])
        outward /= np.linalg.norm(outward, axis=1, keepdims=True) + 0.02 * body.scale
        across = np.broadcast_to(np.eye(3)[[0, 2], None], (2, *outward.shape))
        directions = np.concatenate([across, outward[None]])
        return directions * np.reshape(self.amplitude, (3, 1, 1)) * body.scale * hanging[:, None]

    def states(self, body: Body, motion: Motion, generator: np.random.Generator) -> Array:
        bone = body.skeleton.find(self.bone)
        push = _felt(np.array([0.0, self.bottom * body.scale, 0.0]), bone, motion)
        push = np.stack([push[:, 0], push[:, 2], 0.5 * np.linalg.norm(push, axis=1)], axis=-1)
        return _lagging(push / (body.scale * np.array(self.amplitude)), motion, self.rate, self.damping, generator)


def soft_states(
    body: Body, fields: Sequence[SoftField], motion: Motion, generator: np.random.Generator
) -> dict[str, Array]:  # name: [T, S]
    """States of all fields by name."""
    return {field.name: field.states(body, motion, generator) for field in fields}


def softened(body: Body, fields: Sequence[SoftField], states: dict[str, Array]) -> Array:  # [V, 3] or [T, V, 3]
    """The vertices at rest [m], displaced in every frame; without fields the body's own."""
    if not fields:
        return body.vertices
    basis = np.concatenate([field.basis(body) for field in fields])  # [S, V, 3]
    values = np.concatenate([states[field.name] for field in fields], axis=1)  # [T, S]
    return body.vertices + np.tensordot(values, basis, axes=1)


def _place(body: Body, bone: str, share: float, aside: Vector) -> Array:  # [3]
    j = body.skeleton.find(bone)
    return (1 - share) * body.skeleton.heads[j] + share * body.skeleton.tails[j] + body.scale * np.array(aside)


def _bell(body: Body, bone: str, share: float, aside: Vector, reach: Vector) -> Array:  # [V]
    away = (body.vertices - _place(body, bone, share, aside)) / (body.scale * np.array(reach))
    return np.exp(-0.5 * (away**2).sum(axis=1))


def _skin_of(body: Body, bones: Sequence[str]) -> Array:  # [V]
    """How much of every vertex follows these bones."""
    return body.weights[:, [body.skeleton.find(name) for name in bones]].sum(axis=1)


def _felt(point: Array, bone: int, motion: Motion) -> Array:  # [T, 3]
    """The force of inertia at a point of a bone, over the mass [m/s²], in the axes of the body at rest; 0 where there is no motion."""
    if motion.times is None or len(motion.times) < 3:
        return np.zeros((len(motion.angles), 3))
    path = motion.placed.carried(point[None], np.array([bone]))[:, 0]
    acceleration = np.pad(np.diff(path, n=2, axis=0), ((1, 1), (0, 0)), mode="edge") * FPS**2
    return -(motion.placed.rotations[:, bone].transpose(0, 2, 1) @ acceleration[..., None])[..., 0]


def _lagging(push: Array, motion: Motion, rate: float, damping: float, generator: np.random.Generator) -> Array:  # [T, S]
    if motion.times is None:
        return np.tanh(0.55 * generator.standard_normal(push.shape))
    return np.tanh(oscillated(push, rate, damping, 0.25 * generator.standard_normal(push.shape[1])))
