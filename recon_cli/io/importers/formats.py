"""The foreign camera formats by name, and which of them a dataset is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from recon_cli.core.errors import InputError, UsageError
from recon_cli.io.importers.colmap import find_colmap, read_colmap
from recon_cli.io.importers.idr import find_idr, read_idr
from recon_cli.io.importers.imported import Imported
from recon_cli.io.importers.middlebury import find_middlebury, read_middlebury
from recon_cli.io.importers.mvsnet import find_mvsnet, read_mvsnet
from recon_cli.io.importers.nerfstudio import find_nerfstudio, read_nerfstudio
from recon_cli.io.importers.strecha import find_strecha, read_strecha


class Reader(Protocol):
    """Reads a dataset that its finder has found; ``first_pixel`` is where the centre of the top-left pixel lies, 0 or 0.5."""

    def __call__(self, path: Path, *, images: Path | None, masks: Path | None, first_pixel: float) -> Imported: ...


@dataclass(frozen=True)
class Format:
    """How a format is recognised and read; ``sign`` says what makes it one."""

    find: Callable[[Path], Path | None]
    read: Reader
    first_pixel: float
    sign: str


FORMATS: Mapping[str, Format] = {
    "colmap": Format(find_colmap, read_colmap, 0.5, "cameras and images, .bin or .txt, in it, in sparse or in sparse/0"),
    "nerfstudio": Format(find_nerfstudio, read_nerfstudio, 0.5, "transforms.json or transforms_train.json"),
    "idr": Format(find_idr, read_idr, 0.0, "an .npz file with world_mat_0"),
    "mvsnet": Format(find_mvsnet, read_mvsnet, 0.0, "NAME_cam.txt files, in it or in cams"),
    "middlebury": Format(find_middlebury, read_middlebury, 0.0, "a file that ends in par.txt"),
    "strecha": Format(find_strecha, read_strecha, 0.0, "PICTURE.camera files"),
}


def read_dataset(
    source: Path,
    *,
    format: str = "auto",
    images: Path | None = None,
    masks: Path | None = None,
    first_pixel: float | None = None,
) -> tuple[str, Imported]:
    """The name of a dataset's format and what it holds.

    Args:
        source: the dataset's folder, or the file of its cameras.
        format: a key of FORMATS, or auto.
        images: the folder of its pictures, where they do not lie beside it.
        masks: the folder of its masks.
        first_pixel: where the centre of the top-left pixel lies, 0 or 0.5, if not where the format has it.

    Raises:
        InputError: it is no dataset of that format, or damaged.
        UsageError: it is a dataset of several formats.
    """
    if not source.exists():
        raise InputError("does not exist, expected a folder or file of calibrated cameras", path=source, hint="check the path")
    name, path = _found(source, format)
    chosen = FORMATS[name]
    return name, chosen.read(path, images=images, masks=masks, first_pixel=chosen.first_pixel if first_pixel is None else first_pixel)


def _found(source: Path, format: str) -> tuple[str, Path]:
    names = list(FORMATS) if format == "auto" else [format]
    found = [(name, path) for name in names if (path := FORMATS[name].find(source)) is not None]
    if len(found) > 1:
        raise UsageError(
            f"{source} holds cameras of several formats: {', '.join(f'{name} ({path})' for name, path in found)}",
            hint=f"choose one, as in --format {found[0][0]}",
        )
    if not found and (source / "cameras.json").is_file():
        raise InputError("is a scene folder already: it holds cameras.json", path=source, hint="name what to make of it, as in --to colmap")
    if not found:
        signs = "; ".join(f"{name}: {FORMATS[name].sign}" for name in names)
        raise InputError(
            f"holds no cameras of {'a known format' if format == 'auto' else format}; looked for {signs}",
            path=source,
            hint="give the folder that holds the calibration, or the file itself",
        )
    return found[0]
