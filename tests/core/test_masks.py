"""Masks keep the object, lose the blobs and close the holes."""

from __future__ import annotations

import time
from collections import deque

import numpy as np
import pytest
import torch

from recon_cli.core.errors import InputError
from recon_cli.core.masks import background_color, differs_from, dilated, eroded, fill_holes, keep_largest


def _random_mask(seed: int, share: float = 0.55) -> torch.Tensor:
    return (torch.rand(23, 31, generator=torch.Generator().manual_seed(seed)) < share).to(torch.uint8)


def _flood(inside: np.ndarray) -> list[set[tuple[int, int]]]:
    """4-connected components, by breadth-first search."""
    seen, components = set(), []
    for start in zip(*np.nonzero(inside), strict=True):
        if start in seen:
            continue
        component, queue = {start}, deque([start])
        while queue:
            row, column = queue.popleft()
            for near in ((row + 1, column), (row - 1, column), (row, column + 1), (row, column - 1)):
                inside_image = 0 <= near[0] < inside.shape[0] and 0 <= near[1] < inside.shape[1]
                if inside_image and inside[near] and near not in component:
                    component.add(near)
                    queue.append(near)
        seen |= component
        components.append(component)
    return components


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [1, 3])
def test_largest_components_are_those_of_a_flood_fill(seed, count):
    mask = _random_mask(seed)
    kept = keep_largest(mask, count)
    sizes = sorted((len(component) for component in _flood(mask.numpy() != 0)), reverse=True)
    assert int((kept != 0).sum()) == sum(sizes[:count])
    assert len(_flood(kept.numpy() != 0)) == min(count, len(sizes))
    assert not bool(((kept != 0) & (mask == 0)).any())
    assert set(kept.unique().tolist()) <= {0, 255}


@pytest.mark.parametrize("seed", range(5))
def test_filled_holes_are_the_outside_that_a_flood_from_the_border_does_not_reach(seed):
    mask = _random_mask(seed, share=0.7)
    outside = np.pad(mask.numpy() == 0, 1, constant_values=True)
    reached = next(component for component in _flood(outside) if (0, 0) in component)
    expected = np.array([[(row + 1, column + 1) not in reached for column in range(31)] for row in range(23)])
    assert np.array_equal(fill_holes(mask).numpy() != 0, expected)


def test_only_small_holes_are_filled_when_a_size_is_given():
    mask = torch.ones(20, 20, dtype=torch.uint8)
    mask[3:5, 3:5] = 0
    mask[10:15, 10:15] = 0
    filled = fill_holes(mask, largest=4)
    assert int((filled == 0).sum()) == 25
    assert int((fill_holes(mask) == 0).sum()) == 0


def test_an_empty_mask_stays_empty():
    empty = torch.zeros(5, 6, dtype=torch.uint8)
    assert int(keep_largest(empty).sum()) == int(fill_holes(empty).sum()) == 0


def test_the_background_is_the_colour_of_the_border():
    frame = torch.full((60, 80, 3), 10, dtype=torch.uint8)
    frame[20:40, 30:60] = torch.tensor([200, 30, 90], dtype=torch.uint8)
    frame += torch.randint(0, 8, frame.shape, generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    color = background_color(frame)
    assert bool((color.sub(13.5).abs() < 1.5).all())
    expected = torch.zeros(60, 80, dtype=torch.uint8)
    expected[20:40, 30:60] = 255
    assert torch.equal(differs_from(frame, color, tolerance=24), expected)


def test_difference_agrees_with_float_arithmetic():
    frame = torch.randint(0, 256, (40, 50, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    color = torch.tensor([120.5, 3.0, 250.0])
    slow = (frame.float() - color).abs().amax(dim=-1) > 60.0
    assert torch.equal(differs_from(frame, color, tolerance=60.0) != 0, slow)


def test_a_busy_background_is_refused_with_the_way_to_make_masks():
    frame = torch.randint(0, 256, (60, 80, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    with pytest.raises(InputError, match="not uniform") as raised:
        background_color(frame)
    assert "recon prepare masks" in (raised.value.hint or "")


@pytest.mark.slow
def test_a_full_hd_mask_is_cleaned_in_thirty_milliseconds():
    mask = torch.zeros(1080, 1920, dtype=torch.uint8)
    mask[200:800, 300:1500] = 1
    mask[400:420, 600:640] = 0
    mask[900:950, 100:200] = 1
    elapsed = []
    for _ in range(5):
        started = time.perf_counter()
        fill_holes(keep_largest(mask))
        elapsed.append(time.perf_counter() - started)
    assert min(elapsed) < 0.03


def test_dilation_and_erosion_are_round_and_undo_each_other_on_a_disc():
    y, x = torch.meshgrid(torch.arange(60) - 30, torch.arange(80) - 40, indexing="ij")
    radius = (x.double() ** 2 + y.double() ** 2).sqrt()
    disc = (radius <= 12).to(torch.uint8) * 255
    grown = dilated(disc, 5)
    assert bool((grown[radius <= 16.2] == 255).all())
    assert not bool(grown[radius > 17].any())
    back = eroded(grown, 5)
    assert int((back != disc).sum()) < 20
    assert torch.equal(dilated(disc, 0), disc)


def test_a_gap_as_wide_as_a_shadow_is_closed():
    mask = torch.full((40, 60), 255, dtype=torch.uint8)
    mask[:, 25:33] = 0
    assert bool((eroded(dilated(mask, 5), 5) == 255).all())
    assert not bool(dilated(torch.zeros(5, 5, dtype=torch.uint8), 3).any())
