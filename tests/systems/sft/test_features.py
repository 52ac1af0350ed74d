"""Features: blind to gain and offset of the light, to the background, and aligned over the levels of the pyramid."""

import numpy as np
import torch

from recon_cli.systems.sft.features import Box, feature_pyramid, mask_box


def textured(height=64, width=80):
    rng = np.random.default_rng(0)
    from scipy.ndimage import gaussian_filter

    image = gaussian_filter(rng.random((height, width, 3)), (2, 2, 0))
    image = (image - image.min()) / (image.max() - image.min())
    mask = np.zeros((height, width), np.uint8)
    mask[8:-8, 10:-10] = 255
    return image, mask


def pyramid(image, mask, levels=range(2)):
    frame = np.round(image * 255).astype(np.uint8)
    return feature_pyramid(frame, mask, box=mask_box(mask, margin=4, multiple=2), levels=levels, radius=5, contrast_floor=1e-3)


def test_features_do_not_see_gain_and_offset():
    image, mask = textured()
    one, other = pyramid(image, mask)[0], pyramid(0.5 * image + 0.2, mask)[0]
    inside = one.valid > 0
    assert float((one.image - other.image)[inside].abs().mean()) < 0.03
    assert float(one.image[inside].abs().mean()) > 0.5


def test_background_does_not_matter():
    image, mask = textured()
    changed = image.copy()
    changed[mask == 0] = 1.0
    for level, features in pyramid(image, mask).items():
        inside = features.valid > 0
        torch.testing.assert_close(pyramid(changed, mask)[level].image[inside], features.image[inside])


def test_levels_share_one_pixel_grid():
    v, u = np.mgrid[0:96, 0:120] + 0.5
    centre = (61.3, 47.6)
    blob = np.exp(-((u - centre[0]) ** 2 + (v - centre[1]) ** 2) / (2 * 6.0**2))
    mask = np.full((96, 120), 255, np.uint8)
    frame = np.round(255 * np.repeat(blob[..., None], 3, axis=2)).astype(np.uint8)
    levels = feature_pyramid(frame, mask, box=mask_box(mask, margin=0, multiple=4), levels=range(3), radius=40, contrast_floor=1.0)
    for features in levels.values():
        weight = (features.image[..., 0] - features.image[..., 0].amax() / 2).clamp_min(0.0).double()
        rows, columns = torch.meshgrid(torch.arange(weight.shape[0]), torch.arange(weight.shape[1]), indexing="ij")
        texel = torch.stack([(columns * weight).sum(), (rows * weight).sum(), weight.sum()]) / weight.sum()
        pixel = torch.linalg.inv(features.texel_from_pixel) @ texel
        assert abs(float(pixel[0]) - centre[0]) < 0.25
        assert abs(float(pixel[1]) - centre[1]) < 0.25


def test_box_of_an_empty_mask_is_a_valid_corner():
    box = mask_box(np.zeros((30, 40), np.uint8), margin=4, multiple=4)
    assert box == Box(0, 0, 32, 30)
