"""Fits of a parametric model to made-up depth sequences beside the truth: accuracy, time, and which frames are doubted.

Run: OMP_NUM_THREADS=1 python -m benchmarks.npm_fits --model MODEL SEQUENCES … [--methods default,published,…] [--lengths 10,40,200]

SEQUENCES are folders made by `recon prepare synth bodies` with depth. Means over the frames of a sequence, in boxes of the model: IoU and
Chamfer distance (half of both squared directions) of 100,000 points, end-point error of points followed from the first frame. The truth is
for measuring alone. Published fits take as many iterations as fit into the time of the default, which two short runs tell.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from benchmarks.npm_accuracy import Outcome, failures, measured, table
from benchmarks.npm_lengths import LengthJob, length_cost, length_table
from benchmarks.npm_methods import METHODS, Fitter
from benchmarks.npm_sequences import TrueSequence, listed, read_sequence
from recon_cli.core.errors import ReconError
from recon_cli.io.atomic import write_bytes
from recon_cli.run.npm_model_file import read_model_file

OTHER_UNIT = 3.7
"""What depths are multiplied by where the scale is not known."""


def main() -> None:
    given = _arguments()
    torch.set_num_threads(given.threads)
    try:
        if given.lengths:
            _compare_lengths(given)
        else:
            _compare_methods(given)
    except ReconError as error:
        sys.exit(str(error))


def _compare_methods(given: argparse.Namespace) -> None:
    model = read_model_file(given.model)
    box = model.model.box.side
    networks = None if given.networks is None else read_model_file(given.networks)
    fitter = Fitter(model, given.set, networks=networks, is_scale_known=not given.unknown_scale, seed=given.seed)
    for name in given.methods:
        fitter.recipe(METHODS[name])  # an override that is wrong shows before the first fit, and so does a model that lacks
        fitter.file(METHODS[name])
    outcomes: list[Outcome] = []
    warm: set[str] = set()
    for folder, record in listed(given.sequences, given.only):
        sequence = _changed(read_sequence(folder, record, box=box, up=given.up), given)
        for outcome in _outcomes(fitter, sequence, given, box, warm):
            outcomes.append(outcome)
            print(outcome.line(), file=sys.stderr, flush=True)
            if given.json is not None:
                write_bytes(given.json, json.dumps([one.record() for one in outcomes]).encode())
    print(table(outcomes, {name: method.title for name, method in METHODS.items()}))
    looked_at = "default" if "default" in given.methods else given.methods[0]
    print(f"\n{looked_at}: {failures([outcome for outcome in outcomes if outcome.method == looked_at])}")


def _changed(sequence: TrueSequence, given: argparse.Namespace) -> TrueSequence:
    return sequence.turned().without_up() if given.unknown_up else sequence


def _outcomes(fitter: Fitter, sequence: TrueSequence, given: argparse.Namespace, box: float, warm: set[str]) -> Iterator[Outcome]:
    """Of every method; the default is first where another one needs it."""
    frames = sequence.frames.scaled(OTHER_UNIT) if given.unknown_scale else sequence.frames
    names = list(given.methods)
    if any(METHODS[name].needs_default for name in names):
        names = ["default", *(name for name in names if name != "default")]
    default = None
    for name in names:
        if name not in warm:
            fitter.warm(METHODS[name], frames)
            warm.add(name)
        found = fitter(METHODS[name], frames, default=default)
        default = found if name == "default" else default
        if name in given.methods:
            yield measured(
                name, found, sequence, box=box, is_scale_known=not given.unknown_scale, every=given.chamfer_every, workers=given.threads
            )


def _compare_lengths(given: argparse.Namespace) -> None:
    folder, record = listed(given.sequences, given.only)[0]
    for method in given.methods:
        costs = []
        for length in given.lengths:
            costs.append(length_cost(LengthJob(given.model, folder, record, method, length, tuple(given.set), given.threads)))
            print(f"{method}: {costs[-1]}", file=sys.stderr, flush=True)
        print(f"{METHODS[method].title}, {record['id']} back and forth:\n\n{length_table(costs)}\n")


def _names(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in METHODS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no method is called {', '.join(unknown)}; there are {', '.join(METHODS)}")
    return names


def _numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


def _arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sequences", nargs="+", type=Path, help="folders of recon prepare synth bodies, with depth")
    parser.add_argument("--model", type=Path, help="file or run folder of a training; the model that ships with recon otherwise")
    parser.add_argument(
        "--networks", type=Path, metavar="MODEL", help="file or run folder of a training of networks, for methods that fit them"
    )
    parser.add_argument("--methods", type=_names, default=["default"], help=f"of {', '.join(METHODS)}")
    parser.add_argument("--only", type=_numbers, metavar="N,…", help="sequences of these numbers, counted over all folders")
    parser.add_argument("--unknown-scale", action="store_true", help="depth in another unit; results are aligned before they are measured")
    parser.add_argument("--unknown-up", action="store_true", help="the camera is rolled by 90 degrees, and nobody says which way is up")
    parser.add_argument("--up", default="+y", help="axis of the sequences' world that is up")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a key of the default recipe")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of torch; OMP_NUM_THREADS for the rest")
    parser.add_argument("--chamfer-every", type=int, default=4, metavar="N", help="one Chamfer distance every N frames")
    parser.add_argument("--lengths", type=_numbers, metavar="N,…", help="instead: time and memory of one sequence at these lengths")
    parser.add_argument("--json", type=Path, help="write all numbers to this file")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()
