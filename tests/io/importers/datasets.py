"""A slanted, textured plane seen by two cameras, and small independent writers of every foreign format.

The cameras differ in size and focal length and one is rolled, so that a half-pixel mistake moves the views against each other.
Intrinsics here have the centre of the top-left pixel at (0.5, 0.5); each writer makes its format's convention of them.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

NORMAL, HEIGHT = np.array([0.35, -0.25, -1.0]) / np.linalg.norm([0.35, -0.25, -1.0]), -5.0  # n · X = HEIGHT


@dataclass(frozen=True)
class PlaneView:
    """A camera that looks at the plane; ``bend`` takes points at depth 1 to where the lens puts them."""

    name: str
    K: np.ndarray
    R: np.ndarray
    t: np.ndarray
    size: tuple[int, int]
    bend: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def centre(self) -> np.ndarray:
        return -self.R.T @ self.t

    def integer_K(self) -> np.ndarray:
        """K where pixel centres are at integers."""
        return self.K - np.array([[0, 0, 0.5], [0, 0, 0.5], [0, 0, 0]])


def roll_pitch_yaw(roll: float, pitch: float, yaw: float) -> np.ndarray:
    (a, b), (c, d), (e, f) = ((math.cos(x), math.sin(x)) for x in (roll, pitch, yaw))
    return (
        np.array([[a, -b, 0], [b, a, 0], [0, 0, 1]])
        @ np.array([[1, 0, 0], [0, c, -d], [0, d, c]])
        @ np.array([[e, 0, f], [0, 1, 0], [-f, 0, e]])
    )


def plane_views() -> list[PlaneView]:
    R1, R2 = roll_pitch_yaw(0.05, -0.1, 0.12), roll_pitch_yaw(2.1, 0.08, -0.15)
    return [
        PlaneView("a_view", K_of(190.0, 185.0, 78.3, 61.2), R1, -R1 @ np.array([-0.6, 0.1, 0.2]), (160, 120)),
        PlaneView("b_view", K_of(255.0, 262.0, 101.7, 73.9), R2, -R2 @ np.array([0.7, -0.2, 0.0]), (200, 150)),
    ]


def K_of(fx: float, fy: float, cx: float, cy: float) -> np.ndarray:
    return np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])


def texture(points: np.ndarray) -> np.ndarray:  # [..., 3] -> [...]
    x, y = points[..., 0], points[..., 1]
    return 0.5 + 0.15 * np.sin(17 * x + 5 * y) + 0.15 * np.sin(-6 * x + 15 * y + 1) + 0.1 * np.sin(9 * x + 11 * y + 2)


def on_plane(view: PlaneView, pixels: np.ndarray) -> np.ndarray:  # [..., 2] -> [..., 3]
    """Where a pinhole's rays meet the plane."""
    rays = np.concatenate([pixels, np.ones_like(pixels[..., :1])], axis=-1) @ np.linalg.inv(view.K).T @ view.R
    return view.centre + rays * ((HEIGHT - NORMAL @ view.centre) / (rays @ NORMAL))[..., None]


def pixel_grid(size: tuple[int, int]) -> np.ndarray:  # [H, W, 2]
    return np.stack(np.meshgrid(np.arange(size[0]) + 0.5, np.arange(size[1]) + 0.5), axis=-1)


def photograph(view: PlaneView) -> np.ndarray:  # [H, W] uint8
    pixels = pixel_grid(view.size)
    if view.bend is not None:
        pixels = straight(view, pixels)
    return np.rint(255 * texture(on_plane(view, pixels))).astype(np.uint8)


def straight(view: PlaneView, bent: np.ndarray) -> np.ndarray:
    """Pixels without the lens, by fixed-point iteration on the test's own formula."""
    assert view.bend is not None
    focal, middle = np.diag(view.K)[:2], view.K[:2, 2]
    target = (bent - middle) / focal
    points = target.copy()
    for _ in range(200):
        points = points + target - view.bend(points)
    assert np.abs(view.bend(points) - target).max() < 1e-9
    return points * focal + middle


def measured_shift(image: np.ndarray, view: PlaneView) -> np.ndarray:  # [2]
    """By how many pixels a picture of the plane stands away from where a pinhole would put it (least squares)."""
    pixels = pixel_grid(view.size)
    expected = texture(on_plane(view, pixels))
    slopes = [(texture(on_plane(view, pixels + step)) - texture(on_plane(view, pixels - step))) / 0.02 for step in ([0.01, 0], [0, 0.01])]
    design = np.stack([-slope.ravel() for slope in slopes], axis=1)
    return np.linalg.lstsq(design, (image / 255.0 - expected).ravel(), rcond=None)[0]


def write_pictures(folder: Path, views: list[PlaneView], suffix: str = ".png", names: list[str] | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index, view in enumerate(views):
        name = names[index] if names else view.name
        Image.fromarray(np.repeat(photograph(view)[..., None], 3, axis=2)).save(folder / f"{name}{suffix}")


def quaternion(R: np.ndarray) -> tuple[float, float, float, float]:
    """w, x, y, z by way of the rotation's axis and angle."""
    angle = math.acos(np.clip((np.trace(R) - 1) / 2, -1, 1))
    axis = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]]) / (2 * math.sin(angle))
    x, y, z = (math.sin(angle / 2) * axis).tolist()
    return math.cos(angle / 2), x, y, z


