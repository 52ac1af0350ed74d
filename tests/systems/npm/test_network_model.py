"""A model of networks behind the protocol of all models, and as tensors of a file."""

import json
from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.topology import check_manifold, components, edge_faces
from recon_cli.systems.npm.box import Box
from recon_cli.systems.npm.network_model import NetworkModel
from recon_cli.systems.npm.network_tensors import network_model_from, network_tensors
from recon_cli.systems.npm.networks import Form, Perceptron, flow_network, shape_network
from recon_cli.systems.npm.networks_config import FlowNetworkConfig, ShapeNetworkConfig
from recon_cli.systems.npm.parametric_model import ParametricModel

SHAPE = ShapeNetworkConfig(layers=3, width=48, skip=1, frequencies=1, code=2)
POSE = FlowNetworkConfig(layers=3, width=16, skip=2, frequencies=2, code=3)
BOX = Box(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64), 1.8)


@pytest.fixture(scope="module")
def model() -> NetworkModel:
    """The first number of a shape code is added to the radius .25 of an ellipsoid, roughly; flows are random."""
    generator = torch.Generator().manual_seed(0)
    network = shape_network(SHAPE, generator=generator)
    flows = flow_network(SHAPE.code, POSE, generator=generator)
    optimiser = torch.optim.Adam(network.parameters(), lr=5e-3)
    for _ in range(250):
        points = 1.1 * torch.rand(4, 200, 3, generator=generator) - 0.55
        codes = 0.1 * torch.rand(4, 2, generator=generator) - 0.05
        truth = (points * torch.tensor([1.0, 1.2, 0.8])).norm(dim=-1) - 0.25 - codes[:, :1]
        loss = (network.perceptron()(points, codes)[..., 0] - truth).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return NetworkModel(BOX, frozen(network), frozen(flows), resolution=40, reach=0.55)


def frozen(network) -> Perceptron:
    found = network.perceptron()
    return Perceptron(found.form, *(tuple(part.detach() for part in parts) for parts in (found.weights, found.biases)))


def code(*values):
    return torch.tensor(values)


def test_it_is_a_parametric_model(model):
    same: ParametricModel = model
    assert (same.shape_size, same.pose_size) == (2, 3)
    assert same.pivot(code(0.01, 0.0)).tolist() == [0.0, 0.0, 0.0]
    assert same.box is BOX


def test_the_surface_is_closed_in_one_piece_and_where_the_distance_is_zero(model):
    surface = model.surface(code(0.01, 0.0))
    check_manifold(surface)
    assert not bool(edge_faces(surface.faces).is_boundary.any())
    assert int(components(surface.faces, len(surface.vertices)).max()) == 0
    assert float(model.distance(code(0.01, 0.0), surface.vertices).abs().max()) < 1e-3
    assert surface.vertices.dtype == torch.float32
    larger = model.surface(code(0.04, 0.0))
    assert float(larger.vertices.norm(dim=1).mean()) > float(surface.vertices.norm(dim=1).mean()) + 0.015


def test_a_code_without_a_surface_is_told(model):
    outside = replace(model.distances, biases=(*model.distances.biases[:-1], torch.ones(1)))
    with pytest.raises(InputError, match="no surface"):
        replace(model, distances=outside).surface(code(0.0, 0.0))


def test_distance_and_flow_are_differentiable(model):
    generator = torch.Generator().manual_seed(1)
    shape, pose = code(0.01, 0.02).requires_grad_(), torch.randn(2, 3, generator=generator).requires_grad_()
    points = (torch.rand(2, 6, 3, generator=generator) - 0.5).requires_grad_()
    flow = model.flow(shape, pose, points)
    assert flow.shape == (2, 6, 3)
    torch.testing.assert_close(flow[1:], model.flow(shape, pose[1:], points[1:]))
    assert model.distance(shape, points[0]).shape == (6,)
    total = flow.square().sum() + model.distance(shape, points[0]).square().sum()
    assert all(float(part.abs().sum()) > 0 for part in torch.autograd.grad(total, (shape, pose, points)))


def test_derivatives_over_many_codes_at_once_are_those_one_by_one(model):
    points = torch.rand(4, 5, 3, generator=torch.Generator().manual_seed(2)) - 0.5
    poses = torch.randn(4, 3, generator=torch.Generator().manual_seed(3))

    def flow(pose, own):
        return model.flow(code(0.01, 0.0), pose[None], own[None])[0]

    jacobian = torch.func.jacrev(flow)
    together = torch.func.vmap(jacobian)(poses, points)
    alone = torch.stack([jacobian(pose, own) for pose, own in zip(poses, points)])
    torch.testing.assert_close(together, alone)


def test_a_model_comes_back_from_its_tensors(model):
    tensors, texts = network_tensors(model)
    back = network_model_from(tensors, texts, path="model")
    assert (back.distances.form, back.flows.form) == (model.distances.form, model.flows.form)
    assert (back.resolution, back.reach, back.box.side, back.box.middle.tolist()) == (40, 0.55, 1.8, [1.0, 2.0, 3.0])
    points = torch.rand(1, 9, 3) - 0.5
    assert torch.equal(back.distance(code(0.01, 0.0), points[0]), model.distance(code(0.01, 0.0), points[0]))
    pose = torch.ones(1, 3)
    assert torch.equal(back.flow(code(0.01, 0.0), pose, points), model.flow(code(0.01, 0.0), pose, points))


def form(**changes):
    both = {"code": 2, "frequencies": 1, "skip": 1, "is_bounded": True}
    return json.dumps({"distances": both | changes, "flows": {"code": 5, "frequencies": 2, "skip": 2, "is_bounded": False}})


@pytest.mark.parametrize(
    ("name", "change", "word"),
    [
        ("kind", "recon-body-model", "holds recon-body-model, expected a model of networks"),
        ("version", "7", "version 7"),
        ("forms", "{}", "form"),
        ("forms", form(frequencies=40), "form"),
        ("forms", form(code=3), "layer 0 of distances"),
        ("forms", form(skip=3), "layers of distances"),
        ("grid", "[]", "form"),
        ("grid", '{"resolution": 40, "reach": -1}', "cells up to -1"),
        ("box", "{}", "box"),
        ("box", '{"middle": [0, 0, 0], "side": 0}', "side 0"),
        ("flows.3.weight", lambda value: value[:2], "layer 3 of flows"),
        ("flows.1.bias", lambda value: value * torch.nan, "NaN"),
        ("distances.1.weight", lambda value: value[:, :-1], "layer 1 of distances"),
        ("distances.2.bias", None, "lacks layer 2 of distances"),
        ("flows.0.weight", None, "layers of flows"),
    ],
)
def test_what_is_no_model_is_told(model, name, change, word):
    tensors, texts = network_tensors(model)
    if change is None:
        del tensors[name]
    elif callable(change):
        tensors[name] = change(tensors[name])
    else:
        texts[name] = change
    with pytest.raises(InputError, match=word):
        network_model_from(tensors, texts, path="file.safetensors")


def test_a_pose_code_there_must_be(model):
    tensors, texts = network_tensors(replace(model, flows=Perceptron(Form(2, 2, 2, False), *no_pose(model.flows))))
    with pytest.raises(InputError, match="no pose code"):
        network_model_from(tensors, texts, path="file.safetensors")


def no_pose(network: Perceptron):
    weights = [weight[:, :-3] if layer in (0, network.form.skip) else weight for layer, weight in enumerate(network.weights)]
    return tuple(weights), network.biases
