from __future__ import annotations

import pytest
import torch

from recon_cli.core.errors import NumericsError
from recon_cli.run.checkpoints import KEPT, Checkpoints


def test_the_newest_state_comes_back_bit_for_bit(tmp_path):
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    assert checkpoints.latest() is None
    for frame in range(5):
        positions = torch.rand(7, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(frame))
        checkpoints.save({"positions": positions.requires_grad_(), "order": torch.arange(4).flip(0)[::2]}, {"frame": frame, "loss": 0.1})
    state = checkpoints.latest()
    assert state is not None
    tensors, numbers = state
    assert torch.equal(tensors["positions"], positions)
    assert tensors["positions"].dtype == torch.float64
    assert tensors["order"].tolist() == [3, 1]
    assert numbers == {"frame": 4, "loss": 0.1}
    assert len(list(checkpoints.folder.iterdir())) == KEPT


def test_a_torn_file_leaves_the_one_before(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"x": torch.zeros(1)}, {"frame": 1})
    torn = checkpoints.save({"x": torch.ones(1)}, {"frame": 2})
    torn.write_bytes(torn.read_bytes()[:-2])
    state = checkpoints.latest()
    assert state is not None
    assert state[1] == {"frame": 1}
    again = checkpoints.save({"x": torch.ones(1)}, {"frame": 3})
    assert again.name > torn.name


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_diverged_state_is_refused_and_the_last_good_one_kept(tmp_path, bad):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"x": torch.zeros(3)}, {"frame": 1})
    with pytest.raises(NumericsError, match="'x'"):
        checkpoints.save({"x": torch.tensor([0.0, bad])}, {"frame": 2})
    state = checkpoints.latest()
    assert state is not None
    assert state[1] == {"frame": 1}


def test_other_files_in_the_folder_are_left_alone(tmp_path):
    (tmp_path / "best.safetensors").write_text("mine")
    checkpoints = Checkpoints(tmp_path)
    checkpoints.save({"x": torch.zeros(1)}, {})
    checkpoints.clear()
    assert checkpoints.latest() is None
    assert [path.name for path in tmp_path.iterdir()] == ["best.safetensors"]
