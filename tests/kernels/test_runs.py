"""Sorting covered pixels by face."""

from __future__ import annotations

import torch

from recon_cli.kernels.runs import runs_by_face, sum_runs


def _face_image(seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(-2, 9, (40, 50, 2), generator=generator).clamp(min=-1).to(torch.int32)


def test_entries_come_sorted_by_face_and_place() -> None:
    image = _face_image()
    runs = runs_by_face(image, face_count=12)
    flat = image.reshape(-1)
    expected = [i for face in range(12) for i in torch.nonzero(flat == face).squeeze(1).tolist()]
    assert runs.entry.tolist() == expected
    assert torch.equal(runs.face, flat[runs.entry.long()].long())
    assert torch.equal(runs.pixel, runs.entry.long() // 2)


def test_runs_cover_all_entries_and_are_short() -> None:
    runs = runs_by_face(_face_image(), face_count=12)
    lengths = runs.start_of_run[1:] - runs.start_of_run[:-1]
    assert int(lengths.sum()) == len(runs.entry)
    assert 0 < int(lengths.min()) <= int(lengths.max()) <= 256
    assert int(runs.run_of_face[-1]) == len(runs.face_of_run)


def test_sums_of_runs_are_sums_of_faces() -> None:
    runs = runs_by_face(_face_image(), face_count=12)
    values = torch.randn(len(runs.face_of_run), 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.zeros(12, 5, dtype=torch.float64).index_add_(0, runs.face_of_run.long(), values)
    torch.testing.assert_close(sum_runs(values, runs), expected)


def test_an_empty_image_has_no_runs() -> None:
    runs = runs_by_face(torch.full((3, 4, 1), -1, dtype=torch.int32), face_count=2)
    assert len(runs.entry) == len(runs.face_of_run) == 0
    assert torch.equal(sum_runs(torch.zeros(0, 3), runs), torch.zeros(2, 3))
