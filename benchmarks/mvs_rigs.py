"""Depth error of the default recipe beside the paper's and a plane sweep, on made-up rigs with exact depth, at equal completeness.

Run: python -m benchmarks.mvs_rigs [--quick] [--ablations] [--rigs PATTERN …] [--set KEY=VALUE …]

Of every method the pixels are taken in the order of its own confidence (after the consistency filter, where the recipe has one) until all
methods cover the same share of the object. The truth is for measuring alone.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.comparison import Bench, Method, Outcome, summary, table, verdicts
from benchmarks.rigs import OBJECTS, SIZES, TEXTURES, bench_rigs
from recon_cli.config.recipe import load_recipe
from recon_cli.prepare.synth.rig import Rig
from recon_cli.systems.mvs.config import MvsRecipe

ABLATIONS: dict[str, tuple[str, ...]] = {
    "planes instead of windows that follow the surface": ("search.detail_rounds=0",),
    "no search at full size": ("search.final_rounds=0",),
    "random changes instead of Gauss-Newton steps": ("search.newton_steps=0", "search.tries=2"),
    "noise not measured": ("search.noise=0.01",),
    "no prior on the neighbours' depths": ("search.smoothness=0",),
    "mean of all sources": ("search.best=4",),
    "four sources to the end": ("search.detail_sources=4",),
    "square window": ("search.final_window=dense",),
    "no averaging in the filter": ("filter.averaging=false",),
    "one agreeing view": ("filter.agreeing=1",),
    "no filter": ("filter=off",),
}
"""The default recipe without one of its additions, each as overrides of it; filter=off leaves the consistency filter out."""

QUICK = {"objects": ("object", "spot"), "size": 160, "views": 9}


def main() -> None:
    given = _arguments()
    methods = _methods(given)
    start = load_recipe(given.recipe, MvsRecipe, given.set).start
    bench = Bench(start, given.device, given.cache, lambda text: print(text, file=sys.stderr, flush=True))
    rows: dict[str, list[Outcome]] = {}
    for name, rig in _rigs(given):
        rows[name] = bench.outcomes(name, rig.scene, rig.depths, methods)
        print(table({name: rows[name]}), file=sys.stderr, flush=True)
        if given.json is not None:
            _write(given.json, rows)
    if not rows:
        sys.exit("no rig has such a name")
    print(table(rows))
    print(f"\n{summary(rows)}")
    if not given.ablations and len(methods) > 1 and methods[0].name == "default":
        print(f"\n{verdicts(rows)}")


def _methods(given: argparse.Namespace) -> list[Method]:
    default = Method.of_recipe("default", given.recipe, given.set)
    if given.ablations:
        chosen = {name: overrides for name, overrides in ABLATIONS.items() if fnmatch(name, given.only)}
        return [default, *(Method.of_recipe(name, given.recipe, [*given.set, *overrides]) for name, overrides in chosen.items())]
    known = {"default": lambda: default, "paper": lambda: Method.of_recipe("paper", "mvs_paper"), "sweep": lambda: Method("sweep", None)}
    return [known[name]() for name in given.methods.split(",")]


def _rigs(given: argparse.Namespace) -> Iterator[tuple[str, Rig]]:
    settings = {"objects": tuple(OBJECTS), "size": given.size, "views": given.views}
    if given.quick:
        settings = QUICK | {key: value for key, value in settings.items() if key != "objects" and value is not None}
    for item in settings.pop("objects"):
        for layout in SIZES:
            for texture in TEXTURES:
                # Asked for one at a time: a rig that nobody wants is not photographed.
                if any(fnmatch(f"{item}-{layout}-{texture}", pattern) for pattern in given.rigs):
                    yield from bench_rigs(objects=(item,), layouts=(layout,), textures=(texture,), **settings)


def _write(path: Path, rows: dict[str, list[Outcome]]) -> None:
    records = {name: [outcome.record() for outcome in outcomes] for name, outcomes in rows.items()}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(records, indent=1) + "\n")
    os.replace(part, path)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="two objects, nine small pictures each")
    parser.add_argument("--rigs", nargs="+", default=["*"], metavar="PATTERN", help="names such as spot-frontal-weak, with * and ?")
    parser.add_argument("--methods", default="default,paper,sweep", help="of default, paper, sweep")
    parser.add_argument("--ablations", action="store_true", help="instead: the default recipe without each of its additions")
    parser.add_argument("--only", default="*", metavar="PATTERN", help="ablations of these names")
    parser.add_argument("--recipe", default="mvs_default", help="the recipe that is called default")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of that recipe")
    parser.add_argument("--size", type=int, help="longest side of the pictures [px]")
    parser.add_argument("--views", type=int, help="number of cameras")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--cache", type=Path, help="keep depth maps here, and take those that are there")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return parser.parse_args()


if __name__ == "__main__":
    main()
