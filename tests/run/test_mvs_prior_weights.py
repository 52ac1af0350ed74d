"""The weights that ship with recon, and weights of somebody else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from recon_cli.config.recipe import load_recipe
from recon_cli.core.errors import InputError
from recon_cli.io.records import read_json
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.run.mvs_prior_folders import read_training_scene
from recon_cli.run.mvs_prior_weights import read_network, shipped_weights, write_network
from recon_cli.systems.mvs.prior_config import PriorConfig, SamplingConfig
from recon_cli.systems.mvs.prior_correlation import CorrelationPrior
from recon_cli.systems.mvs.prior_learned import LearnedPrior
from recon_cli.systems.mvs.prior_measures import measured, scored_points
from tests.systems.mvs.prior_scenes import random_network

ROOT = Path(__file__).parents[2]


def test_shipped_weights_are_small_and_say_how_they_were_made():
    path = shipped_weights()
    assert path.stat().st_size < 3 * 2**20
    _, texts = read_tensors(path)
    origin = json.loads(texts["origin"])
    assert origin["seed"] == 0
    assert PriorConfig.model_validate_json(json.dumps(origin["recipe"])) == load_recipe("mvs_prior", PriorConfig)


def test_the_curve_beside_the_weights_beats_correlation():
    curve = read_json(shipped_weights().with_suffix(".json"))
    learned, correlation = curve["learned"], curve["correlation"]
    assert learned["auc"] > correlation["auc"] + 0.05
    assert learned["accuracy"] > correlation["accuracy"]
    assert all(ours > theirs for ours, theirs in zip(learned["bin_auc"], correlation["bin_auc"], strict=True))
    assert learned["bin_auc"] == sorted(learned["bin_auc"])


def test_shipped_weights_tell_the_samples_surface_from_what_lies_off_it():
    item = read_training_scene(ROOT / "sample_data" / "rig")
    network = read_network()
    config = SamplingConfig(pixels=400, most_cameras=7)
    priors = [lambda scene: LearnedPrior(scene, network), CorrelationPrior]
    learned, correlation = (measured(points, threshold=None) for points in scored_points(priors, [item], config, batches=6, seed=3))
    assert learned.auc > 0.9
    assert learned.auc > correlation.auc


def test_weights_of_a_run_folder_are_found(tmp_path):
    network = random_network()
    write_network(tmp_path / "out" / "mvs_prior.safetensors", network, {"seed": 3})
    again = read_network(tmp_path)
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in network.state_dict().items())
    with pytest.raises(InputError, match="does not exist"):
        read_network(tmp_path / "out")
    with pytest.raises(InputError, match="does not exist"):
        read_network(tmp_path / "none.safetensors")


def test_damaged_files_are_refused(tmp_path):
    path = tmp_path / "weights.safetensors"
    for data in (b"", b"not weights at all", shipped_weights().read_bytes()[:500]):
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            read_network(path)
        assert str(path) in str(caught.value)
    tensors, texts = read_tensors(shipped_weights())
    write_tensors(path, tensors | {"direct.bias": torch.full((8,), torch.nan)}, texts)
    with pytest.raises(InputError, match=r"weights\.safetensors: 'direct\.bias' has a NaN"):
        read_network(path)
    write_tensors(path, {"something": torch.zeros(3)}, {"format": "pt"})
    with pytest.raises(InputError, match="something else"):
        read_network(path)
