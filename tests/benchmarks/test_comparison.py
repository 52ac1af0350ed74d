"""Methods judged at the completeness that all of them reach."""

from __future__ import annotations

import pytest
import torch

from benchmarks.comparison import Bench, Method, Outcome, judged, summary, table, verdicts
from recon_cli.core.cameras import Cameras
from recon_cli.core.depth_maps import DepthMaps
from recon_cli.core.errors import UsageError
from recon_cli.core.scene import Scene
from recon_cli.systems.mvs.config import StartConfig

CAMERA = Cameras.pinhole(width=20, height=10, fx=50, fy=50, cx=10, cy=5)
TRUTH = DepthMaps(CAMERA, (torch.full((10, 20), 5.0),))  # a pixel covers 0.1


def _maps(error: float, completeness: float) -> DepthMaps:
    """Every pixel wrong by up to ``error``, the later ones more and less surely."""
    rank = torch.arange(200).reshape(10, 20) / 200
    depth = torch.where(rank < completeness, 5 + error * rank, 0.0)
    return DepthMaps(CAMERA, (depth,), confidence=((1 - rank) * (depth > 0),))


def _judged() -> list[Outcome]:
    found = {"default": _maps(0.1, 0.5), "paper": _maps(0.4, 1.0), "sweep": _maps(0.2, 0.8)}
    return judged(found, TRUTH, dict.fromkeys(found, 2.0))


def test_the_least_complete_sets_the_completeness_for_all():
    default, paper, sweep = _judged()
    assert [outcome.own.completeness for outcome in (default, paper, sweep)] == pytest.approx([0.5, 1.0, 0.8])
    for outcome, error in ((default, 0.1), (paper, 0.4), (sweep, 0.2)):
        assert outcome.equal is not None
        assert outcome.equal.completeness == 0.5
        assert outcome.equal.median == pytest.approx(error * 0.25, rel=0.03)
    assert paper.own.median == pytest.approx(0.2, rel=0.03)


def test_a_method_that_finds_nothing_has_no_figures_and_spoils_nobody_elses():
    found = {"default": _maps(0.1, 0.5), "paper": _maps(0.1, 0.0)}
    default, paper = judged(found, TRUTH, dict.fromkeys(found, 1.0))
    assert paper.equal is None
    assert default.equal is not None
    assert default.equal.completeness == 0.5
    rows = {"rig": [default, paper]}
    assert "| rig | - | paper | - | - | - |" in table(rows)
    assert verdicts(rows).splitlines()[-1] == "| rig | - | - |"
    assert summary(rows).splitlines()[-1].startswith("| paper | - |")


def test_tables_say_what_is_better():
    rows = {"a": _judged(), "b": _judged()}
    assert len(table(rows).splitlines()) == 2 + 6
    head, _, first, _ = verdicts(rows).splitlines()
    assert "error below paper | share above paper | error below sweep | share above sweep" in head
    assert first.startswith("| a | 75 % | +")
    lines = summary(rows).splitlines()
    assert "+0.0 %" in lines[2]
    assert "+300" in lines[3]


def test_finished_maps_are_taken_from_the_cache(tmp_path, monkeypatch):
    calls = []

    def made(self, scene, intervals, device):
        calls.append(self.name)
        return _maps(0.1, 0.5)

    monkeypatch.setattr(Method, "depth_maps", made)
    monkeypatch.setattr(Method, "filtered", lambda self, maps, scene: maps)
    monkeypatch.setattr("benchmarks.comparison.depth_intervals", lambda scene, start, max_size: None)
    scene = Scene(CAMERA, (torch.zeros(10, 20, 3, dtype=torch.uint8),))
    bench = Bench(StartConfig(), cache=tmp_path / "cache")
    first, again = (bench.outcomes("rig", scene, TRUTH, [Method("sweep", None)]) for _ in range(2))
    assert calls == ["sweep"]
    assert first == again
    for overrides in ((), ("filter=off",), ("filter.agreeing=3",), ("search.best=1",)):
        bench.outcomes("rig", scene, TRUTH, [Method.of_recipe("default", _recipe(tmp_path), overrides)])
    assert calls == ["sweep", "default", "default"]  # what the filter does is no reason to search again


def test_overrides_are_checked(tmp_path):
    assert not Method.of_recipe("x", _recipe(tmp_path), ["filter=off"]).has_filter
    with pytest.raises(UsageError):
        Method.of_recipe("x", _recipe(tmp_path), ["filter.no_such_key=1"])


def _recipe(folder) -> str:
    (folder / "mine.yaml").write_text("{}\n")
    return str(folder / "mine.yaml")
