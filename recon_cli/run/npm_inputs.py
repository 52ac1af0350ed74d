"""The depth sequence of a fit, read from files and checked before anything is computed: frames of the body alone, at the model's scale."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.errors import InputError
from recon_cli.run.npm_depth_files import DepthFiles, camera_beside, cleaned, find_camera, find_files, maps_folder, masks_beside
from recon_cli.systems.npm.backdrop import FEWEST, SAMPLED, Backdrop, extent, has_background, learn_backdrop, pixel_rays
from recon_cli.systems.npm.foreground import Thing, find_body
from recon_cli.systems.npm.up_axis import given_up, up_direction

Note = Callable[[str], None]

FAR_OFF, OFF = 50.0, 4.0
"""Ratios of the seen size to the model's: from the first on another unit is meant, from the second on something is wrong."""
COMMON = {"mm": 1000.0, "cm": 100.0}
UNKNOWN_LENGTH = 0.6
"""Length of a body whose scale is not known, for telling it from what is around it [median depths]."""

UP_IS_LOOKED_FOR = (
    "no floor is seen: of the picture's four sides, the one with which the frames look most like the training bodies is taken for up; "
    "--up +y (or another axis, or camera) says it"
)


@dataclass(frozen=True)
class FitSources:
    """Where the inputs of a fit are.

    Attributes:
        depth: a folder of depth maps (EXR, PFM, 16-bit PNG), or a scene folder with depth/.
        camera: the camera's file; None looks beside the maps.
        masks: a folder of masks of the maps' names; None takes masks/ beside depth/ where there is one.
        up: what is up for the body: an axis of the world, the camera's own, or "auto".
        unit: m, cm, mm or how many depth values a scene unit of the model has; None means that the values are scene units.
        is_scale_known: whether the body has the size of the model's; otherwise it is not checked.
    """

    depth: Path
    camera: Path | None = None
    masks: Path | None = None
    up: str = "auto"
    unit: str | None = None
    is_scale_known: bool = True

    def paths(self) -> Iterator[Path]:
        """All files and folders that the result depends on; some may not exist."""
        for path in (maps_folder(self.depth), self.camera or camera_beside(self.depth), self.masks or masks_beside(self.depth)):
            if path is not None:
                yield path


class FolderFrames:
    """Depth maps of a body from one still camera, read when they are asked for; implements ``DepthFrames``.

    Attributes:
        names: of the frames.
        camera: at the size of the maps, float64.
        up: in the camera's axes, or None where it is not known.
        empty: numbers of the frames without the body.
        bounds: lowest and highest pixel of the body over all frames, shape [2, 2].
    """

    def __init__(self, files: DepthFiles, camera: Cameras, up: Tensor | None, bodies: _Bodies) -> None:
        self._files, self._bodies = files, bodies
        self.names, self.camera, self.up = files.names, camera, up
        self.empty = tuple(frame for frame, thing in enumerate(bodies.found) if thing is None)
        self.bounds = bodies.bounds

    @property
    def K(self) -> Tensor:  # [3, 3] float32
        """Intrinsics of the camera [px]."""
        return self.camera.K[0].float()

    def __len__(self) -> int:
        return len(self.names)

    def depth(self, frame: int) -> Tensor:  # [H, W] float32
        """z-depth of the body [scene units], 0 where there is none of it.

        Raises:
            InputError: the file is gone or damaged.
        """
        return self._bodies.alone(frame)


def load_frames(sources: FitSources, model_box_side: float, note: Note = lambda text: None) -> FolderFrames:
    """Check a depth sequence, tell the body from what is around it, and compare its size with the model's.

    Args:
        sources: the files.
        model_box_side: longest side of the model's canonical bodies [scene units].
        note: told of what is left out, and of what was found.

    Raises:
        InputError: a file is missing, damaged or does not fit the others; there is no body; its size is not that of the model.
        UsageError: the upward direction or the unit is none.
    """
    files = find_files(sources.depth, masks=sources.masks, unit=sources.unit)
    first = files.raw(0)
    camera = find_camera(sources.camera, sources.depth, (first.shape[1], first.shape[0]))
    given = given_up(sources.up, camera.camera_from_world[0])
    scale = _Scale(sources, model_box_side)
    sampled = _survey(files, first.shape, note)
    backdrop = _backdrop(sampled, camera, given, scale, note)
    bodies = _Bodies(files, camera, backdrop)
    bodies.find(scale, note)
    up = up_direction(given, None if backdrop is None else backdrop.floor)
    if up is None:
        note(UP_IS_LOOKED_FOR)
    return FolderFrames(files, camera, up, bodies)


