"""The default fit: vertex positions as unknowns, one frame after the other, by Gauss-Newton.

A frame minimises over the positions x

    image_weight/2 ∫ rho(|features(project(x)) - reference|) dA          the data
    + 1/(2 h²) |x - x_prev - h v_prev|²_M                                implicit-Euler inertia (Eq. 4)
    + membrane(x) + bending(x; x_prev)                                   elasticity

whose stationary point is an implicit-Euler step under the corrective force ``-d data / dx``: the paper's unknown force F_t is what the
balance leaves over. Solving for positions instead of forces (multiple shooting) turns hundreds of first-order steps through a simulator
into a dozen banded Cholesky solves.
"""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from recon_cli.core.banded import BandedLayout, plan_band
from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import NumericsError, StoppedError
from recon_cli.core.frames import Frames
from recon_cli.core.hooks import Hooks
from recon_cli.kernels.alignment import FaceSamples, alignment_blocks
from recon_cli.systems.sft.config import TrackingConfig
from recon_cli.systems.sft.curvature import cotangent_matrix
from recon_cli.systems.sft.features import FeatureLevel, feature_pyramid, mask_box
from recon_cli.systems.sft.membrane import Membrane, membrane_blocks, rest_membrane, strain
from recon_cli.systems.sft.visibility import seen_samples

# A step longer than this many edge lengths is shortened: the linearisation of the image holds over a few pixels only.
LONGEST_STEP = 2.0
# A vertex that is this many template diagonals away from the template has left the scene.
FARTHEST = 20.0
# Share of the inertia that acts in the first frame after the reference: a clip may begin in the middle of a motion.
UNKNOWN_VELOCITY = 0.01


@dataclass(frozen=True)
class Track:
    """What the tracker found.

    Attributes:
        positions: shape [T, V, 3], float64.
        curves: per-frame numbers, each [T]: image residual [feature units], mean absolute membrane strain, share of the template seen,
        steps taken.
    """

    positions: Tensor  # [T, V, 3]
    curves: dict[str, Tensor]


@dataclass(frozen=True)
class Prior:
    """What a frame is expected to be before its image is seen.

    Attributes:
        predicted: where inertia carries the vertices [m], shape [V, 3].
        curvature: the curvature that bending pulls towards (integrated Laplacian) [m], shape [V, 3].
        inertia: mass over h² [kg/s²], shape [V].
        band: the constant part of the system's matrix.
    """

    predicted: NDArray[np.float64]
    curvature: NDArray[np.float64]
    inertia: NDArray[np.float64]
    band: NDArray[np.float64]


CURVES = ("residual", "strain", "seen", "iterations")


