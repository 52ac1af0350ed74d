"""Files of codes, which belong to one model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.parametric_model import ParametricModel

NAME = "codes.safetensors"
KIND, VERSION = "recon-body-codes", "1"
SHAPES: Mapping[str, tuple[tuple[int | str, ...], ...]] = {
    "shape": (("S",), ("T", "S")),
    "poses": (("T", "P"),),
    "roots": (("T", 3, 3),),
    "places": (("T", 3),),
    "unit": ((), ("T",)),
    "up": ((3,),),
    "world_from_camera": ((4, 4),),
}
_AGAIN = "fit the frames again"


def write_codes(path: Path, codes: Codes, model_digest: str) -> None:
    """Write codes of the model of this digest."""
    tensors = {name: getattr(codes, name) for name in SHAPES}
    texts = {"kind": KIND, "version": VERSION, "model": model_digest, "names": json.dumps(codes.names)}
    write_tensors(path, tensors, texts)


def codes_path(path: Path) -> Path:
    """The file that ``path`` means: itself, or that of a run of ``recon npm fit`` or a folder of another command."""
    if not path.is_dir():
        return path
    inner = path / "out" / NAME
    return path / NAME if (path / NAME).is_file() and not inner.is_file() else inner


def read_codes(path: Path, model: ParametricModel, digest: str) -> Codes:
    """The codes of a file or a run folder.

    Args:
        path: what ``codes_path`` takes.
        model: whose codes they should be.
        digest: of that model.

    Raises:
        InputError: the file is missing or damaged, or its codes are another model's.
    """
    file = codes_path(path)
    if not file.is_file():
        raise InputError("does not exist; expected codes that recon npm fit has written", path=file, hint="give a run of recon npm fit")
    tensors, texts = read_tensors(file)
    if texts.get("kind") != KIND:
        raise InputError(
            f"holds {texts.get('kind', 'something else')}, expected codes of bodies", path=file, hint="give a run of recon npm fit"
        )
    if texts.get("version") != VERSION:
        raise InputError(f"has version {texts.get('version')}, expected {VERSION}", path=file, hint="read it with the recon that wrote it")
    sizes = _sizes(tensors, file)
    _expect_of(model, digest, sizes, texts, file)
    _expect_placed(tensors, file)
    return Codes(**{name: tensors[name] for name in SHAPES}, names=_names(texts, sizes["T"], file))


def _sizes(tensors: Mapping[str, Tensor], file: Path) -> dict[str, int]:
    missing = [field.name for field in fields(Codes) if field.name in SHAPES and field.name not in tensors]
    if missing:
        raise InputError(f"has no {', '.join(missing)}", path=file, hint=_AGAIN)
    sizes: dict[str, int] = {}
    for name in sorted(SHAPES, key=lambda name: len(SHAPES[name])):  # those that leave no choice first
        value = tensors[name]
        if not value.is_floating_point() or not any(_fits(value, shape, sizes) for shape in SHAPES[name]):
            raise InputError(f"has {name} of shape {list(value.shape)}, which does not fit the others", path=file, hint=_AGAIN)
        if not bool(torch.isfinite(value).all()):
            raise InputError(f"has a NaN or infinite number in {name}", path=file, hint=_AGAIN)
    if not sizes["T"]:
        raise InputError("has no frames, expected at least one", path=file, hint=_AGAIN)
    return sizes


def _fits(value: Tensor, shape: tuple[int | str, ...], sizes: dict[str, int]) -> bool:
    """Whether a tensor has a shape; sizes that are new are noted then."""
    if value.ndim != len(shape):
        return False
    found = dict(sizes)
    fits = all(
        (size if isinstance(size, int) else found.setdefault(size, seen)) == seen for size, seen in zip(shape, value.shape, strict=True)
    )
    if fits:
        sizes.update(found)
    return fits


def _expect_of(model: ParametricModel, digest: str, sizes: Mapping[str, int], texts: Mapping[str, str], file: Path) -> None:
    seen, expected = (sizes["S"], sizes["P"]), (model.shape_size, model.pose_size)
    other = texts.get("model", "")
    if seen == expected and other == digest:
        return
    held, wanted = ("{} numbers of shape and {} of pose".format(*sizes) for sizes in (seen, expected))
    raise InputError(
        f"holds codes of another model: of {other[:12] or 'none'} with {held}, but the model is {digest[:12]} with {wanted}",
        path=file,
        hint="give --model the model that they were fitted with, or fit the frames again with this one",
    )


def _expect_placed(tensors: Mapping[str, Tensor], file: Path) -> None:
    pose = tensors["world_from_camera"].double()
    turns = torch.cat([tensors["roots"].double(), pose[None, :3, :3]])
    is_turn = (turns.mT @ turns - torch.eye(3).double()).abs().amax() < 1e-3 and bool((torch.linalg.det(turns) > 0).all())
    if not is_turn or not torch.equal(pose[3], torch.tensor([0.0, 0, 0, 1]).double()):
        raise InputError("has an orientation that is no rotation", path=file, hint=_AGAIN)
    if not bool((tensors["unit"] > 0).all()):
        raise InputError("has a unit that is not positive", path=file, hint=_AGAIN)
    if not float(tensors["up"].norm()) > 0.5:
        raise InputError("has no direction that is up", path=file, hint=_AGAIN)


def _names(texts: Mapping[str, str], count: int, file: Path) -> tuple[str, ...]:
    try:
        names = tuple(json.loads(texts["names"]))
    except (KeyError, TypeError, ValueError):
        names = ()
    plain = all(isinstance(name, str) and name and "/" not in name and not name.startswith(".") for name in names)
    if len(names) != count or len(set(names)) != count or not plain:
        raise InputError(f"has no names of its {count} frames", path=file, hint=_AGAIN)
    return names
