import numpy as np
import pytest
import torch

from recon_cli.core.errors import UsageError
from recon_cli.systems.npm.floor import Plane
from recon_cli.systems.npm.up_axis import given_up, up_direction
from tests.systems.npm.room import Camera


def test_axes_of_the_world_are_turned_into_the_cameras():
    pose = torch.from_numpy(Camera(down=30.0).camera_from_world)
    up = given_up("+y", pose)
    assert up is not None
    assert up.tolist() == pytest.approx([0.0, -np.cos(np.pi / 6), -np.sin(np.pi / 6)])
    down = given_up("-y", pose)
    assert down is not None
    assert down.tolist() == (-up).tolist()
    assert given_up("camera", pose).tolist() == [0.0, -1.0, 0.0]


def test_what_is_given_comes_before_the_floor():
    floor = Plane(np.array([0.0, -1.0, 0.0]), 1.0, 0.01)
    given = torch.tensor([1.0, 0.0, 0.0])
    assert up_direction(given, floor) is given
    assert up_direction(None, floor).tolist() == [0.0, -1.0, 0.0]
    assert up_direction(None, None) is None
    assert given_up("auto", torch.eye(4)) is None


def test_an_unknown_axis_is_refused():
    with pytest.raises(UsageError, match=r"upward.*\+y"):
        given_up("y", torch.eye(4))
