"""Slanted-patch search: the torch side of ``patch_search_steps``.

A plane hypothesis is [w, du, dv]: inverse depth at the pixel's centre and its change per pixel along x and y.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
import warp as wp
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.kernels import patch_search_steps as steps
from recon_cli.kernels.launch import as_vectors, launch_bands
from recon_cli.kernels.patch_match import MOST_SOURCES, NOTHING, TAPS, Pictures, Relations

_SMALLEST = 8  # px; the shorter side of the coarsest picture


@dataclass(frozen=True)
class PictureSet:
    """Grey pictures and masks of C views at every power of two below their size.

    Attributes:
        values: grey in [0, 1], all pictures one after the other, float32.
        objects: 1 on the object, like ``values``, uint8.
        offsets: start of each of the C * L pictures, int64.
        sizes: width and height of each picture [px], int32.
        cameras: the camera of each picture, in the same order.
        levels: L; level 0 is the full size.
        noise: standard deviation of the noise at full size, median over views [grey].
    """

    values: Tensor  # [N]
    objects: Tensor  # [N]
    offsets: Tensor  # [C * L]
    sizes: Tensor  # [C * L, 2]
    cameras: tuple[Cameras, ...]  # L batches of C
    levels: int
    noise: float

    @staticmethod
    def build(
        images: Sequence[Tensor], masks: Sequence[Tensor] | None, cameras: Cameras, *, levels: int, device: torch.device
    ) -> PictureSet:
        """Average pictures [H, W, 3] uint8 down to ``levels`` sizes; a small pixel is object where any part of it is."""
        smallest = int(cameras.size.min())
        levels = max(1, min(levels, 1 + int(torch.tensor(smallest / _SMALLEST).log2().floor())))
        sizes = [[_halved(size, level) for size in cameras.size.tolist()] for level in range(levels)]
        counts = torch.tensor([w * h for level in sizes for w, h in level])
        if int(counts.sum()) >= 2**31:
            raise InputError(
                f"the pictures have {int(counts.sum()) / 1e9:.1f} thousand million pixels at all resolutions, 2.1 can be counted",
                hint="use smaller pictures (--max-size) or fewer views (--views)",
            )
        offsets = counts.cumsum(0) - counts
        values = torch.empty(int(counts.sum()), dtype=torch.float32)
        objects = torch.empty(len(values), dtype=torch.uint8)
        noises = []
        for view, image in enumerate(images):
            grey = _grey(image)
            mask = torch.ones_like(grey) if masks is None else masks[view].to(torch.float32)
            noises.append(picture_noise(grey, mask > 0))
            for level in range(levels):
                width, height = sizes[level][view]
                grey, mask = _shrunk(grey, height, width), _shrunk(mask, height, width)
                start = int(offsets[level * len(images) + view])
                values[start : start + width * height] = grey.reshape(-1)
                objects[start : start + width * height] = (mask > 1e-3).to(torch.uint8).reshape(-1)
        return PictureSet(
            values.to(device),
            objects.to(device),
            offsets.to(device),
            torch.tensor([size for level in sizes for size in level], dtype=torch.int32, device=device),
            tuple(cameras.with_sizes(level) for level in sizes),
            levels,
            float(torch.tensor(noises).median()),
        )

    def __len__(self) -> int:
        return len(self.cameras[0])

    def index(self, view: int, level: int) -> int:
        """Place of a picture in ``offsets`` and ``sizes``."""
        return level * len(self) + view

    def picture(self, view: int, level: int) -> tuple[Tensor, Tensor]:  # [H, W], [H, W] bool
        """Grey picture and mask, views of the common memory."""
        width, height = self.cameras[level].size[view].tolist()
        start = int(self.offsets[self.index(view, level)])
        part = slice(start, start + width * height)
        return self.values[part].reshape(height, width), self.objects[part].reshape(height, width) > 0


@dataclass(frozen=True)
class Match:
    """How patches are compared.

    Attributes:
        best: number of sources whose mean NCC decides.
        noise: standard deviation of the pictures' noise [grey].
        mismatch: deviation of what differs between views for other reasons, as a share of a window's own deviation.
        contrast: difference to the centre's value at which a tap counts half [grey].
        background_cost: added for every source in which a hypothesis falls on background.
        pattern: "dense" 5 x 5, "quincunx" every other pixel of 7 x 7, "sparse" every other row and column of 9 x 9.
    """

    best: int = 2
    noise: float = 0.01
    mismatch: float = 0.2
    contrast: float = 0.2
    background_cost: float = 0.5
    pattern: str = "quincunx"

    @property
    def radius(self) -> float:
        """Half the window's side [px]."""
        return {"dense": 2.0, "quincunx": 3.0, "sparse": 4.0, "wide": 6.0}[self.pattern]

    def taps(self, device: torch.device) -> Tensor:  # [25, 3]
        """Offsets along x and y [px] and the weight of each tap."""
        return _taps(self.pattern).to(device)


