"""Files of codes: whole, of this model, or refused."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors
from recon_cli.run.npm_codes import NAME, read_codes, write_codes
from recon_cli.run.npm_model_file import model_digest
from recon_cli.systems.npm.codes import Codes
from recon_cli.systems.npm.skinning import rotation
from tests.systems.npm.tube_model import soft_tubes


@pytest.fixture(scope="module")
def model():
    return soft_tubes(dtype=torch.float32)[0]


def codes_of(model, frames: int = 3) -> Codes:
    generator = torch.Generator().manual_seed(7)
    world = torch.eye(4, dtype=torch.float64)
    world[:3, :3] = rotation(torch.tensor([3.0, 0.2, 0.1], dtype=torch.float64))
    world[:3, 3] = torch.tensor([1.0, 2.0, 3.0])
    return Codes(
        shape=torch.randn(model.shape_size, generator=generator),
        poses=torch.randn(frames, model.pose_size, generator=generator),
        roots=rotation(torch.randn(frames, 3, generator=generator)),
        places=torch.randn(frames, 3, generator=generator),
        unit=torch.tensor(1.8, dtype=torch.float64),
        up=torch.tensor([0.0, -1.0, 0.0]),
        world_from_camera=world,
        names=tuple(f"{k:06d}" for k in range(frames)),
    )


@pytest.mark.parametrize("place", ["out/codes.safetensors", "codes.safetensors"])
def test_codes_come_back_from_their_folder(model, tmp_path, place):
    digest, codes = model_digest(model), codes_of(model)
    write_codes(tmp_path / place, codes, digest)
    for path in (tmp_path, tmp_path / place):
        found = read_codes(path, model, digest)
        assert found.names == codes.names
        for name in ("shape", "poses", "roots", "places", "unit", "up", "world_from_camera"):
            assert torch.equal(getattr(found, name), getattr(codes, name)), name


def test_every_frame_may_have_a_shape_and_a_size_of_its_own(model, tmp_path):
    codes = codes_of(model)
    many = replace(codes, shape=codes.shape * torch.arange(3.0)[:, None], unit=torch.tensor([1.0, 2.0, 3.0]))
    write_codes(tmp_path / NAME, many, "a")
    found = read_codes(tmp_path, model, "a")
    assert torch.equal(found.shape_of(2), 2 * codes.shape)
    assert float(found.unit_of(1)) == 2


def test_codes_of_another_model_are_refused_and_both_are_named(model, tmp_path):
    write_codes(tmp_path / NAME, codes_of(model), "a" * 64)
    with pytest.raises(InputError, match=r"codes\.safetensors: holds codes of another model: of aaaaaaaaaaaa.*the model is bbbbbbbbbbbb"):
        read_codes(tmp_path, model, "b" * 64)
    codes = codes_of(model)
    write_codes(tmp_path / NAME, replace(codes, shape=torch.zeros(9)), "a" * 64)
    with pytest.raises(InputError, match=f"with 9 numbers of shape .* with {model.shape_size} numbers of shape"):
        read_codes(tmp_path, model, "a" * 64)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("poses", lambda value: value * torch.nan, "NaN or infinite number in poses"),
        ("poses", lambda value: value[:2], "does not fit"),
        ("poses", lambda value: value[:0], "does not fit"),
        ("shape", lambda value: value[None, None], r"shape of shape \[1, 1, \d+\], which does not fit"),
        ("roots", lambda value: 2 * value, "no rotation"),
        ("roots", lambda value: -value, "no rotation"),
        ("world_from_camera", lambda value: value + 1, "no rotation"),
        ("unit", lambda value: -value, "unit that is not positive"),
        ("up", lambda value: 0 * value, "no direction that is up"),
        ("places", None, "has no places"),
        ("names", ["a", "b"], "no names of its 3 frames"),
        ("names", ["a", "a", "b"], "no names of its 3 frames"),
        ("names", ["a", "../b", "c"], "no names of its 3 frames"),
        ("names", 3, "no names of its 3 frames"),
        ("kind", "recon-body-model", "recon-body-model, expected codes"),
        ("version", "2", "version 2, expected 1"),
    ],
)
def test_what_is_damaged_is_told(model, tmp_path, name, change, words):
    write_codes(tmp_path / NAME, codes_of(model), "a")
    tensors, texts = read_tensors(tmp_path / NAME)
    if change is None:
        del tensors[name]
    elif callable(change):
        tensors[name] = change(tensors[name])  # pyright: ignore[reportArgumentType]
    else:
        texts[name] = change if name in ("kind", "version") else json.dumps(change)
    write_tensors(tmp_path / NAME, tensors, texts)
    with pytest.raises(InputError, match=words):
        read_codes(tmp_path, model, "a")


def test_missing_and_cut_files_are_told(model, tmp_path):
    with pytest.raises(InputError, match="does not exist; expected codes that recon npm fit has written"):
        read_codes(tmp_path, model, "a")
    write_codes(tmp_path / NAME, codes_of(model), "a")
    (tmp_path / NAME).write_bytes((tmp_path / NAME).read_bytes()[:200])
    with pytest.raises(InputError, match="safetensors"):
        read_codes(tmp_path, model, "a")
