"""Where the published fit begins: the training view most like each frame, and the mean of the training shapes."""

from __future__ import annotations

from torch import Tensor

from recon_cli.core.mesh import Mesh
from recon_cli.core.normals import vertex_normals
from recon_cli.systems.npm.depth_frames import DepthFrames
from recon_cli.systems.npm.first_guesses import FirstGuesses
from recon_cli.systems.npm.fit_start import beginning, place_before, present_frames, starts_of
from recon_cli.systems.npm.motion_gaps import filled
from recon_cli.systems.npm.observed import depth_points
from recon_cli.systems.npm.parametric_model import ParametricModel
from recon_cli.systems.npm.postures import Postures
from recon_cli.systems.npm.start import Start


def published_start(
    model: ParametricModel, guesses: FirstGuesses, frames: DepthFrames, shape: Tensor, *, is_scale_known: bool
) -> tuple[Start, Tensor]:
    """A start in every frame, and the direction taken for up in the camera's axes [3].

    Args:
        model: of the body.
        guesses: its training views.
        frames: depth of the body alone.
        shape: code to begin with, shape [S].
        is_scale_known: whether the depth is in the unit of the training meshes.
    """
    present = present_frames(frames)
    begin = beginning(frames, present, guesses, model.box.side if is_scale_known else None)
    surface, pivot = model.surface(shape), model.pivot(shape)
    found = []
    for frame in present:
        points = depth_points(frames.depth(frame), frames.K.float()) / begin.unit
        nearest = starts_of(guesses.views.nearest(guesses.views.seen(points, begin.up), 1))
        moved = surface.vertices + model.flow(shape, nearest.poses, surface.vertices[None])[0] - pivot
        found.append(_put_there(nearest, surface.with_vertices(moved @ nearest.roots[0].T), points))
    postures = filled(Postures.joined(found), present, len(frames))
    return Start(shape, postures.poses, postures.roots, postures.places, begin.unit), begin.up


def _put_there(postures: Postures, body: Mesh, points: Tensor) -> Postures:  # 1 frame; [N, 3]
    """With the place at which what faces the camera has the middle of the depth's box, and its median depth."""
    facing = vertex_normals(body.vertices, body.faces)[:, 2] < 0
    place = place_before(body.vertices[facing], points)
    return Postures(postures.poses, postures.roots, place[None].detach())