class _Bodies:
    """Where the body is in every frame; masks are made anew whenever they are needed, from what was before them."""

    def __init__(self, files: DepthFiles, camera: Cameras, backdrop: Backdrop | None) -> None:
        self.files = files
        # Masks say what the body is; what is around it then matters for the floor alone.
        self.backdrop = backdrop if files.masks is None else None
        self.K = camera.K[0].numpy()
        self.found: list[Thing | None] = []
        self.before: list[Thing | None] = []
        self.bounds = np.array([[np.inf, np.inf], [-np.inf, -np.inf]])

    def alone(self, frame: int) -> Tensor:  # [H, W]
        """The depth of the body in a frame that ``find`` has passed."""
        depth, _ = cleaned(self.files.raw(frame))
        if self.found[frame] is None:
            return torch.zeros_like(depth)
        return depth * torch.from_numpy(self._inside(frame, depth, self.before[frame])[0])

    def find(self, scale: _Scale, note: Note) -> None:
        """Look for the body in all frames, one after the other, and check its size."""
        last: Thing | None = None
        sizes, kept = [], []
        for frame in range(len(self.files.maps)):
            depth, _ = cleaned(self.files.raw(frame))
            inside, thing = self._inside(frame, depth, last)
            self.before.append(last)
            self.found.append(thing)
            if thing is not None:
                last = thing
                kept.append(float(inside.sum()) / max(1, int((depth > 0).sum())))
                sizes.append(self._size(inside, depth))
        self._expect_some(note)
        if self.backdrop is not None:
            note(f"what is around the body is left out: {np.mean(kept):.0%} of the depths are the body's")
        scale.check_body(float(np.quantile(sizes, 0.9)))

    def _inside(self, frame: int, depth: Tensor, before: Thing | None) -> tuple[np.ndarray, Thing | None]:
        values = depth.numpy()
        if self.backdrop is not None:
            return find_body(values, self.backdrop, before)
        mask = self.files.mask(frame, depth)
        inside = values > 0 if mask is None else (values > 0) & mask.numpy()
        pixels = int(inside.sum())
        return inside, Thing(np.zeros(3), pixels, False) if pixels >= FEWEST else None

    def _size(self, inside: np.ndarray, depth: Tensor) -> float:
        """Longest side of the body's box [scene units]; the picture's bounds grow with it."""
        rows, columns = np.nonzero(inside)
        low, high = (columns.min(), rows.min()), (columns.max() + 1, rows.max() + 1)
        self.bounds = np.stack([np.minimum(self.bounds[0], low), np.maximum(self.bounds[1], high)])
        z = depth.numpy()[rows, columns].astype(np.float64)
        pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1)
        return extent(pixels @ np.linalg.inv(self.K).T * z[:, None])

    def _expect_some(self, note: Note) -> None:
        empty = [name for name, thing in zip(self.files.names, self.found, strict=True) if thing is None]
        if len(empty) == len(self.found):
            what = "masks and depth have nothing in common" if self.files.masks is not None else f"none has {FEWEST} pixels of a body"
            raise InputError(
                f"shows no body in any of {len(empty)} frames: {what}",
                path=self.files.maps[0].parent,
                hint="give the body's masks with --masks DIR, or check --unit",
            )
        if empty:
            note(f"{len(empty)} of {len(self.found)} frames show no body and are carried over: {_some(empty)}")


