"""Weights of the photo-consistency network: those that ship with recon, and those of a training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.systems.mvs.prior_network import PriorNetwork, network_from, network_tensors

NAME = "mvs_prior.safetensors"


def shipped_weights() -> Path:
    """Where the weights that ship with recon lie."""
    return Path(str(files("recon_cli"))) / "weights" / NAME


def read_network(path: Path | None = None) -> PriorNetwork:
    """The network of a weights file, or with the weights that ship with recon; a run folder of a training is taken for its weights.

    Raises:
        InputError: the file is missing, damaged, or holds something else.
    """
    file = shipped_weights() if path is None else path / "out" / NAME if path.is_dir() else path
    if not file.is_file():
        raise InputError("does not exist; expected weights of the photo-consistency network", path=file, hint="check the path")
    tensors, texts = read_tensors(file)
    return network_from(tensors, texts, path=str(file))


def write_network(path: Path, network: PriorNetwork, origin: Mapping[str, Any]) -> None:
    """Write weights, and beside them how they came about."""
    tensors, texts = network_tensors(network)
    write_tensors(path, tensors, texts | {"origin": json.dumps(dict(origin), sort_keys=True)})