@cache
def _taps(pattern: str) -> Tensor:
    if pattern == "quincunx":
        places = [(x, y) for y in range(-3, 4) for x in range(-3, 4) if (x + y) % 2 == 0]
        size = 3.0
    else:
        step = {"dense": 1, "sparse": 2, "wide": 3}[pattern]
        places = [(step * x, step * y) for y in range(-2, 3) for x in range(-2, 3)]
        size = 2.0 * step
    offsets = torch.tensor(places, dtype=torch.float32)
    assert len(offsets) == TAPS
    weights = torch.exp(-offsets.square().sum(-1) / (2 * size**2))
    return torch.cat([offsets, weights[:, None]], dim=1)


@dataclass(frozen=True)
class Problem:
    """One reference picture and what it is compared with, ready for the kernels."""

    pictures: PictureSet
    view: int
    level: int
    sources: tuple[int, ...]  # indices of pictures
    rotations: Tensor  # [S, 3, 3] M
    translations: Tensor  # [S, 3] q
    match: Match
    pixels: Tensor  # [P] int32, row by row
    ranges: Tensor  # [H, W, 2] smallest and largest inverse depth

    @property
    def device(self) -> torch.device:
        return self.pictures.values.device

    def of_first(self, count: int) -> Problem:
        """The same with the first ``count`` sources alone."""
        match = replace(self.match, best=min(self.match.best, count))
        return replace(
            self, sources=self.sources[:count], rotations=self.rotations[:count], translations=self.translations[:count], match=match
        )

    def arguments(self) -> list[Any]:
        """Pictures, relations and taps as the kernels take them."""
        pictures, relations = Pictures(), Relations()
        pictures.values = wp.from_torch(self.pictures.values)
        pictures.objects = wp.from_torch(self.pictures.objects)
        pictures.offsets = wp.from_torch(self.pictures.offsets)
        pictures.sizes = wp.from_torch(self.pictures.sizes)
        relations.reference = self.pictures.index(self.view, self.level)
        relations.sources = wp.from_torch(torch.tensor(self.sources, dtype=torch.int32, device=self.device))
        relations.rotations = wp.from_torch(self.rotations.to(self.device, torch.float32).contiguous(), dtype=wp.mat33f)
        relations.translations = as_vectors(self.translations.to(self.device, torch.float32).contiguous())
        relations.best = self.match.best
        relations.noise, relations.mismatch = self.match.noise**2, self.match.mismatch**2
        relations.background_cost = self.match.background_cost
        return [pictures, relations, self.match.taps(self.device)]


def relate(
    pictures: PictureSet, view: int, level: int, sources: Sequence[tuple[int, int]]
) -> tuple[tuple[int, ...], Tensor, Tensor]:  # S, [S, 3, 3], [S, 3]
    """Pictures and maps p -> M p + w q of the sources, each a (view, level), seen from one picture."""
    if not 1 <= len(sources) <= MOST_SOURCES:
        raise ValueError(f"{len(sources)} sources, expected 1 to {MOST_SOURCES}")
    others = Cameras.joined([pictures.cameras[other_level][other] for other, other_level in sources])
    indices = tuple(pictures.index(other, other_level) for other, other_level in sources)
    return indices, *pictures.cameras[level][view].pixel_maps(others)


