"""A body model as named tensors and texts, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.skinning import Tree

KIND, VERSION = "recon-body-model", "1"
SHAPES = {
    "faces": ("F", 3),
    "vertices": ("V", 3),
    "joints": ("K", 3),
    "shape_basis": ("S", "V", 3),
    "joint_basis": ("S", "K", 3),
    "weights": ("V", "K"),
    "turns": ("T", 3),
    "turn_basis": ("J", "T", 3),
    "softness": ("V", 3),
    "soft_basis": ("M", "V", 3),
    "soft_by_pose": ("P", "M"),
}
HALF = ("shape_basis", "weights", "softness", "soft_basis")
"""The large ones; half precision holds a displacement to a two-thousandth of itself."""


def model_tensors(model: BodyModel) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All that a file needs: the large tensors in half precision, the tree and the box as text."""
    tensors = {name: getattr(model, name) for name in SHAPES}
    tensors = {name: value.half() if name in HALF else value for name, value in tensors.items()} | {"faces": model.faces.int()}
    texts = {"kind": KIND, "version": VERSION, "parents": json.dumps(model.tree.parents), "box": model.box.text()}
    return tensors, texts


def model_from(tensors: Mapping[str, Tensor], texts: Mapping[str, str], *, path: str) -> BodyModel:
    """The model of a file's tensors and texts.

    Raises:
        InputError: they are of something else, of a later version, or do not fit each other.
    """
    if texts.get("kind") != KIND:
        raise InputError(
            f"holds {texts.get('kind', 'something else')}, expected a body model", path=path, hint="give a file that recon npm wrote"
        )
    if texts.get("version") != VERSION:
        raise InputError(f"has version {texts.get('version')}, expected {VERSION}", path=path, hint="read it with the recon that wrote it")
    sizes = _sizes(tensors, path)
    parents, box = _parents(texts, sizes, path), Box.of(texts, path=path)
    if sizes["T"] != sizes["K"] - 1 or sizes["J"] > sizes["P"]:
        raise InputError("has turns that do not fit its parts", path=path, hint="copy or train it again")
    faces = tensors["faces"].long()
    if not len(faces) or int(faces.min()) < 0 or int(faces.max()) >= sizes["V"]:
        raise InputError(f"has faces beyond its {sizes['V']} vertices", path=path, hint="copy or train it again")
    return BodyModel(box=box, tree=Tree(parents), faces=faces, **{name: tensors[name].float() for name in SHAPES if name != "faces"})


def _sizes(tensors: Mapping[str, Tensor], path: str) -> dict[str, int]:
    missing = [name for name in SHAPES if name not in tensors]
    if missing:
        raise InputError(f"has no {', '.join(missing)}", path=path, hint="copy or train it again")
    sizes: dict[str, int] = {}
    for name, shape in SHAPES.items():
        value = tensors[name]
        fits = value.ndim == len(shape) and all(
            (size if isinstance(size, int) else sizes.setdefault(size, seen)) == seen for size, seen in zip(shape, value.shape, strict=True)
        )
        if not fits:
            raise InputError(
                f"has {name} of shape {list(value.shape)}, which does not fit the others", path=path, hint="copy or train it again"
            )
        if not bool(torch.isfinite(value.float()).all()):
            raise InputError(f"has a NaN or infinite number in {name}", path=path, hint="copy or train it again")
    return sizes


def _parents(texts: Mapping[str, str], sizes: Mapping[str, int], path: str) -> tuple[int, ...]:
    try:
        parents = tuple(json.loads(texts["parents"]))
    except (KeyError, TypeError, ValueError):
        parents = ()
    is_tree = len(parents) == sizes["K"] and all(
        isinstance(parent, int) and (parent == -1 if not part else 0 <= parent < part) for part, parent in enumerate(parents)
    )
    if not is_tree:
        raise InputError(f"has no tree of its {sizes['K']} parts", path=path, hint="copy or train it again")
    return parents
