import math
from pathlib import Path

import pytest
import torch

from recon_cli.core.errors import UsageError
from recon_cli.run.sft_inputs import CleanMasks, SftSources, camera_from_fov, real_time


@pytest.mark.parametrize("degrees", [20.0, 60.0, 120.0])
def test_a_field_of_view_spans_the_width(degrees):
    camera = camera_from_fov(degrees, 640, 480)
    edges = torch.tensor([[-math.tan(math.radians(degrees / 2)), 0.0, 1.0], [math.tan(math.radians(degrees / 2)), 0.0, 1.0]])
    assert torch.allclose(camera.project(edges.double())[0][0, :, 0], torch.tensor([0.0, 640.0], dtype=torch.float64), atol=1e-4)
    assert torch.allclose(camera.project(torch.tensor([[0.0, 0.0, 2.0]]).double())[0][0, 0], torch.tensor([320.0, 240.0]).double())


@pytest.mark.parametrize("degrees", [0.0, -5.0, 175.0, math.nan])
def test_a_field_of_view_that_no_lens_has_is_refused(degrees):
    with pytest.raises(UsageError, match="--fov"):
        camera_from_fov(degrees, 640, 480)


def test_real_time_counts_chosen_frames():
    sources = SftSources(Path("clip.mp4"), Path("t.obj"), stride=3)
    assert real_time(sources, 30.0) == 10.0
    assert real_time(SftSources(Path("clip.mp4"), Path("t.obj"), fps=60.0, stride=2), 30.0) == 30.0
    with pytest.raises(UsageError, match="--fps"):
        real_time(sources, None)


def test_stray_blobs_do_not_count():
    mask = torch.zeros(1, 20, 30, dtype=torch.uint8)
    mask[0, 2:12, 3:15] = 255
    mask[0, 16:19, 20:24] = 255

    class Masks:
        width, height = 30, 20

        def __len__(self):
            return 1

        def __getitem__(self, index):
            return mask[index]

    clean = CleanMasks(Masks())
    assert (len(clean), clean.width, clean.height) == (1, 30, 20)
    assert int((clean[0] > 0).sum()) == 120