@dataclass(frozen=True)
class _Scale:
    """The size that is expected, and what is said when another one is seen."""

    sources: FitSources
    side: float

    def length(self, depths: Sequence[np.ndarray]) -> float:
        """Of the body, for telling it from what is around it [scene units]."""
        return self.side if self.sources.is_scale_known else UNKNOWN_LENGTH * float(np.median(np.concatenate([d[d > 0] for d in depths])))

    def check_picture(self, seen: float) -> None:
        """Refuse pictures that span far more or less than a body could be told in."""
        if self.sources.is_scale_known and not 1 / FAR_OFF < seen / self.side < FAR_OFF:
            raise self._error(f"the picture spans about {seen:.4g} at the depth of what it shows", seen)

    def check_body(self, seen: float) -> None:
        """Refuse a body of another size than the model's."""
        if self.sources.is_scale_known and not 1 / OFF < seen / self.side < OFF:
            raise self._error(f"the body's longest side is about {seen:.4g}", seen)

    def _error(self, what: str, seen: float) -> InputError:
        ratio, unit = seen / self.side, self.sources.unit
        after = "" if unit is None else f" with --unit {unit}"
        message = f"{what}{after}, but the model's bodies measure {self.side:.4g}"
        hint = "--unit m, cm, mm or a number says how many depth values a scene unit has; --scale unknown lets the fit estimate the scale"
        if ratio > FAR_OFF:
            close = min(COMMON, key=lambda name: abs(np.log(ratio / COMMON[name])))
            meant = {"mm": "millimetres", "cm": "centimetres"}[close]
            if unit == close:
                return InputError(message, path=self.sources.depth, hint="write 0 where nothing is seen, or mask the body with --masks DIR")
            message += f": the depths look like {meant}" + (", not metres" if unit is None else "")
            hint = f"--unit {close}, or --scale unknown if the body's size is not known; where nothing is seen depth is 0"
        return InputError(message, path=self.sources.depth, hint=hint)


def _survey(files: DepthFiles, shape: torch.Size, note: Note) -> list[np.ndarray]:
    """Some frames, spread over the sequence; all are read once, so that a fit does not end at the last one.

    Raises:
        InputError: a map is damaged, of another size, or no map has a valid depth but some that are not.
    """
    count = len(files.maps)
    chosen = set(np.linspace(0, count - 1, min(count, SAMPLED)).round().astype(int).tolist())
    sampled, bad, has_depth = [], [], False
    for frame, file in enumerate(files.maps):
        raw = files.raw(frame)
        if raw.shape != shape:
            seen, expected = (f"{size[1]}x{size[0]} px" for size in (raw.shape, shape))
            raise InputError(f"is {seen}, expected {expected} as {files.maps[0].name}", path=file, hint="give maps of one size")
        depth, wrong = cleaned(raw)
        if wrong:
            bad.append(file.stem)
        has_depth = has_depth or bool((depth > 0).any())
        if frame in chosen:
            sampled.append(depth.numpy())
    if bad and not has_depth:
        raise InputError(
            f"has no valid depth: every pixel of {count} maps is NaN, infinite, negative, endless or 0",
            path=files.maps[0].parent,
            hint="expected positive z-depths, and 0 where nothing is seen; write the maps again",
        )
    if bad:
        note(f"{len(bad)} of {count} depth maps have NaN, infinite, negative or endless values, which count as nothing: {_some(bad)}")
    return sampled


def _backdrop(sampled: list[np.ndarray], camera: Cameras, up: Tensor | None, scale: _Scale, note: Note) -> Backdrop | None:
    """What is around the body, where the maps show more than the body alone."""
    seen = [depth for depth in sampled if (depth > 0).any()]
    if not seen or np.mean([has_background(depth) for depth in seen]) < 0.5:
        return None
    K = camera.K[0].numpy()
    reach = np.ptp(pixel_rays(K, seen[0].shape).reshape(-1, 3), axis=0).max()
    scale.check_picture(float(reach * np.median(np.concatenate([depth[depth > 0] for depth in seen]))))
    backdrop = learn_backdrop(seen, K, length=scale.length(seen), up=None if up is None else up.numpy())
    floor = backdrop.floor
    said = "no floor was found" if floor is None else f"the camera is {floor.height:.3g} above the floor"
    walls = f", {len(backdrop.walls)} wall{'s' * (len(backdrop.walls) > 1)}" if backdrop.walls else ""
    note(f"the depth maps show more than a body: {said}{walls}")
    return backdrop


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
