"""Folders of pictures and masks beside a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from recon_cli.core.errors import InputError
from recon_cli.core.natural_order import natural_key
from recon_cli.io.images import IMAGE_SUFFIXES


def picture_folder(given: Path | None, candidates: Sequence[Path], *, source: Path, noun: str = "pictures") -> Path:
    """The folder given by hand, or the first of the candidates that is there.

    Raises:
        InputError: there is none.
    """
    if given is not None:
        if not given.is_dir():
            raise InputError(f"is no folder, expected the folder of {noun}", path=given, hint="check the path")
        return given
    for folder in candidates:
        if folder.is_dir():
            return folder
    tried = ", ".join(str(folder) for folder in candidates)
    raise InputError(f"no folder of {noun} is beside it; tried {tried}", path=source, hint=f"give the folder of the {noun} with --images")


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, in the order that people count in.

    Raises:
        InputError: there is none.
    """
    found = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")]
    if not found:
        raise InputError("holds no pictures", path=folder, hint="give the folder of the pictures with --images")
    return sorted(found, key=lambda entry: natural_key(entry.name))


class Masks:
    """The masks of a dataset: PICTURE.png with the picture's suffix in it (as COLMAP has them), or the picture's stem with any suffix;
    where both are whole numbers, leading zeros do not count. Masks numbered from 0, one a picture, as `recon prepare masks` writes them
    for a folder of pictures, go by order where the pictures have other names.

    Args:
        given: the folder given by hand; every picture must have a mask in it.
        candidates: folders to look for otherwise.
        pictures: the folder of the pictures.

    Raises:
        InputError: the given folder is missing or holds no picture.
    """

    def __init__(self, given: Path | None, candidates: Sequence[Path], *, pictures: Path | None = None) -> None:
        folder = given if given is not None else next((place for place in candidates if place.is_dir()), None)
        if given is not None:
            picture_folder(given, (), source=given, noun="masks")
            pictures_in(given)
        self.folder = folder
        self._found: dict[str, Path] = {}
        if folder is not None:
            entries = sorted(entry for entry in folder.rglob("*") if entry.suffix.lower() in IMAGE_SUFFIXES)
            for entry in entries:
                relative = entry.relative_to(folder).as_posix()
                self._found.setdefault(relative, entry)
                self._found.setdefault(str(PurePosixPath(relative).with_suffix("")), entry)
                self._found.setdefault(_number(entry.stem), entry)
            if pictures is not None and pictures.is_dir() and pictures != folder:
                self._found |= _by_order(entries, pictures)

    def of(self, picture: str) -> Path | None:
        """The mask of a picture, or None where the dataset has no masks.

        Raises:
            InputError: there are masks, but none for this picture.
        """
        if self.folder is None or not self._found:
            return None
        name = PurePosixPath(picture.replace("\\", "/"))
        for key in (f"{name}.png", str(name), str(name.with_suffix("")), name.stem, _number(name.stem)):
            if key in self._found:
                return self._found[key]
        raise InputError(
            f"has no mask of {picture}, expected {name}.png or {name.with_suffix('.png')}",
            path=self.folder,
            hint="add the mask (all white where everything counts), or give another folder with --masks",
        )


def _by_order(masks: Sequence[Path], folder: Path) -> dict[str, Path]:
    """Masks 0, 1, 2, … of the pictures of a folder, by the pictures' stems; none where the pictures are numbered too, or not as many."""
    pictures = [entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.name.startswith(".")]
    is_numbered = [_number(entry.stem) for entry in masks] == [f"/{index}" for index in range(len(masks))]
    if not is_numbered or len(masks) != len(pictures) or any(entry.stem.isdigit() for entry in pictures):
        return {}
    ordered = sorted(pictures, key=lambda entry: natural_key(entry.name))
    return {picture.stem: mask for picture, mask in zip(ordered, masks, strict=True)}


def _number(stem: str) -> str:
    """A key that 000 and 000000 share; no file is named like it."""
    return f"/{int(stem)}" if stem.isascii() and stem.isdigit() else stem
