"""The poses of one body on the shape of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.systems.npm.codes import Codes, Posing, in_world
from recon_cli.systems.npm.parametric_model import ParametricModel


def transferred(model: ParametricModel, poses: Codes, shape: Codes) -> Codes:
    """Codes of a body of another shape and size in the poses and places of a sequence.

    It stands on the same floor: it is lifted along the sequence's up, in all frames by the same length, until its lowest point of all
    frames is as high as that of the body which it replaces.

    Args:
        model: of both.
        poses: of the body that moves, T frames.
        shape: the body that is put in its place, of one frame.

    Returns:
        T frames in the axes of the moving body's camera.
    """
    unit = shape.unit.double()
    worn = replace(poses, shape=shape.shape, unit=unit, places=poses.places * (poses.unit.double().reshape(-1, 1) / unit).to(poses.places))
    rise = _floor(model, poses) - _floor(model, worn)
    up = torch.nn.functional.normalize(poses.up.double(), dim=0)
    return replace(worn, places=worn.places + (rise / unit * up).to(worn.places))


def bodies(model: ParametricModel, codes: Codes) -> Iterator[Mesh]:
    """The bodies of codes in the world's axes [scene units], float64, one after the other."""
    posing = Posing(model)
    for frame in range(len(codes)):
        yield in_world(codes, frame, posing(codes.shape_of(frame), codes.poses[frame]))


def _floor(model: ParametricModel, codes: Codes) -> Tensor:  # []
    """How high the lowest point of all frames is [scene units]."""
    return torch.stack([(body.vertices @ codes.world_up).min() for body in bodies(model, codes)]).min()
