"""Batched pinhole cameras.

Camera axes: x right, y down, z forward. A pixel (column 0, row 0) covers [0, 1)², so its centre is (0.5, 0.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from recon_cli.core.errors import InputError


@dataclass(frozen=True)
class Cameras:
    """A batch of C pinhole cameras, possibly of different sizes.

    Attributes:
        K: intrinsics [px], shape [C, 3, 3]; last row (0, 0, 1).
        camera_from_world: rigid transforms, shape [C, 4, 4].
        size: (width, height) [px], shape [C, 2], int64.
        names: one name a camera.

    Raises:
        InputError: a shape does not fit, or K is not finite and invertible.
    """

    K: Tensor  # [C, 3, 3]
    camera_from_world: Tensor  # [C, 4, 4]
    size: Tensor  # [C, 2]
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = self.K.shape[0] if self.K.ndim == 3 else -1
        if self.K.shape != (count, 3, 3) or self.camera_from_world.shape != (count, 4, 4) or self.size.shape != (count, 2):
            raise InputError(
                f"camera tensors are {tuple(self.K.shape)}, {tuple(self.camera_from_world.shape)}, {tuple(self.size.shape)}; "
                "expected [C, 3, 3], [C, 4, 4], [C, 2]"
            )
        if not self.names:
            object.__setattr__(self, "names", tuple(f"{i:06d}" for i in range(count)))
        if len(self.names) != count:
            raise InputError(f"{count} cameras but {len(self.names)} names")
        K = self.K.detach()
        if not bool(torch.isfinite(K).all()) or not bool(torch.isfinite(self.camera_from_world.detach()).all()):
            raise InputError("a camera has a NaN or infinite entry")
        if bool((K[:, 0, 0] <= 0).any()) or bool((K[:, 1, 1] <= 0).any()):
            raise InputError("a camera has a focal length that is not positive")
        if bool((self.size <= 0).any()):
            raise InputError("a camera has a width or height that is not positive")

    def __len__(self) -> int:
        return self.K.shape[0]

    def __getitem__(self, index: int | slice) -> Cameras:
        """A batch of the chosen cameras; an int gives a batch of one."""
        if isinstance(index, int):
            index = index % len(self)
            index = slice(index, index + 1)
        return Cameras(self.K[index], self.camera_from_world[index], self.size[index], self.names[index])

    def chosen(self, indices: Sequence[int]) -> Cameras:
        """A batch of these cameras, in this order."""
        index = torch.as_tensor(list(indices), dtype=torch.long, device=self.K.device)
        names = tuple(self.names[i] for i in indices)
        return Cameras(self.K[index], self.camera_from_world[index], self.size[index], names)

    @staticmethod
    def joined(parts: Sequence[Cameras]) -> Cameras:
        """One batch of the cameras of all parts, one after the other."""
        return Cameras(
            torch.cat([part.K for part in parts]),
            torch.cat([part.camera_from_world for part in parts]),
            torch.cat([part.size for part in parts]),
            tuple(name for part in parts for name in part.names),
        )

    @property
    def width(self) -> int:
        """Width [px] shared by all cameras of the batch."""
        return self._shared(0)

    @property
    def height(self) -> int:
        """Height [px] shared by all cameras of the batch."""
        return self._shared(1)

    def _shared(self, axis: int) -> int:
        values = self.size[:, axis].unique()
        if len(values) != 1:
            raise InputError("the cameras of this batch differ in size; take them one at a time")
        return int(values[0])

    @property
    def world_from_camera(self) -> Tensor:  # [C, 4, 4]
        """Inverse of ``camera_from_world``, which may carry a uniform scale."""
        return torch.linalg.inv(self.camera_from_world)

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> Cameras:
        """The same cameras on another device or in another floating type."""
        return replace(
            self,
            K=self.K.to(device=device, dtype=dtype),
            camera_from_world=self.camera_from_world.to(device=device, dtype=dtype),
            size=self.size.to(device=device),
        )

    def resized(self, width: int, height: int) -> Cameras:
        """The same views sampled at another size [px]; K is scaled about the image corner."""
        return self.with_sizes([(width, height)] * len(self))

    def with_sizes(self, sizes: Sequence[tuple[int, int]]) -> Cameras:
        """The same views sampled each at its (width, height) [px]; K is scaled about the image corner."""
        size = torch.tensor(sizes, dtype=self.size.dtype, device=self.size.device).reshape(-1, 2)
        scale = torch.cat([size / self.size, torch.ones(len(self), 1, device=self.size.device)], dim=1)
        return replace(self, K=self.K * scale.to(self.K)[:, :, None], size=size)

    def project(
        self,
        points: Tensor,  # [N, 3] or [C, N, 3]
    ) -> tuple[Tensor, Tensor]:  # [C, N, 2], [C, N]
        """Project world points to pixels and z-depth [scene units].

        Points at or behind the camera plane have depth <= 0 and meaningless pixels.
        """
        rotation, translation = self.camera_from_world[:, :3, :3], self.camera_from_world[:, :3, 3]
        local = points @ rotation.transpose(-1, -2) + translation[:, None]  # [C, N, 3]
        homogeneous = local @ self.K.transpose(-1, -2)
        depth = local[..., 2]
        safe = torch.where(depth.abs() < 1e-12, torch.full_like(depth, 1e-12), depth)
        return homogeneous[..., :2] / safe[..., None], depth

    def unproject(
        self,
        pixels: Tensor,  # [C, N, 2]
        depth: Tensor,  # [C, N]
    ) -> Tensor:  # [C, N, 3]
        """Lift pixels at z-depth [scene units] to world points."""
        homogeneous = torch.cat([pixels, torch.ones_like(pixels[..., :1])], dim=-1)
        local = (homogeneous @ torch.linalg.inv(self.K).transpose(-1, -2)) * depth[..., None]
        world = self.world_from_camera
        return local @ world[:, :3, :3].transpose(-1, -2) + world[:, None, :3, 3]

    def pixel_maps(self, others: Cameras) -> tuple[Tensor, Tensor]:  # [S, 3, 3], [S, 3]
        """M and q of others: pixel p = (u, v, 1) of this camera at depth z falls on z M p + q, whose last entry is the depth there."""
        between = others.camera_from_world @ self.world_from_camera[0]
        return others.K @ between[:, :3, :3] @ torch.linalg.inv(self.K[0]), (others.K @ between[:, :3, 3:])[..., 0]

    @staticmethod
    def pinhole(*, width: int, height: int, fx: float, fy: float, cx: float, cy: float, name: str = "000000") -> Cameras:
        """One camera at the world origin; cx, cy [px] with pixel centres at 0.5."""
        K = torch.tensor([[[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]], dtype=torch.float64)
        return Cameras(K, torch.eye(4, dtype=torch.float64)[None], torch.tensor([[width, height]]), (name,))
