import numpy as np
import pytest
import torch

from recon_cli.io.images import read_frame
from recon_cli.io.video import open_video
from recon_cli.run.npm_inputs import FitSources, load_frames
from recon_cli.run.npm_outputs import FittedBody, Reach
from recon_cli.run.npm_overlay import OverlayDrawer, draw_overlays
from recon_cli.run.pictures import MASK_COLOR, SURFACE_COLOR
from tests.run.fitted_tubes import moved, tube_sequence


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tube_sequence(tmp_path_factory.mktemp("tubes"), doubtful=(2,))


@pytest.fixture(scope="module")
def frames(made):
    return load_frames(FitSources(made.depth), 1.0)


def drawn(made, frames, by):
    """The three panels of frame 0 with the surface moved."""
    body = FittedBody(made.truth.model, moved(made.truth.fitted, torch.tensor(by)))
    bounds = torch.as_tensor(frames.bounds)
    reach = Reach(bounds[0], bounds[1], torch.ones(3))
    drawer = OverlayDrawer(body.faces, frames.camera, body.fitted.up, body.fitted.unit, reach)
    _, vertices = next(body.posed([0]))
    picture = drawer.draw(vertices, frames.depth(0), "000")
    assert picture.shape[1::-1] == drawer.size
    return np.split(picture[:, : 3 * drawer.window.width + 8], [drawer.window.width + 4, 2 * (drawer.window.width + 4)], axis=1)


def share(panel, color, slack=0):
    return float((np.abs(panel.astype(int) - np.array(color)).max(axis=-1) <= slack).mean())


def strong(panel):
    """How many pixels are clearly blue, and how many clearly red."""
    red, green, blue = panel[60:].astype(int).transpose(2, 0, 1)
    return int((blue - green > 60).sum()), int((red - green > 60).sum())


def test_a_surface_on_the_depth_is_pale_behind_it_blue_before_it_red(made, frames):
    on, behind, before = (strong(drawn(made, frames, [0.0, 0.0, z])[1]) for z in (0.0, 0.05, -0.05))
    assert behind[0] > 1000
    assert behind[1] == 0
    assert before[1] > 1000
    assert before[0] == 0
    assert sum(on) < 0.1 * behind[0]


def test_depth_beside_the_surface_is_turquoise_and_the_outline_amber(made, frames):
    dark = [round(0.6 * level) for level in MASK_COLOR]
    on, beside = (drawn(made, frames, [x, 0.0, 0.0]) for x in (0.0, 0.1))
    assert share(on[1], dark, 1) < 0.02
    assert share(beside[1], dark, 1) > 3 * max(share(on[1], dark, 1), 0.01)
    assert share(on[0], SURFACE_COLOR) > 0.002


def test_the_depth_lies_on_the_left_of_the_surface_from_the_side(made, frames):
    """The camera is on the left; what it sees is the left side of the body."""
    panel = drawn(made, frames, [0.0, 0.0, 0.0])[2][60:]
    columns = np.arange(panel.shape[1])[None].repeat(len(panel), 0)
    dots = np.abs(panel.astype(int) - np.array(MASK_COLOR)).max(axis=-1) == 0
    clay = (panel.min(axis=-1) > 40) & ~dots
    assert dots.sum() > 50
    assert columns[dots].mean() < columns[clay].mean() - 2


def test_every_frame_has_a_picture_and_a_place_in_the_film(made, frames, tmp_path):
    bounds = torch.as_tensor(frames.bounds)
    told = []
    kept = draw_overlays(
        made.truth, frames, tmp_path, Reach(bounds[0], bounds[1], torch.ones(3)), shown={1, 3}, progress=lambda *done: told.append(done)
    )
    assert sorted(kept) == [1, 3]
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [path.name for path in sorted((tmp_path / "overlay").iterdir())] == [f"{name}.png" for name in frames.names]
    assert np.array_equal(read_frame(tmp_path / "overlay" / "001.png").numpy(), kept[1])
    assert len(open_video(tmp_path / "overlay.mp4")) == 4
