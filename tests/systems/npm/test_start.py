from dataclasses import replace

import pytest
import torch

from recon_cli.core.errors import InputError
from tests.systems.npm.capsule import Capsule, truth


def test_a_start_of_the_model_and_the_sequence_passes():
    truth(3).check(Capsule(), 3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shape": torch.zeros(3)}, r"shape have shape \[3\], expected \[2\]"),
        ({"poses": torch.zeros(3, 5)}, r"poses have shape \[3, 5\], expected \[3, 2\]"),
        ({"places": torch.zeros(4, 3)}, "places"),
        ({"roots": torch.full((3, 3, 3), torch.nan)}, "NaN"),
        ({"unit": 0.0}, "unit is 0"),
    ],
)
def test_another_one_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        replace(truth(3), **changes).check(Capsule(), 3)


def test_the_number_of_frames_is_that_of_the_sequence():
    assert len(truth(3)) == 3
    with pytest.raises(InputError, match=r"expected \[5, 2\]"):
        truth(3).check(Capsule(), 5)
