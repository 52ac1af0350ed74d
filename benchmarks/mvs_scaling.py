"""Time and memory of `recon mvs run` over the number of views and their size.

Run: python -m benchmarks.mvs_scaling SCENE [--views 8,16,32,49] [--sizes 400,800,1600]

Every run is a process of its own, on the first views of the scene: where a camera was carried around, neighbours in the list are
neighbours in space. Its peak memory is its largest resident set, as the system counts it. Other flags go to `recon mvs run`.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.timed_run import Cost, timed_run
from recon_cli.io.cameras import read_cameras

Place = tuple[int, int]
"""Number of views, longest side [px]."""


def main() -> None:
    given, flags = _arguments()
    names = read_cameras(given.scene / "cameras.json").names
    costs: dict[Place, Cost] = {}
    for size in given.sizes:
        for count in sorted({min(count, len(names)) for count in given.views}):
            chosen = ["--views", ",".join(names[:count]), "--max-size", str(size)]
            with tempfile.TemporaryDirectory() as folder:
                costs[count, size] = timed_run(given.scene, Path(folder) / "run", [*chosen, *flags])
            print(_words(count, size, costs[count, size]), file=sys.stderr, flush=True)
            if given.json is not None:
                records = [{"views": views, "size": side, **vars(cost)} for (views, side), cost in costs.items()]
                given.json.write_text(json.dumps(records, indent=1) + "\n")
    print(table(costs))


def table(costs: Mapping[Place, Cost]) -> str:
    """A row for each number of views, three columns for each size, in markdown."""
    sizes = sorted({size for _, size in costs})
    lines = ["| views | " + " | ".join(f"{size} px: s | CPU s | MB" for size in sizes) + " |", "|---|" + "---|" * (3 * len(sizes))]
    for views in sorted({views for views, _ in costs}):
        lines.append(f"| {views} | {' | '.join(_cells(costs.get((views, size))) for size in sizes)} |")
    return "\n".join(lines)


def _cells(cost: Cost | None) -> str:
    if cost is None or cost.code != 0:
        return "- | - | -"
    return f"{cost.seconds:.0f} | {cost.cpu_seconds:.0f} | {cost.memory:.0f}"


def _words(views: int, size: int, cost: Cost) -> str:
    text = f"{views} views at {size} px: {cost.seconds:.0f} s, {cost.cpu_seconds:.0f} CPU s, {cost.memory:.0f} MB"
    return text if cost.code == 0 else f"{text}, exit code {cost.code}"


def _numbers(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", type=Path, help="scene folder")
    parser.add_argument("--views", type=_numbers, default=[8, 16, 32, 49], help="numbers of views, the first ones of the scene")
    parser.add_argument("--sizes", type=_numbers, default=[400, 800, 1600], help="longest sides [px]")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
