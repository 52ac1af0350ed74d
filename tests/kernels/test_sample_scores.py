"""Photo-consistency of samples against Eq. 4 written out in torch."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from recon_cli.kernels.patch_search import PictureSet, relate
from recon_cli.kernels.sample_scores import median_scores
from tests.kernels.plane_pictures import cameras, pictures, true_plane

CPU = torch.device("cpu")


def setup(count: int):
    batch = cameras(count)
    drawn = pictures(batch)
    # Another colour in each channel and view, so that nothing cancels.
    tinted = [(image.double() * torch.tensor([1.0, 0.8 + 0.02 * i, 0.6])).round().to(torch.uint8) for i, image in enumerate(drawn)]
    counts = torch.tensor([image[..., 0].numel() for image in tinted])
    places = torch.cat([(counts.cumsum(0) - counts)[:, None], batch.size], dim=1)
    built = PictureSet.build(drawn, None, batch, levels=1, device=CPU)
    _, rotations, translations = relate(built, 0, 0, [(i, 0) for i in range(count)])
    return batch, tinted, places, rotations, translations


def twin(tinted, rotations, translations, positions, inverse_depths, variance, occlusion):
    """The product over views of exp(-|c - median|² / σ) + Γ, by grid_sample and torch.quantile."""
    observed, seen = [], []
    for image, M, q in zip(tinted, rotations, translations):
        p = torch.cat([positions.double(), torch.ones(len(positions), 1, dtype=torch.float64)], dim=1)
        h = (p @ M.T)[:, None] + inverse_depths.double()[..., None] * q
        place = h[..., :2] / h[..., 2:]
        size = torch.tensor([image.shape[1], image.shape[0]])
        seen.append(((place > 0) & (place < size)).all(-1))
        picture = image.permute(2, 0, 1)[None].double() / 255
        value = F.grid_sample(picture, (place / size * 2 - 1)[None], align_corners=False, padding_mode="border")[0]
        observed.append(value.permute(1, 2, 0))
    observed, seen = torch.stack(observed), torch.stack(seen)  # [J, P, S, 3], [J, P, S]
    scores = torch.zeros(seen.shape[1:], dtype=torch.float64)
    for index in torch.cartesian_prod(*map(torch.arange, scores.shape)):
        own = observed[seen[:, index[0], index[1]], index[0], index[1]]
        if len(own) < 2:
            continue
        median = own.quantile(0.5, dim=0)
        distance = (own - median).square().sum(-1)
        scores[tuple(index)] = ((torch.exp(-distance / variance) + occlusion) / (1 + occlusion)).prod()
    return scores


@pytest.mark.parametrize("count", [2, 3, 5])
def test_median_scores_equal_the_twin(count):
    batch, tinted, places, rotations, translations = setup(count)
    truth = true_plane(batch[0])[..., 0].float()
    generator = torch.Generator().manual_seed(count)
    pixels = torch.randint(0, truth.numel(), (40,), generator=generator)
    positions = torch.stack([pixels % truth.shape[1], pixels // truth.shape[1]], dim=-1).float() + 0.5
    inverse_depths = truth.reshape(-1)[pixels][:, None] * torch.linspace(0.9, 1.1, 5)
    colors = torch.cat([image.reshape(-1, 3) for image in tinted])
    scores = median_scores(colors, places, rotations, translations, positions, inverse_depths, variance=0.01, occlusion=0.1)
    expected = twin(tinted, rotations, translations, positions, inverse_depths, 0.01, 0.1)
    torch.testing.assert_close(scores.double(), expected, atol=2e-3, rtol=0)


def test_median_scores_peak_on_the_surface():
    batch, _, places, rotations, translations = setup(5)
    drawn = pictures(batch)
    truth = true_plane(batch[0])[..., 0].float()
    inner = torch.arange(truth.numel()).reshape(truth.shape)[15:-15, 20:-20].reshape(-1)
    positions = torch.stack([inner % truth.shape[1], inner // truth.shape[1]], dim=-1).float() + 0.5
    inverse_depths = truth.reshape(-1)[inner][:, None] * torch.tensor([0.92, 1.0, 1.08])
    colors = torch.cat([image.reshape(-1, 3) for image in drawn])
    scores = median_scores(colors, places, rotations, translations, positions, inverse_depths, variance=0.01, occlusion=0.1)
    assert scores[:, 1].median() > 0.9
    assert (scores.argmax(dim=1) == 1).float().mean() > 0.85