class Tracker:
    """The fixed parts of a fit: layout of the system, rest state, and the reference features."""

    def __init__(
        self,
        vertices: Tensor,  # [V, 3]
        faces: Tensor,  # [F, 3]
        camera: Cameras,
        reference: tuple[NDArray[np.uint8], NDArray[np.uint8]],
        *,
        config: TrackingConfig,
        fps: float,
        device: torch.device,
    ) -> None:
        """Prepare a fit.

        Args:
            vertices: the template at frame 0 [m].
            faces: its triangles.
            camera: one camera of the frames' size.
            reference: image [H, W, 3] and mask [H, W], uint8, that show the template as it should look.
            config: the recipe's ``tracking`` section.
            fps: frames per second.
            device: where images are read; the linear algebra stays on the CPU.
        """
        self.config, self.fps, self.device = config, fps, device
        self.vertices = vertices.detach().to("cpu", torch.float64).numpy()
        self.faces = faces.cpu().numpy()
        self.camera = camera
        self.pixel_from_world = (camera.K[0].double() @ camera.camera_from_world[0, :3].double()).cpu()
        self.membrane: Membrane = rest_membrane(self.vertices, self.faces, stiffness=config.stiffness, poisson=config.poisson)
        self.laplacian, self.vertex_areas = cotangent_matrix(self.vertices, self.faces)
        self.layout = self._plan()
        self.edge = float(np.sqrt(2.0 * self.membrane.areas.mean()))
        self.extent = float(np.linalg.norm(np.ptp(self.vertices, axis=0)))
        self._set_reference(*reference)

    def _plan(self) -> BandedLayout:
        from scipy.sparse import diags

        biharmonic = (self.laplacian.T @ diags(1.0 / self.vertex_areas) @ self.laplacian).tocsr()
        layout = plan_band(self.vertices, self.faces, biharmonic)
        self.inertia = self.config.density * self.vertex_areas * self.fps**2  # m / h² [kg/s²]
        self.bending_band = layout.constant_band(self.config.bending * biharmonic)
        self.inertia_band = layout.constant_band(diags(self.inertia))
        return layout

    def _set_reference(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> None:
        per_edge = self._samples_per_edge()
        barycentric = barycentric_grid(per_edge)
        self.levels = self._pyramid_levels(mask, per_edge)
        self.margin = 1 << (self.levels.stop + 2)
        corners = torch.from_numpy(self.vertices)[torch.from_numpy(self.faces)]  # [F, 3, 3]
        points = torch.einsum("sb,fbd->fsd", barycentric, corners)
        seen = seen_samples(self.vertices, self.faces, barycentric, self.camera)
        fixed = {
            "faces": torch.from_numpy(self.faces.astype(np.int32)).to(self.device),
            "areas": torch.from_numpy(self.membrane.areas.astype(np.float32)).to(self.device),
            "barycentric": barycentric.float().to(self.device),
        }
        self.barycentric = barycentric
        self.samples: dict[int, FaceSamples] = {}
        for level, features in self.pyramid(image, mask).items():
            expected, valid = read_features(features, points, self.pixel_from_world)
            confidence = (valid > 0.99).float() * seen
            self.samples[level] = FaceSamples(expected=expected.to(self.device), confidence=confidence.to(self.device), **fixed)

    def _samples_per_edge(self) -> int:
        """So many samples along an edge that they lie ``sample_spacing`` pixels apart in the reference frame."""
        pixels, _ = self.camera.project(torch.from_numpy(self.vertices).to(self.camera.K))
        corners = pixels[0].double().cpu().numpy()[self.faces]
        first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
        area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).mean() / 2.0
        return int(np.clip(np.ceil(np.sqrt(area) / self.config.sample_spacing), 1, self.config.samples_per_edge))

    def _pyramid_levels(self, mask: NDArray[np.uint8], per_edge: int) -> range:
        """From the finest resolution that the samples can make use of to the one where the cloth is ``coarsest_size`` wide."""
        box = mask_box(mask, margin=0, multiple=1)
        size = min(box.right - box.left, box.bottom - box.top)
        coarsest = max(0, int(np.floor(np.log2(max(1.0, size / self.config.coarsest_size)))))
        pixels = size / (np.sqrt(len(self.faces)) * per_edge)
        finest = min(coarsest, max(0, int(np.floor(np.log2(max(1.0, pixels / (2.0 * self.config.sample_spacing)))))))
        return range(finest, coarsest + 1)

    def pyramid(self, image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> dict[int, FeatureLevel]:
        """Features of one frame around its mask, on the fit's device."""
        box = mask_box(mask, margin=self.margin, multiple=1 << (self.levels.stop - 1))
        levels = feature_pyramid(
            image, mask, box=box, levels=self.levels, radius=self.config.feature_radius, contrast_floor=self.config.contrast_floor
        )
        return {level: features.to(self.device) for level, features in levels.items()}

    def solve_frame(
        self,
        pyramid: Mapping[int, FeatureLevel],
        previous: NDArray[np.float64],  # [V, 3]
        velocity: NDArray[np.float64] | None,  # [V, 3]
    ) -> tuple[NDArray[np.float64], dict[str, float]]:
        """Positions [V, 3] in one frame from those before it.

        ``velocity`` is in metres a frame; None where it is unknown: inertia then only holds what the image does not.
        """
        prior = self._prior(previous, velocity)
        positions, steps = prior.predicted.copy(), 0
        seen = seen_samples(positions, self.faces, self.barycentric, self.camera)
        sums = np.zeros(3)
        for level in reversed(self.levels):
            samples = self._visible(self.samples[level], seen)
            for _ in range(self.config.iterations):
                step, sums = self._step(positions, samples, pyramid[level], prior)
                positions = positions + step
                steps += 1
                if np.abs(step).max() < self.config.tolerance * self.edge:
                    break
        stretch = np.abs(strain(self.membrane, positions)[:, :2])
        return positions, {
            "residual": float(np.sqrt(sums[1] / max(sums[2], 1e-12))),
            "strain": float((stretch.mean(axis=1) * self.membrane.areas).sum() / self.membrane.areas.sum()),
            "seen": float(sums[2] / self.membrane.areas.sum()),
            "iterations": float(steps),
        }

    def _prior(self, previous: NDArray[np.float64], velocity: NDArray[np.float64] | None) -> Prior:
        share = UNKNOWN_VELOCITY if velocity is None else 1.0
        predicted = previous if velocity is None else previous + self.config.velocity * velocity
        curvature = np.asarray(self.config.curvature_memory * (self.laplacian @ previous))
        return Prior(predicted, curvature, share * self.inertia, self.bending_band + share * self.inertia_band)

    def _visible(self, samples: FaceSamples, seen: Tensor) -> FaceSamples:
        confidence = samples.confidence * seen.to(self.device)
        return FaceSamples(samples.faces, samples.areas, samples.barycentric, samples.expected, confidence)

    def _step(
        self,
        positions: NDArray[np.float64],
        samples: FaceSamples,
        features: FeatureLevel,
        prior: Prior,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """One Gauss-Newton step [V, 3] and the image energy's sums [3]."""
        image = alignment_blocks(
            torch.from_numpy(positions.astype(np.float32)).to(self.device),
            samples,
            features.image,
            features.valid,
            texel_from_world=features.texel_from_pixel @ self.pixel_from_world,
            weight=self.config.image_weight,
            robust_scale=self.config.robust_scale,
        )
        blocks, slopes, _ = membrane_blocks(self.membrane, positions)
        blocks = blocks + image.hessians.cpu().numpy()
        slopes = slopes + image.gradients.cpu().numpy()
        bent = (self.laplacian @ positions - prior.curvature) / self.vertex_areas[:, None]
        gradient = prior.inertia[:, None] * (positions - prior.predicted) + self.config.bending * (self.laplacian.T @ bent)
        gradient += _scatter(self.faces, slopes, len(positions))
        step = self.layout.solve(self.layout.add_triangle_blocks(prior.band, blocks), -gradient)
        longest = float(np.abs(step).max())
        if longest > LONGEST_STEP * self.edge:
            step *= LONGEST_STEP * self.edge / longest
        return step, image.sums.double().sum(dim=0).cpu().numpy()


def _scatter(faces: NDArray[np.int64], values: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    flat = (3 * faces[:, :, None] + np.arange(3)).reshape(-1)
    return np.asarray(np.bincount(flat, values.reshape(-1), minlength=3 * count), dtype=np.float64).reshape(count, 3)


def barycentric_grid(per_edge: int) -> Tensor:  # [per_edge², 3]
    """Centroids of the ``per_edge``² equal triangles that a triangle splits into."""
    places = []
    for i in range(per_edge):
        for j in range(per_edge - i):
            places.append((i + 1.0 / 3.0, j + 1.0 / 3.0))
            if i + j < per_edge - 1:
                places.append((i + 2.0 / 3.0, j + 2.0 / 3.0))
    first = torch.tensor(places, dtype=torch.float64) / per_edge
    return torch.cat([first, 1.0 - first.sum(dim=1, keepdim=True)], dim=1)


def read_features(
    features: FeatureLevel,
    points: Tensor,  # [F, S, 3]
    pixel_from_world: Tensor,  # [3, 4]
) -> tuple[Tensor, Tensor]:  # [F, S, 3], [F, S]
    """Features and validity at the projections of points, bilinear; 0 outside the window."""
    height, width = features.valid.shape
    matrix = features.texel_from_pixel @ pixel_from_world
    projected = points @ matrix[:, :3].T + matrix[:, 3]
    texel = projected[..., :2] / projected[..., 2:].clamp_min(1e-9)
    grid = (texel + 0.5) / torch.tensor([width, height]) * 2.0 - 1.0
    stacked = torch.cat([features.image.cpu(), features.valid.cpu()[..., None]], dim=-1).permute(2, 0, 1)[None].double()
    read = torch.nn.functional.grid_sample(stacked, grid[None], mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    valid = torch.where(projected[..., 2] > 0, read[3], torch.zeros_like(read[3]))
    return read[:3].permute(1, 2, 0).float().contiguous(), valid.float()


def track(
    tracker: Tracker,
    frames: Frames,
    masks: Frames,
    *,
    hooks: Hooks,
    resume: Mapping[str, Tensor] | None = None,
) -> Track:
    """Follow the template through all frames; ``resume`` is the last state that ``hooks.checkpoint`` was given.

    Raises:
        NumericsError: the surface left the scene or a step broke down; the frames before it were handed to ``hooks.checkpoint``.
        StoppedError: ``hooks.should_stop`` said so; the same.
    """
    total = len(frames)
    positions, curves, start = _begin(tracker, total, resume)
    with ThreadPoolExecutor(1) as pool:
        ahead = pool.submit(_prepare, tracker, frames, masks, min(start, total - 1))
        for t in range(start, total):
            pyramid = ahead.result()
            if t + 1 < total:
                ahead = pool.submit(_prepare, tracker, frames, masks, t + 1)
            velocity = (positions[t - 1] - positions[t - 2]).numpy() if t > 1 else None
            current, numbers = tracker.solve_frame(pyramid, positions[t - 1].numpy(), velocity)
            _check(tracker, current, t)
            positions[t] = torch.from_numpy(current)
            for name in CURVES:
                curves[name][t] = numbers[name]
            hooks.progress(t + 1, total, **numbers)
            hooks.checkpoint({"positions": positions[: t + 1], **{name: curve[: t + 1] for name, curve in curves.items()}}, {"frame": t})
            if t + 1 < total and hooks.should_stop():
                raise StoppedError(f"stopped after frame {t} of {total}", hint="run the same command again with --resume to go on")
    return Track(positions, curves)


def _begin(tracker: Tracker, total: int, resume: Mapping[str, Tensor] | None) -> tuple[Tensor, dict[str, Tensor], int]:
    """Room for all frames, filled as far as they are done, and the first frame that is not."""
    positions = torch.zeros(total, *tracker.vertices.shape, dtype=torch.float64)
    curves = {name: torch.zeros(total, dtype=torch.float64) for name in CURVES}
    if resume is None:
        positions[0] = torch.from_numpy(tracker.vertices)
        curves["seen"][0] = 1.0
        return positions, curves, 1
    done = resume["positions"].shape[0]
    positions[:done] = resume["positions"]
    for name, curve in curves.items():
        curve[:done] = resume[name]
    return positions, curves, done


def _prepare(tracker: Tracker, frames: Frames, masks: Frames, t: int) -> dict[int, FeatureLevel]:
    return tracker.pyramid(frames[t].cpu().numpy(), masks[t].cpu().numpy())


def _check(tracker: Tracker, positions: NDArray[np.float64], t: int) -> None:
    away = np.abs(positions - tracker.vertices).max()
    if not np.isfinite(away) or away > FARTHEST * tracker.extent:
        raise NumericsError(
            f"frame {t}: the surface diverged (a vertex is {away:.3g} away from the template)",
            hint="check the template's units against the camera, raise tracking.stiffness or tracking.density, or start earlier",
        )
