"""A network model as named tensors and texts, and back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor

from recon_cli.core.errors import InputError
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.networks import Form, Perceptron

KIND, VERSION = "recon-network-model", "1"
NETWORKS = {"distances": 1, "flows": 3}
"""The networks and the numbers that they say."""
AGAIN = "copy or train it again"


def network_tensors(model: NetworkModel) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All that a file needs: weights and biases of every layer; forms, box and grid as text."""
    tensors, forms = {}, {}
    for name in NETWORKS:
        network: Perceptron = getattr(model, name)
        forms[name] = asdict(network.form)
        for layer, (weight, bias) in enumerate(zip(network.weights, network.biases, strict=True)):
            tensors[f"{name}.{layer}.weight"], tensors[f"{name}.{layer}.bias"] = weight, bias
    grid = {"resolution": model.resolution, "reach": model.reach}
    texts = {"box": model.box.text(), "forms": json.dumps(forms), "grid": json.dumps(grid)}
    return tensors, {"kind": KIND, "version": VERSION} | texts


def network_model_from(tensors: Mapping[str, Tensor], texts: Mapping[str, str], *, path: str) -> NetworkModel:
    """The model of a file's tensors and texts.

    Raises:
        InputError: they are of something else, of a later version, or do not fit each other.
    """
    if texts.get("kind") != KIND:
        seen = texts.get("kind", "something else")
        raise InputError(f"holds {seen}, expected a model of networks", path=path, hint="give a file that recon npm wrote")
    if texts.get("version") != VERSION:
        raise InputError(f"has version {texts.get('version')}, expected {VERSION}", path=path, hint="read it with the recon that wrote it")
    try:
        forms, grid = json.loads(texts["forms"]), json.loads(texts["grid"])
        networks = {name: _network(name, _form(forms[name]), tensors, path) for name in NETWORKS}
        resolution, reach = int(grid["resolution"]), float(grid["reach"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError("does not say what form its networks have", path=path, hint=AGAIN) from error
    if not 1 <= resolution <= 1 << 14 or not 0 < reach < math.inf:
        raise InputError(f"looks for surfaces in {resolution} cells up to {reach}, expected positive numbers", path=path, hint=AGAIN)
    if networks["flows"].form.code <= networks["distances"].form.code:
        raise InputError("has no pose code beside its shape code", path=path, hint=AGAIN)
    return NetworkModel(Box.of(texts, path=path), networks["distances"], networks["flows"], resolution, reach)


def _form(values: Any) -> Form:
    """The form that a text names.

    Raises:
        KeyError, TypeError, ValueError: it names none.
    """
    form = Form(int(values["code"]), int(values["frequencies"]), int(values["skip"]), bool(values["is_bounded"]))
    if form.code < 1 or not 0 <= form.frequencies <= 16 or form.skip < 1:
        raise ValueError(form)
    return form


def _network(name: str, form: Form, tensors: Mapping[str, Tensor], path: str) -> Perceptron:
    count = sum(key.startswith(f"{name}.") and key.endswith(".weight") for key in tensors)
    if count < 3 or form.skip >= count - 1:
        raise InputError(f"has {count} layers of {name}, expected more than {form.skip + 1}", path=path, hint=AGAIN)
    weights, biases = [], []
    width = 0
    for layer in range(count):
        weight, bias = tensors.get(f"{name}.{layer}.weight"), tensors.get(f"{name}.{layer}.bias")
        if weight is None or bias is None:
            raise InputError(f"lacks layer {layer} of {name}", path=path, hint=AGAIN)
        outputs = len(bias) if layer < count - 1 and bias.ndim == 1 else NETWORKS[name]
        expected = (outputs, form.inputs(layer, width))
        if tuple(weight.shape) != expected or tuple(bias.shape) != (outputs,):
            seen = f"weights of {list(weight.shape)} and biases of {list(bias.shape)}"
            raise InputError(f"has {seen} in layer {layer} of {name}, expected {list(expected)} and {[outputs]}", path=path, hint=AGAIN)
        if not bool(torch.isfinite(weight).all() and torch.isfinite(bias).all()):
            raise InputError(f"has a NaN or infinite number in layer {layer} of {name}", path=path, hint=AGAIN)
        weights.append(weight.float())
        biases.append(bias.float())
        width = outputs
    return Perceptron(form, tuple(weights), tuple(biases))
