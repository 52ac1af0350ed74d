"""A scene folder as a dataset of another program."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from recon_cli.core.errors import InputError
from recon_cli.core.points import PointSet
from recon_cli.io.cameras import CameraFile, read_camera_file
from recon_cli.io.exporters.colmap import write_colmap
from recon_cli.io.exporters.nerfstudio import write_nerfstudio
from recon_cli.io.images import image_size, read_mask, write_image
from recon_cli.io.points import read_points, write_points
from recon_cli.io.whole_folder import whole_folder
from recon_cli.prepare.cameras import place_file

CONTENTS = ("images", "masks", "sparse", "transforms.json", "sparse_pc.ply")
"""Names that an exported dataset may have."""


def export_scene_folder(scene: Path, out: Path, *, to: str, link: bool = False, overwrite: bool = False) -> int:
    """Write the pictures, masks, cameras and points of a scene folder for another program; the number of its views.

    ``colmap`` and ``colmap-text`` give images/, masks/PICTURE.png and sparse/0; ``nerfstudio`` gives images/, masks/, transforms.json and
    sparse_pc.ply.

    Args:
        scene: a folder with cameras.json.
        out: the folder to make; it appears when it is whole.
        to: colmap, colmap-text or nerfstudio.
        link: make symbolic links to pictures and masks instead of copies.
        overwrite: whether an earlier export may be replaced.

    Raises:
        InputError: the scene is damaged, a camera has no picture or one of another size, or the folder cannot be made.
    """
    if not (scene / "cameras.json").is_file():
        raise InputError(
            "holds no cameras.json, expected a scene folder", path=scene, hint=f"recon prepare cameras {scene} -o SCENE makes one of it"
        )
    views = read_camera_file(scene / "cameras.json")
    pictures = _checked_pictures(views, scene)
    cloud = scene / "points.ply"
    points = read_points(cloud) if cloud.is_file() else None
    with whole_folder(out, overwrite=overwrite, contents=CONTENTS) as folder:
        _EXPORTERS[to](folder, views, pictures, points, link)
    return len(views.cameras)


def _checked_pictures(views: CameraFile, scene: Path) -> list[Path]:
    pictures = []
    for name, size, image in zip(views.cameras.names, views.cameras.size.tolist(), views.images, strict=True):
        if image is None:
            raise InputError(f"camera {name} has no image", path=scene / "cameras.json", hint='add "image" to its record')
        seen = image_size(image)
        if list(seen) != size:
            raise InputError(f"is {seen[0]}x{seen[1]}, its camera {size[0]}x{size[1]}", path=image, hint="correct cameras.json")
        pictures.append(image)
    return pictures


def _export_colmap(text: bool) -> Callable[[Path, CameraFile, Sequence[Path], PointSet | None, bool], None]:
    def export(folder: Path, views: CameraFile, pictures: Sequence[Path], points: PointSet | None, link: bool) -> None:
        names = _place_pictures(folder / "images", views, pictures, link)
        _place_masks(folder / "masks", [f"{name}.png" for name in names], views.masks, link)
        write_colmap(folder / "sparse" / "0", views.cameras, names, points, text=text)

    return export


def _export_nerfstudio(folder: Path, views: CameraFile, pictures: Sequence[Path], points: PointSet | None, link: bool) -> None:
    names = _place_pictures(folder / "images", views, pictures, link)
    masks = _place_masks(folder / "masks", [f"{name}.png" for name in views.cameras.names], views.masks, link)
    if points is not None:
        write_points(folder / "sparse_pc.ply", points)
    write_nerfstudio(
        folder / "transforms.json",
        views.cameras,
        [f"images/{name}" for name in names],
        masks=[None if mask is None else f"masks/{mask}" for mask in masks],
        points=None if points is None else "sparse_pc.ply",
    )


_EXPORTERS: dict[str, Callable[[Path, CameraFile, Sequence[Path], PointSet | None, bool], None]] = {
    "colmap": _export_colmap(text=False),
    "colmap-text": _export_colmap(text=True),
    "nerfstudio": _export_nerfstudio,
}


def _place_pictures(folder: Path, views: CameraFile, pictures: Sequence[Path], link: bool) -> list[str]:
    folder.mkdir()
    names = [f"{name}{picture.suffix.lower()}" for name, picture in zip(views.cameras.names, pictures, strict=True)]
    for name, picture in zip(names, pictures, strict=True):
        place_file(picture, folder / name, link=link)
    return names


def _place_masks(folder: Path, names: Sequence[str], masks: Sequence[Path | None], link: bool) -> list[str | None]:
    """Masks as PNG under these names; None for a view without one."""
    if any(mask is not None for mask in masks):
        folder.mkdir()
    for name, mask in zip(names, masks, strict=True):
        if mask is None:
            continue
        if mask.suffix.lower() == ".png":
            place_file(mask, folder / name, link=link)
        else:
            write_image(folder / name, read_mask(mask))
    return [None if mask is None else name for name, mask in zip(names, masks, strict=True)]
