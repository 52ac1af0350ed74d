from __future__ import annotations

import json
import subprocess
import sys
from contextlib import suppress

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recon_cli.core.errors import InputError
from recon_cli.io.weights import read_tensors, write_tensors


def tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(4, 3, generator=generator)
    return {
        "double": torch.tensor([0.1, float("nan"), float("inf"), -0.0], dtype=torch.float64),
        "turned": values.T,
        "shared": values[1:],
        "half": values.half(),
        "brain": values.bfloat16(),
        "index": torch.tensor([[2**62, -1]]),
        "flag": torch.tensor([True, False]),
        "scalar": torch.tensor(3.5),
        "nothing": torch.zeros(0, 3),
    }


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def test_every_type_and_shape_comes_back_bit_for_bit(tmp_path):
    write_tensors(tmp_path / "a.safetensors", tensors(), {"unit": "N·m", "step": "3"})
    read, metadata = read_tensors(tmp_path / "a.safetensors")
    assert metadata == {"step": "3", "unit": "N·m"}
    assert set(read) == set(tensors())
    for name, expected in tensors().items():
        assert (read[name].dtype, read[name].shape) == (expected.dtype, expected.shape)
        assert bits(read[name]) == bits(expected)
    read["scalar"].fill_(1.0)
    assert float(read_tensors(tmp_path / "a.safetensors")[0]["scalar"]) == 3.5


def test_gradients_do_not_stop_writing(tmp_path):
    write_tensors(tmp_path / "a.safetensors", {"w": torch.ones(2, requires_grad=True)})
    assert read_tensors(tmp_path / "a.safetensors")[1] == {}


def test_another_reader_agrees(tmp_path):
    from safetensors import safe_open

    write_tensors(tmp_path / "a.safetensors", tensors(), {"a": "ü", "b": "2"})
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata() == {"a": "ü", "b": "2"}
        assert torch.equal(file.get_tensor("turned"), tensors()["turned"])
        assert file.get_tensor("nothing").shape == (0, 3)


def test_the_same_content_is_the_same_bytes_in_every_process(tmp_path):
    metadata = {name: name for name in "zyxwvutsrq"}
    write_tensors(tmp_path / "a.safetensors", {"b": torch.ones(3), "a": torch.zeros(2)}, metadata)
    program = (
        "import sys, json, torch; from recon_cli.io.weights import write_tensors;"
        "write_tensors(sys.argv[1], {'a': torch.zeros(2), 'b': torch.ones(3)}, dict(reversed(json.loads(sys.argv[2]).items())))"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "b.safetensors"), json.dumps(metadata)], check=True)
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_files_that_are_no_tensors(tmp_path):
    write_tensors(tmp_path / "a.safetensors", tensors())
    data = (tmp_path / "a.safetensors").read_bytes()
    for name, content in {"cut": data[:-1], "short": data[:5], "long": b"\xff" * 8 + data[8:], "text": b"hello world"}.items():
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(content)
        with pytest.raises(InputError, match="safetensors") as caught:
            read_tensors(path)
        assert caught.value.hint
    with pytest.raises(InputError, match="does not exist"):
        read_tensors(tmp_path / "none.safetensors")


@settings(max_examples=100, deadline=None)
@given(edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=4), cut=st.none() | st.integers(0, 10_000))
def test_damaged_files_raise_input_errors_or_read(tmp_path_factory, edits, cut):
    path = tmp_path_factory.mktemp("fuzz") / "a.safetensors"
    write_tensors(path, tensors(), {"unit": "N"})
    data = bytearray(path.read_bytes())
    for place, value in edits:
        data[place % len(data)] = value
    path.write_bytes(data if cut is None else data[: cut % len(data)])
    with suppress(InputError):
        read_tensors(path)
