"""Where a depth camera stands that watches a moving body: at one place for the whole sequence, with all of it in the picture."""

from __future__ import annotations

import numpy as np
import torch

from recon_cli.core.cameras import Cameras
from recon_cli.prepare.synth.rig_cameras import framed_pose

Array = np.ndarray

VIEWS = ("front", "side", "around")
FILL = 0.84
"""Share of the picture that the sequence may span: a margin of 8 % on every side."""
FIELD_OF_VIEW = (60.0, 75.0)
"""Range of the angle across the picture's longest side [degrees], as depth cameras have."""
ELEVATION = (0.0, 15.0)
WANDER = 20.0
"""How far a view strays from its direction, either way [degrees]."""


def watching_camera(
    positions: Array,  # [N, 3]
    *,
    view: str,
    heading: float,
    width: int,
    height: int,
    generator: np.random.Generator,
) -> Cameras:
    """A level camera that sees all positions.

    Args:
        positions: of the body in all frames [m], y up.
        view: "front", "side" (either), or "around" (any direction).
        heading: where the body looks at first, 0 along +z, towards +x [degrees].
        width: of the pictures [px].
        height: of the pictures [px].
        generator: draws direction and field of view.
    """
    stray, side, turn = generator.uniform(-WANDER, WANDER), generator.choice([-90.0, 90.0]), generator.uniform(-180.0, 180.0)
    azimuth = heading + {"front": stray, "side": side + stray, "around": turn}[view]
    focal = 0.5 * max(width, height) / np.tan(np.radians(generator.uniform(*FIELD_OF_VIEW) / 2))
    elevation = generator.uniform(*ELEVATION)
    pose = framed_pose(torch.from_numpy(positions), azimuth, elevation, roll=0.0, focal=focal, width=width, height=height, fill=FILL)
    K = torch.tensor([[[focal, 0.0, width / 2], [0.0, focal, height / 2], [0.0, 0.0, 1.0]]], dtype=torch.float64)
    return Cameras(K, pose[None], torch.tensor([[width, height]]), ("camera",))