@dataclass(frozen=True)
class Round:
    """What one round of the search tries; see ``patch_search_steps.Refinement``."""

    reach: int = 5
    same: float = 0.0
    tries: int = 2
    disparity: float = 0.5
    steps: int = 1
    damping: float = 0.05
    smoothness: float = 0.0
    jump: float = 1.0


def sweep(problem: Problem, count: int) -> tuple[Tensor, Tensor]:  # [H, W, 3], [H, W]
    """Planes and costs of a sweep over each pixel's range with planes that face the camera."""
    planes, costs = blank(problem)
    launch_bands(
        steps.sweep_planes,
        len(problem.pixels),
        [*problem.arguments(), problem.pixels, _pairs(problem.ranges), count, problem.match.contrast, as_vectors(planes), costs],
        device=problem.device,
    )
    return planes, costs


def blank(problem: Problem) -> tuple[Tensor, Tensor]:  # [H, W, 3], [H, W]
    """No hypothesis anywhere."""
    height, width = problem.ranges.shape[:2]
    planes = torch.zeros(height, width, 3, dtype=torch.float32, device=problem.device)
    return planes, torch.full((height, width), NOTHING, dtype=torch.float32, device=problem.device)


def improve(problem: Problem, planes: Tensor, costs: Tensor, strengths: Tensor, tried: Round, *, seed: int) -> None:
    """One round over both colours of the checkerboard; planes [H, W, 3], costs and strengths [H, W] change in place."""
    width = problem.ranges.shape[1]
    parity = (problem.pixels % width + problem.pixels.div(width, rounding_mode="floor")) % 2
    shared = problem.arguments()
    for color in (0, 1):
        refinement = steps.Refinement()
        refinement.reach, refinement.same = tried.reach, tried.same
        refinement.tries, refinement.disparity = tried.tries, tried.disparity
        refinement.steps, refinement.damping = tried.steps, tried.damping
        refinement.smoothness, refinement.jump = tried.smoothness, tried.jump
        refinement.radius, refinement.contrast = problem.match.radius, problem.match.contrast
        refinement.seed = (seed * 2 + color) % 2**31
        pixels = problem.pixels[parity == color].contiguous()
        arguments = [*shared, refinement, pixels, _pairs(problem.ranges), as_vectors(planes), costs, strengths]
        launch_bands(steps.spread_and_refine, len(pixels), arguments, device=problem.device)


def picture_noise(grey: Tensor, mask: Tensor) -> float:
    """Standard deviation of a picture's noise from the second differences along both axes (Immerkær 1996, the mask of Eq. 2).

    The 20 % quantile of their size stands for all: texture and edges are in the larger ones. At least half a level of 8 bits.
    """
    kernel = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]], device=grey.device)
    response = F.conv2d(grey[None, None], kernel[None, None])[0, 0].abs()
    whole = -F.max_pool2d(-mask[None].to(grey), 3, stride=1)[0] > 0.5
    inside = response[whole]
    if inside.numel() == 0:
        return 0.5 / 255
    quantile = float(inside.sort().values[int(0.2 * (inside.numel() - 1))])
    # The mask's entries square to 36; a fifth of a Gaussian lies within 0.2533 deviations.
    return max(quantile / (0.2533 * 6), 0.5 / 255)


def _pairs(ranges: Tensor) -> Any:
    return wp.from_torch(ranges, dtype=wp.vec2f)


def _grey(image: Tensor) -> Tensor:  # [H, W, 3] uint8 -> [H, W]
    weights = torch.tensor([0.299, 0.587, 0.114], device=image.device) / 255  # luma, ITU-R BT.601
    return image.to(torch.float32) @ weights


def _halved(size: Sequence[int], level: int) -> tuple[int, int]:
    return max(1, round(size[0] / 2**level)), max(1, round(size[1] / 2**level))


def _shrunk(picture: Tensor, height: int, width: int) -> Tensor:
    return picture if picture.shape == (height, width) else F.interpolate(picture[None, None], size=(height, width), mode="area")[0, 0]
