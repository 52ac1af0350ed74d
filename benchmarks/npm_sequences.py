"""Made-up depth sequences with the meshes that were photographed, whole, turned onto a side, or longer than they are."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.meshes import read_mesh
from recon_cli.run.npm_inputs import FitSources, load_frames


@dataclass(frozen=True)
class HeldFrames:
    """Depth maps in memory, so that reading them is nobody's time; implements ``DepthFrames``.

    Attributes:
        maps: T of them [scene units], shape [H, W] each; the same one may come again.
        K: intrinsics [px], shape [3, 3].
        up: in the camera's axes, shape [3]; None where it is not told.
    """

    maps: tuple[Tensor, ...]
    K: Tensor
    up: Tensor | None

    def __len__(self) -> int:
        return len(self.maps)

    def depth(self, frame: int) -> Tensor:  # [H, W]
        return self.maps[frame]

    def only(self, chosen: Sequence[int]) -> HeldFrames:
        """Some frames, in this order."""
        return replace(self, maps=tuple(self.maps[frame] for frame in chosen))

    def scaled(self, factor: float) -> HeldFrames:
        """Of a scene this many times as large."""
        return replace(self, maps=tuple(factor * depth for depth in self.maps))


@dataclass(frozen=True)
class TrueSequence:
    """Depth and the truth, which no fit is given.

    Attributes:
        name: of the sequence.
        frames: what a fit is given.
        vertices: of the meshes in the camera's axes [scene units], float64, shape [T, W, 3].
        faces: of the meshes, shape [G, 3].
    """

    name: str
    frames: HeldFrames
    vertices: Tensor
    faces: Tensor

    def __len__(self) -> int:
        return len(self.frames)

    def turned(self) -> TrueSequence:
        """With the camera rolled by a right angle: what was on the right is on top."""
        frames = self.frames
        width = frames.maps[0].shape[1]
        (fx, _, cx), (_, fy, cy), _ = frames.K.tolist()
        K = torch.tensor([[fy, 0, cy], [0, fx, width - cx], [0, 0, 1]], dtype=frames.K.dtype)
        roll = torch.tensor([[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]], dtype=torch.float64)
        up = None if frames.up is None else roll.to(frames.up) @ frames.up
        maps = tuple(torch.rot90(depth, 1, (0, 1)).contiguous() for depth in frames.maps)
        return replace(self, frames=HeldFrames(maps, K, up), vertices=self.vertices @ roll.T)

    def without_up(self) -> TrueSequence:
        """Nobody says which way is up."""
        return replace(self, frames=replace(self.frames, up=None))


def listed(folders: Sequence[Path], only: Sequence[int] | None = None) -> list[tuple[Path, dict[str, str]]]:
    """Sequences of folders that `recon prepare synth bodies` has written, each with its folder; ``only`` those of these numbers.

    Raises:
        InputError: a folder has no list of its sequences, or one without depth; a number is none of theirs.
    """
    found = []
    for folder in folders:
        manifest = folder / "manifest.jsonl"
        if not manifest.is_file():
            raise InputError("has no manifest.jsonl", path=folder, hint="make sequences with recon prepare synth bodies")
        records = [json.loads(line) for line in manifest.read_text().splitlines() if line]
        lacking = [record["id"] for record in records if "depth" not in record]
        if lacking:
            raise InputError(f"{lacking[0]} has no depth", path=manifest, hint="make sequences with depth")
        found += [(folder, record) for record in records]
    wrong = [number for number in only or () if not 0 <= number < len(found)]
    if wrong or not found:
        raise InputError(f"there are {len(found)} sequences, numbered from 0; {wrong} are none of them")
    return [found[number] for number in only] if only else found


def read_sequence(folder: Path, record: dict[str, str], *, box: float, up: str = "+y") -> TrueSequence:
    """A sequence, its depth as `recon npm fit` reads it: the body alone.

    Args:
        folder: that it lies in.
        record: its line of the manifest.
        box: side of the model's box [scene units].
        up: axis of the world that is up.

    Raises:
        InputError: a file is missing or damaged, or the numbers of maps and meshes differ.
    """
    loaded = load_frames(FitSources(folder / record["depth"], folder / record["camera"], up=up), box)
    files = sorted((folder / record["meshes"]).glob("*.ply"))
    if len(files) != len(loaded):
        raise InputError(f"has {len(files)} meshes for {len(loaded)} depth maps", path=folder / record["meshes"])
    meshes = [read_mesh(file) for file in files]
    move = loaded.camera.camera_from_world[0].double()
    vertices = torch.stack([mesh.vertices.double() for mesh in meshes]) @ move[:3, :3].T + move[:3, 3]
    frames = HeldFrames(tuple(loaded.depth(frame) for frame in range(len(loaded))), loaded.K, loaded.up)
    return TrueSequence(record["id"], frames, vertices, meshes[0].faces)


def back_and_forth(count: int, length: int) -> list[int]:
    """Numbers of ``length`` frames of a sequence of ``count``, forwards, backwards and so on without a jump."""
    period = max(1, 2 * (count - 1))
    return [min(step % period, (-step) % period) for step in range(length)]
