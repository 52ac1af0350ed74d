"""Files of parametric models and what lies beside the model in them."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.run.npm_model_file import NAME, model_digest, read_model, read_model_file, shipped_model, write_model
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.networks import flow_network, shape_network
from recon_cli.systems.npm.networks_config import FlowNetworkConfig, ShapeNetworkConfig
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def tubes():
    return soft_tubes(dtype=torch.float32)


def test_a_run_folder_gives_its_model_and_what_lies_beside_it(tubes, tmp_path):
    model, shapes, poses = tubes
    starts = {"depth": torch.zeros(3, 2, dtype=torch.uint8)}
    file = tmp_path / "out" / NAME
    write_model(file, model, training={"shapes": shapes, "poses": poses}, starts=starts, origin={"seed": 3})
    found = read_model_file(tmp_path)
    assert (found.path, sorted(found.training), sorted(found.starts)) == (file, ["poses", "shapes"], ["depth"])
    assert torch.equal(found.training["shapes"], shapes)
    assert found.starts["depth"].dtype == torch.uint8
    assert found.texts["origin"] == '{"seed": 3}'
    assert found.model.pose_size == model.pose_size
    points = model.surface(shapes[0]).vertices[None]
    before, after = (each.flow(shapes[0], poses[:1], points) for each in (model, read_model(file)))
    assert (before - after).abs().max() < 1e-3


def test_models_of_networks_come_back_too(tmp_path):
    """Random weights: what they say does not matter."""
    generator = torch.Generator().manual_seed(0)
    shape = shape_network(ShapeNetworkConfig(layers=2, width=8, skip=1, frequencies=1, code=2), generator=generator).perceptron()
    flow = flow_network(2, FlowNetworkConfig(layers=2, width=8, skip=1, frequencies=1, code=3), generator=generator).perceptron()
    box = Box(torch.zeros(3, dtype=torch.float64), 1.5)
    model = NetworkModel(box, shape, flow, resolution=16, reach=0.5)
    write_model(tmp_path / NAME, model, training={"poses": torch.ones(4, 3)})
    found = read_model_file(tmp_path / NAME)
    code, points = torch.tensor([0.3, -0.2]), torch.rand(20, 3, generator=generator)
    assert torch.equal(found.model.distance(code, points), model.distance(code, points))
    assert (found.digest, found.training["poses"].shape) == (model_digest(model), (4, 3))
    assert found.digest != model_digest(replace(model, resolution=17))


def test_the_digest_is_the_models_own(tubes, tmp_path):
    model, shapes, _ = tubes
    digest = model_digest(model)
    write_model(tmp_path / "a", model)
    write_model(tmp_path / "b", model, training={"shapes": shapes}, origin={"seed": 1})
    for name in ("a", "b"):
        assert read_model_file(tmp_path / name).digest == digest
    changed = model.turns.clone()
    changed[0, 0] += 1e-6
    assert model_digest(replace(model, turns=changed)) != digest
    assert model_digest(replace(model, box=replace(model.box, side=1.1))) != digest
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()


def test_missing_and_damaged_files_are_named(tubes, tmp_path):
    for missing in (tmp_path / "none.safetensors", tmp_path):
        with pytest.raises(InputError, match="does not exist; expected a model"):
            read_model(missing)
    file = tmp_path / NAME
    write_model(file, tubes[0])
    tensors, texts = read_tensors(file)
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(InputError, match=NAME):
        read_model(file)
    write_tensors(file, tensors | {"weights": tensors["weights"] * torch.nan}, texts)
    with pytest.raises(InputError, match="NaN or infinite number in weights"):
        read_model(file)
    write_tensors(file, tensors, {"kind": "recon-mvs-prior"})
    with pytest.raises(InputError, match="recon-mvs-prior, expected a body model"):
        read_model(file)


@pytest.mark.skipif(not shipped_model().is_file(), reason="no model ships yet")
def test_the_shipped_model_is_small():
    assert shipped_model().stat().st_size < 5 * 2**20
    assert read_model_file().model.shape_size > 1
