"""Places along the bones of a skeleton, where flesh is put."""

from __future__ import annotations

import numpy as np

from recon_cli.prepare.synth.body_skeleton import Skeleton, Vector, vector
from recon_cli.prepare.synth.body_solid import Cone


class Anatomy:
    """Bones by name, measured by shares of their lengths."""

    def __init__(self, skeleton: Skeleton) -> None:
        self._skeleton = skeleton

    def on(self, bone: str, share: float, x: float = 0.0, y: float = 0.0, z: float = 0.0) -> Vector:
        """The point at a share of a bone's length, moved aside."""
        j = self._skeleton.find(bone)
        point = (1 - share) * self._skeleton.heads[j] + share * self._skeleton.tails[j] + np.array([x, y, z])
        return vector(point)

    def along(self, bone: str, radii: tuple[float, float], shares: tuple[float, float] = (0.0, 1.0), **aside: float) -> Cone:
        """A cone on a stretch of a bone, moved aside."""
        return Cone(bone, self.on(bone, shares[0], **aside), self.on(bone, shares[1], **aside), *radii)
