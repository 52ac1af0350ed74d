from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor

from recon_cli.core.cameras import Cameras
from recon_cli.core.mesh import Mesh
from recon_cli.io.exr import read_depth
from recon_cli.io.video import open_video
from recon_cli.run.sft_film import FilmOptions, mean_difference, shoot, window_around
from recon_cli.systems.sft.balance import Physics
from recon_cli.systems.sft.materials import published
from recon_cli.systems.sft.result import SftInputs, SftResult, TemplateCheck

WIDTH, HEIGHT = 120, 90


@dataclass(frozen=True)
class Stack:
    """Frames in memory."""

    frames: Tensor

    @property
    def width(self) -> int:
        return self.frames.shape[2]

    @property
    def height(self) -> int:
        return self.frames.shape[1]

    def __len__(self) -> int:
        return len(self.frames)

    def __getitem__(self, index: int) -> Tensor:
        return self.frames[index]


def square_clip(count: int = 3, shift: int = 0) -> tuple[SftInputs, SftResult]:
    """A red square of 40 x 40 px at depth 2 m that stands still, and a clip that shows it ``shift`` px to the right."""
    camera = Cameras.pinhole(width=WIDTH, height=HEIGHT, fx=100, fy=100, cx=WIDTH / 2, cy=HEIGHT / 2)
    corners = torch.tensor([[-0.4, -0.4, 2.0], [0.4, -0.4, 2.0], [0.4, 0.4, 2.0], [-0.4, 0.4, 2.0]], dtype=torch.float64)
    faces = torch.tensor([[0, 2, 1], [0, 3, 2]])
    template = Mesh(corners, faces, colors=torch.tensor([[0.8, 0.2, 0.2]]).repeat(4, 1).double())
    frames = torch.zeros(count, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    frames[:, 25:65, 40 + shift : 80 + shift] = torch.tensor([204, 51, 51], dtype=torch.uint8)
    masks = (frames[..., 0] > 0).to(torch.uint8) * 255
    result = SftResult(
        positions=corners.repeat(count, 1, 1),
        template=template,
        camera=camera,
        fps=25.0,
        steps_per_frame=1,
        forces=torch.zeros(count - 1, 4, 3, dtype=torch.float64),
        material=published(),
        wind=torch.zeros(3, dtype=torch.float64),
        physics=Physics(),
        curves={},
        check=TemplateCheck(1.0, None, None, False),
    )
    return SftInputs(Stack(frames), Stack(masks), template, camera, 25.0), result


@pytest.mark.parametrize("shift", [0, 10])
def test_overlap_and_difference_are_what_geometry_says(tmp_path, shift):
    inputs, result = square_clip(shift=shift)
    film = shoot(inputs, result, tmp_path, FilmOptions(), progress=lambda done, total: None)
    common = (40 - shift) / (40 + shift)
    assert film.overlap == pytest.approx([common] * 3)
    assert film.difference == pytest.approx([0.0] * 3, abs=0.02)
    assert film.depth_range == pytest.approx((2.0, 2.0))


def test_depth_files_hold_the_depth_and_can_be_left_out(tmp_path):
    inputs, result = square_clip()
    shoot(inputs, result, tmp_path / "with", FilmOptions(), progress=lambda done, total: None)
    depth = read_depth(tmp_path / "with" / "depth" / "000002.exr")
    assert int((depth > 0).sum()) == 1600
    assert torch.equal(depth[25:65, 40:80], torch.full((40, 40), 2.0))
    shoot(inputs, result, tmp_path / "without", FilmOptions(has_depth=False), progress=lambda done, total: None)
    assert not (tmp_path / "without" / "depth").exists()


def test_film_has_three_panels_a_frame_and_progress_is_told(tmp_path):
    inputs, result = square_clip(count=5)
    told = []
    film = shoot(inputs, result, tmp_path, FilmOptions(), progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 5) for k in range(1, 6)]
    video = open_video(tmp_path / "overlay.mp4")
    assert len(video) == 5
    panel = (video.width - 8) // 3
    assert video.width == 3 * panel + 8
    middle = video[0][video.height * 3 // 4]
    assert (middle[panel // 2].float() - middle[panel + 4 + panel // 2].float()).abs().max() < 12
    assert len(film.shown) == len(film.shown_depth) == 3


def test_threads_change_nothing(tmp_path):
    inputs, result = square_clip(count=6)
    for workers in (1, 3):
        shoot(inputs, result, tmp_path / str(workers), FilmOptions(workers=workers), progress=lambda done, total: None)
    names = [path.relative_to(tmp_path / "1") for path in (tmp_path / "1").rglob("*") if path.is_file()]
    assert len(names) == 13
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "3" / name).read_bytes(), name


def test_window_holds_all_points_inside_the_image_with_even_shown_sides():
    points = torch.tensor([[10.0, 20.0], [90.5, 60.0], [500.0, 30.0]], dtype=torch.float64)
    window = window_around(points, width=400, height=300, panel_size=100)
    assert 0 <= window.left <= 10
    assert window.right == 400
    assert window.top == 0
    assert 60 <= window.bottom <= 300
    assert window.width % 2 == window.height % 2 == 0
    assert max(window.width, window.height) == 100


def test_window_camera_sees_a_point_where_the_window_shows_it():
    camera = Cameras.pinhole(width=400, height=300, fx=300, fy=310, cx=201, cy=149)
    point = torch.tensor([[0.1, -0.05, 1.4]], dtype=torch.float64)
    pixel = camera.project(point)[0][0, 0]
    window = window_around(torch.stack([pixel - 40, pixel + 60]), width=400, height=300, panel_size=64)
    seen = window.camera(camera).project(point)[0][0, 0]
    scale = torch.tensor([window.width / (window.right - window.left), window.height / (window.bottom - window.top)])
    assert torch.allclose(seen, (pixel - torch.tensor([window.left, window.top])) * scale, atol=1e-9)


def test_mean_difference_counts_only_the_inside():
    first, second = np.zeros((2, 2, 3), dtype=np.uint8), np.full((2, 2, 3), 51, dtype=np.uint8)
    second[1, 1] = 255
    inside = np.array([[True, False], [True, False]])
    assert mean_difference(first, second, inside) == pytest.approx(0.2)
    assert mean_difference(first, second, np.zeros((2, 2), dtype=bool)) == 0.0
