"""Files of parametric models: the one that ships with recon, and those of trainings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any

from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.systems.npm import network_tensors
from recon_cli.systems.npm.body_model import BodyModel
from recon_cli.systems.npm.model_tensors import model_from, model_tensors
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.parametric_model import ParametricModel

NAME = "npm_model.safetensors"
SHIPPED = "npm_people.safetensors"
TRAINING, STARTS = "training.", "starts."


@dataclass(frozen=True)
class ModelFile:
    """All that a model's file holds.

    Attributes:
        model: the spaces.
        digest: identifies the model, and codes as its own.
        training: codes of the training bodies, by name.
        starts: what fits may begin from, by name.
        texts: what the file says of itself.
        path: of the file.
    """

    model: ParametricModel
    digest: str
    training: Mapping[str, Tensor] = field(default_factory=dict)
    starts: Mapping[str, Tensor] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    path: Path = Path(NAME)


def shipped_model() -> Path:
    """Where the model that ships with recon lies."""
    return Path(str(files("recon_cli"))) / "weights" / SHIPPED


def read_model(path: Path | None = None) -> ParametricModel:
    """The model of ``read_model_file``."""
    return read_model_file(path).model


def read_model_file(path: Path | None = None) -> ModelFile:
    """A model and what its file holds beside it; without a path, the model that ships with recon.

    Args:
        path: a file, or a run folder of a training, whose model is taken.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    file = model_path(path)
    if not file.is_file():
        raise InputError(
            "does not exist; expected a model that recon npm train has written", path=file, hint="check the path, or train a model"
        )
    tensors, texts = read_tensors(file)
    groups = {prefix: _group(tensors, prefix) for prefix in (TRAINING, STARTS)}
    own = {name: value for name, value in tensors.items() if not name.startswith((TRAINING, STARTS))}
    model = _model_from(own, texts, str(file))
    return ModelFile(model, model_digest(model), groups[TRAINING], groups[STARTS], texts, file)


def model_path(path: Path | None = None) -> Path:
    """The file that ``path`` means: itself, that of a run folder, or the one that ships with recon."""
    return shipped_model() if path is None else path / "out" / NAME if path.is_dir() else path


def write_model(
    path: Path,
    model: ParametricModel,
    *,
    training: Mapping[str, Tensor] | None = None,
    starts: Mapping[str, Tensor] | None = None,
    origin: Mapping[str, Any] | None = None,
) -> None:
    """Write a model of either kind, and beside it codes of its training, starts for fits, and how it came about."""
    tensors, texts = _tensors_of(model)
    beside = {TRAINING + name: value for name, value in (training or {}).items()}
    beside |= {STARTS + name: value for name, value in (starts or {}).items()}
    texts = texts | ({"origin": json.dumps(dict(origin), sort_keys=True)} if origin is not None else {})
    write_tensors(path, tensors | beside, texts)


def model_digest(model: ParametricModel) -> str:
    """SHA-256 of a model as its file holds it; what else lies in the file does not matter."""
    tensors, texts = _tensors_of(model)
    total = hashlib.sha256(json.dumps(dict(sorted(texts.items()))).encode())
    for name in sorted(tensors):
        value = tensors[name].detach().cpu().contiguous()
        total.update(f"{name} {value.dtype} {list(value.shape)}\0".encode() + value.numpy().tobytes())
    return total.hexdigest()


def _group(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _model_from(tensors: Mapping[str, Tensor], texts: Mapping[str, str], path: str) -> ParametricModel:
    if texts.get("kind") == network_tensors.KIND:
        return network_tensors.network_model_from(tensors, texts, path=path)
    return model_from(tensors, texts, path=path)


def _tensors_of(model: ParametricModel) -> tuple[dict[str, Tensor], dict[str, str]]:
    if isinstance(model, NetworkModel):
        return network_tensors.network_tensors(model)
    if isinstance(model, BodyModel):
        return model_tensors(model)
    raise TypeError(f"{type(model).__name__} has no file format")
