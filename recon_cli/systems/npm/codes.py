"""Bodies as codes: what a fit leaves behind, and what an interpolation and a transfer go on with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.fitted import Fitted
from recon_cli.systems.npm.parametric_model import ParametricModel


@dataclass(frozen=True)
class Codes:
    """A body in T frames, in a camera's axes: ``root @ (x + flow(x) - pivot) + place``, times ``unit``.

    Attributes:
        shape: code of all frames, shape [S], or of each, shape [T, S].
        poses: codes, shape [T, P].
        roots: orientations, from the body's axes to the camera's, shape [T, 3, 3].
        places: where the pivot is [box], shape [T, 3].
        unit: scene units a box, of all frames, shape [], or of each, shape [T].
        up: the direction in the camera's axes that is up, shape [3].
        world_from_camera: shape [4, 4].
        names: of the frames.
    """

    shape: Tensor
    poses: Tensor
    roots: Tensor
    places: Tensor
    unit: Tensor
    up: Tensor
    world_from_camera: Tensor
    names: tuple[str, ...]

    @staticmethod
    def of(fitted: Fitted, world_from_camera: Tensor, names: Sequence[str]) -> Codes:
        """What a fit found, of a camera that stands at ``world_from_camera`` [4, 4]."""
        unit = torch.tensor(fitted.unit, dtype=torch.float64)
        return Codes(fitted.shape, fitted.poses, fitted.roots, fitted.places, unit, fitted.up, world_from_camera, tuple(names))

    def __len__(self) -> int:
        return len(self.poses)

    def only(self, frame: int) -> Codes:
        """The body of one frame."""
        one = slice(frame, frame + 1)
        return replace(
            self,
            shape=self.shape_of(frame),
            poses=self.poses[one],
            roots=self.roots[one],
            places=self.places[one],
            unit=self.unit_of(frame),
            names=self.names[one],
        )

    def shape_of(self, frame: int) -> Tensor:  # [S]
        """The shape code of a frame."""
        return self.shape if self.shape.ndim == 1 else self.shape[frame]

    def unit_of(self, frame: int) -> Tensor:  # []
        """Scene units a box in a frame."""
        return self.unit if self.unit.ndim == 0 else self.unit[frame]

    @property
    def world_roots(self) -> Tensor:  # [T, 3, 3] float64
        """Orientations, from the body's axes to the world's."""
        return self.world_from_camera[:3, :3].double() @ self.roots.double()

    @property
    def world_places(self) -> Tensor:  # [T, 3] float64
        """Where the pivot is [scene units], in the world's axes."""
        placed = self.unit.double().reshape(-1, 1) * self.places.double()
        return placed @ self.world_from_camera[:3, :3].double().T + self.world_from_camera[:3, 3].double()

    @property
    def world_up(self) -> Tensor:  # [3] float64
        """The direction in the world's axes that is up, of length 1."""
        return torch.nn.functional.normalize(self.world_from_camera[:3, :3].double() @ self.up.double(), dim=0)


class Posing:
    """Bodies in poses, each about its pivot, the root unturned [box]; without gradients.

    While the shape stays its surface is made once: of networks it takes seconds.
    """

    def __init__(self, model: ParametricModel) -> None:
        self._model = model
        self._last: tuple[Tensor, Mesh] | None = None

    @torch.no_grad()
    def __call__(self, shape: Tensor, pose: Tensor) -> Mesh:  # [S], [P]
        if self._last is None or not torch.equal(self._last[0], shape):
            self._last = shape, self._model.surface(shape)
        surface = self._last[1]
        moved = surface.vertices + self._model.flow(shape, pose[None], surface.vertices[None])[0]
        return surface.with_vertices((moved - self._model.pivot(shape)).double())


def in_world(codes: Codes, frame: int, body: Mesh) -> Mesh:
    """A body about its pivot [box] put where a frame has it, in the world's axes [scene units]; float64."""
    turned = codes.unit_of(frame).double() * body.vertices.double() @ codes.world_roots[frame].T
    return body.with_vertices(turned + codes.world_places[frame])
