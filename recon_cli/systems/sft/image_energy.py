"""The image energy of φ-SfT (Eq. 7-9): what a drawn surface differs by from a frame and its mask.

Eq. 8 and 9 are sums over pixels; here they are means, as in the authors' code, so that they do not depend on the image size.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from recon_cli.core.cameras import Cameras
from recon_cli.core.frames import Frames
from recon_cli.core.mesh import Mesh
from recon_cli.render.protocol import Renderer, RenderSettings
from recon_cli.systems.sft.shooting_config import EnergyConfig

# The Gaussian filter ends at this many standard deviations.
FILTER_REACH = 4.0


@dataclass(frozen=True)
class Target:
    """One frame to be met.

    Attributes:
        color: the surface on black, in [0, 1], shape [H, W, 3].
        mask: its blurred mask, in [0, 1], shape [H, W].
    """

    color: Tensor  # [H, W, 3]
    mask: Tensor  # [H, W]


class ImageEnergy:
    """Energies of surfaces in the frames of one clip.

    Args:
        frames: colour frames; they are decoded when first needed and kept, shrunk.
        masks: foreground masks of the frames.
        template: the surface with its appearance: vertex colours, or texture and texture coordinates.
        camera: of the frames' size.
        renderer: draws in soft mode.
        config: weights and sizes.
    """

    def __init__(self, frames: Frames, masks: Frames, template: Mesh, camera: Cameras, renderer: Renderer, config: EnergyConfig) -> None:
        ratio = min(1.0, config.image_size / max(frames.width, frames.height))
        width, height = max(1, round(frames.width * ratio)), max(1, round(frames.height * ratio))
        self._frames, self._masks, self._renderer, self._config = frames, masks, renderer, config
        self._camera = camera.resized(width, height).to(dtype=torch.float32)
        self._mesh = _shrunk_texture(template, ratio).to(dtype=torch.float32)
        self._filter = gaussian_filter(config.blur * ratio)
        self._settings = replace(_settings(config), depth_range=_depth_range(template, camera))
        self._targets: dict[int, Target] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def target(self, index: int) -> Target:
        """What frame ``index`` looks like, shrunk and on black."""
        if index not in self._targets:
            size = (self._camera.height, self._camera.width)
            inside = (self._masks[index].to(torch.float32) > 127).float()[None, None]
            color = self._frames[index].to(torch.float32).movedim(-1, 0)[None] / 255.0
            small = functional.interpolate(torch.cat([color * inside, inside], dim=1), size=size, mode="area")[0]
            self._targets[index] = Target(small[:3].movedim(0, -1).contiguous(), self._filter(small[3]))
        return self._targets[index]

    def energy(
        self,
        vertices: Tensor,  # [V, 3]
        index: int,
    ) -> Tensor:  # []
        """Eq. 7 for one frame, with gradients to the vertices."""
        target = self.target(index)
        drawn = self._renderer.render(self._mesh.with_vertices(vertices.float()), self._camera, settings=self._settings)
        photometric = (drawn.color[0] - target.color).abs().mean()  # Eq. 8
        silhouette = (self._filter(drawn.silhouette[0]) - target.mask).abs().mean()  # Eq. 9
        return photometric + self._config.silhouette_weight * silhouette  # Eq. 7

    def energies_and_gradient(
        self,
        positions: Tensor,  # [A, V, 3]
    ) -> tuple[Tensor, Tensor]:  # [A], [A, V, 3]
        """Energy of every frame but the template's own (which is 0), and their gradients by the positions.

        One frame is drawn and differentiated at a time, so that only one picture's graph is in memory.
        """
        energies = torch.zeros(len(positions), dtype=torch.float64)
        gradient = torch.zeros_like(positions)
        for index in range(1, len(positions)):
            vertices = positions[index].detach().requires_grad_()
            with torch.enable_grad():
                energy = self.energy(vertices, index)
            (found,) = torch.autograd.grad(energy, vertices)
            energies[index], gradient[index] = energy.detach().double(), found
        return energies, gradient


def gaussian_filter(deviation: float) -> Callable[[Tensor], Tensor]:
    """Gaussian filter of an image [H, W] with that standard deviation [px]; beyond the border is nothing, as beyond a mask."""
    reach = int(FILTER_REACH * deviation + 0.5)
    if reach == 0:
        return lambda image: image
    offsets = torch.arange(-reach, reach + 1, dtype=torch.float32)
    weights = torch.exp(-0.5 * (offsets / deviation) ** 2)
    weights = weights / weights.sum()

    def blur(image: Tensor) -> Tensor:
        kernel = weights.to(image)
        rows = functional.conv2d(image[None, None], kernel[None, None, None, :], padding=(0, reach))
        return functional.conv2d(rows, kernel[None, None, :, None], padding=(reach, 0))[0, 0]

    return blur


def _settings(config: EnergyConfig) -> RenderSettings:
    return RenderSettings(mode="soft", sigma=config.sigma, gamma=config.gamma, faces_per_pixel=config.faces_per_pixel)


def _depth_range(template: Mesh, camera: Cameras) -> tuple[float, float]:
    """Depths [scene units] well around the template, for the softmax over depth."""
    depth = camera.to(dtype=torch.float64).project(template.vertices.double())[1]
    return 0.1 * float(depth.min()), 10.0 * float(depth.max())


def _shrunk_texture(template: Mesh, ratio: float) -> Mesh:
    """The texture at the resolution it is drawn at: sampled between far pixels it would alias."""
    if template.texture is None or ratio >= 1.0:
        return template
    height, width = (max(1, round(side * ratio)) for side in template.texture.shape[:2])
    image = template.texture.float().movedim(-1, 0)[None]
    return replace(template, texture=functional.interpolate(image, size=(height, width), mode="area")[0].movedim(0, -1).contiguous())