def colmap_text(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder / "images", views)
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    cameras, images = ["# cameras"], ["# images"]
    for index, view in enumerate(views):
        (fx, _, cx), (_, fy, cy), _ = view.K
        cameras.append(
            f"{index + 7} PINHOLE {view.size[0]} {view.size[1]} {fx!r} {fy!r} {cx!r} {cy!r}".replace("np.float64(", "").replace(")", "")
        )
        pose = " ".join(repr(float(value)) for value in (*quaternion(view.R), *view.t))
        images += [f"{9 - index} {pose} {index + 7} {view.name}.png", "10.5 11.5 1 20 30 -1" if index == 0 else ""]
    (sparse / "cameras.txt").write_text("\n".join(cameras) + "\n")
    (sparse / "images.txt").write_text("\n".join(images) + "\n")
    (sparse / "points3D.txt").write_text("# points\n3 0.5 -0.25 5.125 255 128 0 0.7 9 0 8 1\n4 1 2 3 0 0 51 0.1\n")


def colmap_binary(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder / "images", views)
    sparse = folder / "sparse" / "0"
    sparse.mkdir(parents=True)
    cameras, images = struct.pack("<Q", len(views)), struct.pack("<Q", len(views))
    for index, view in enumerate(views):
        (fx, _, cx), (_, fy, cy), _ = view.K
        cameras += struct.pack("<IiQQ4d", index + 7, 1, *view.size, fx, fy, cx, cy)
        images += struct.pack("<I4d3dI", 9 - index, *quaternion(view.R), *view.t, index + 7) + f"{view.name}.png".encode() + b"\0"
        images += struct.pack("<Qddqddq", 2, 10.5, 11.5, 1, 20, 30, -1) if index == 0 else struct.pack("<Q", 0)
    points = struct.pack("<QQ3d3BdQ4I", 2, 3, 0.5, -0.25, 5.125, 255, 128, 0, 0.7, 2, 9, 0, 8, 1)
    points += struct.pack("<Q3d3BdQ", 4, 1, 2, 3, 0, 0, 51, 0.1, 0)
    for name, data in (("cameras", cameras), ("images", images), ("points3D", points)):
        (sparse / f"{name}.bin").write_bytes(data)


def nerfstudio(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder / "images", views)
    frames = []
    for view in views:
        right, down, forward = view.R  # rows of R are the camera's axes in the world
        matrix = np.eye(4)
        matrix[:3, :4] = np.stack([right, -down, -forward, view.centre], axis=1)
        (fx, _, cx), (_, fy, cy), _ = view.K.tolist()
        numbers = {"fl_x": fx, "fl_y": fy, "cx": cx, "cy": cy, "w": view.size[0], "h": view.size[1]}
        frames.append({"file_path": f"./images/{view.name}.png", "transform_matrix": matrix.tolist(), **numbers})
    (folder / "transforms.json").write_text(
        json.dumps({"camera_model": "OPENCV", "frames": frames, "applied_transform": np.eye(4)[:3].tolist()})
    )


def idr(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder / "image", views)
    arrays = {}
    for index, view in enumerate(views):
        world = np.eye(4)
        world[:3] = (-0.7 + 1.5 * index) * view.integer_K() @ np.concatenate([view.R, view.t[:, None]], axis=1)  # any factor, any sign
        arrays[f"world_mat_{index}"] = world
        arrays[f"scale_mat_{index}"] = np.array([[2.0, 0, 0, 0.5], [0, 2, 0, -1], [0, 0, 2, 5], [0, 0, 0, 1]])
    np.savez(folder / "cameras.npz", **arrays)


def mvsnet(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder / "images", views, names=[f"{index:08d}" for index in range(len(views))])
    (folder / "cams").mkdir()
    for index, view in enumerate(views):
        pose = np.vstack([np.concatenate([view.R, view.t[:, None]], axis=1), [0, 0, 0, 1]])
        rows = ["extrinsic", *(" ".join(map(repr, row)) for row in pose.tolist()), "", "intrinsic"]
        rows += [*(" ".join(map(repr, row)) for row in view.integer_K().tolist()), "", "3.0 0.02 192 7.0"]
        (folder / "cams" / f"{index:08d}_cam.txt").write_text("\n".join(rows) + "\n")
    (folder / "pair.txt").write_text("2\n0\n1 1 2036.5\n1\n1 0 2036.5\n")


def middlebury(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder, views)
    lines = [str(len(views))]
    for view in views:
        numbers = [*view.integer_K().ravel(), *view.R.ravel(), *view.t]
        lines.append(f"{view.name}.png " + " ".join(f"{value:.17g}" for value in numbers))
    (folder / "plane_par.txt").write_text("\n".join(lines) + "\n")


def strecha(folder: Path, views: list[PlaneView]) -> None:
    write_pictures(folder, views)
    for view in views:
        rows = [*view.integer_K().tolist(), [0, 0, 0], *view.R.T.tolist(), view.centre.tolist(), list(view.size)]
        (folder / f"{view.name}.png.camera").write_text("\n".join(" ".join(map(repr, row)) for row in rows) + "\n")


WRITERS: Mapping[str, Callable[[Path, list[PlaneView]], None]] = {
    "colmap": colmap_binary,
    "colmap text": colmap_text,
    "nerfstudio": nerfstudio,
    "idr": idr,
    "mvsnet": mvsnet,
    "middlebury": middlebury,
    "strecha": strecha,
}


def write_dataset(kind: str, folder: Path, views: list[PlaneView] | None = None) -> Path:
    """A dataset of that kind in a new folder."""
    folder.mkdir(parents=True)
    WRITERS[kind](folder, plane_views() if views is None else views)
    return folder
