"""Commands of ``recon eval`` that compare bodies that move: what they fill, and where their points go."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from statistics import fmean
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.eval_frames import Align, AlignOption, Box, FrameFiles, FrameRange, Unit, frame_range, mesh_pairs, prepared, unit_of
from recon_cli.cli.eval_surfaces import expect_one_stream
from recon_cli.cli.options import Json, Quiet, Seed, Verbose

Solid = "Closed mesh (PLY or OBJ; - reads standard input), or a folder with one a frame."


def iou(
    prediction: Annotated[str, typer.Argument(metavar="PREDICTION", help=Solid)],
    reference: Annotated[str, typer.Argument(metavar="REFERENCE", help=Solid)],
    frames: FrameRange = None,
    samples: Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Points drawn in the joint bounding box.")] = 1_000_000,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Volumetric intersection over union of two closed meshes, or of every frame of two folders.

    For folders, with --json one record a frame, then the mean; else the mean, with the frames on stderr under -v. An alignment is one
    transform for the whole sequence.
    """
    expect_one_stream(prediction, reference)
    pairs = mesh_pairs(prediction, reference, frame_range(frames))
    from recon_cli.metrics.alignment import PROTOCOLS
    from recon_cli.metrics.occupancy import FORMULA, solids, volume_overlaps

    for pair in pairs:  # an open mesh among the last should not be found after minutes
        solids(pair)
    overlaps = volume_overlaps(prepared(pairs, align, Unit(1.0, "scene unit"), seed=seed), samples=samples, seed=seed)
    notes = {"seed": seed, "align": PROTOCOLS[align.value], "formula": FORMULA}
    if isinstance(pairs, FrameFiles):
        _emit_frames(overlaps, len(pairs), "iou", notes, json, Console(quiet=quiet, verbose=verbose))
    else:
        (only,) = overlaps
        numbers = {name: value for name, value in only.record().items() if name != "frame"}
        emit({**numbers, "prediction": prediction, "reference": reference, **notes}, json=json)


def epe(
    prediction: Annotated[Path, typer.Argument(metavar="PREDICTION_DIR", help="Meshes with the same faces, one a frame.")],
    reference: Annotated[Path, typer.Argument(metavar="REFERENCE_DIR", help="Meshes with the same faces, one a frame.")],
    frames: FrameRange = None,
    samples: Annotated[int, typer.Option("--samples", min=1, metavar="N", help="Points drawn by area on the reference.")] = 100_000,
    keyframe_every: Annotated[int, typer.Option("--keyframe-every", min=1, metavar="N", help="Frames from one pairing to the next.")] = 50,
    box: Box = None,
    align: AlignOption = Align.none,
    seed: Seed = 0,
    json: Json = False,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """End-point error of every frame of a sequence and their mean: how far points stray that were nearest at a keyframe.

    Points of the reference are paired with the nearest points of the predicted surface in the first frame, and anew after every
    --keyframe-every frames; in between both follow their faces. With --json one record a frame, then the mean; else the mean, with the
    frames on stderr under -v. An alignment is one transform for the whole sequence.
    """
    pairs = FrameFiles(prediction, reference, frame_range(frames))
    from recon_cli.metrics.alignment import PROTOCOLS
    from recon_cli.metrics.end_point import FORMULA, end_point_errors

    unit = unit_of(box, lambda: pairs[0].reference)
    shown = prepared(pairs, align, unit, seed=seed)
    errors = end_point_errors(shown, samples=samples, keyframe_every=keyframe_every, seed=seed)
    notes = {"samples": samples, "keyframe_every": keyframe_every, "seed": seed, "unit": unit.words, "align": PROTOCOLS[align.value]}
    _emit_frames(errors, len(pairs), "epe", {**notes, "formula": FORMULA}, json, Console(quiet=quiet, verbose=verbose))


def _emit_frames(errors: Iterable[Any], count: int, figure: str, notes: dict[str, Any], json: bool, console: Console) -> None:
    """The frames, then the mean of their figure."""
    records = []
    with console:
        for error in errors:
            records.append(error.record())
            console.progress(len(records), count, {figure: records[-1][figure]})
            console.detail(f"frame {error.frame}: {figure} {records[-1][figure]:.4g}")
    if json:
        for record in records:
            emit(record, json=True)
    emit({"frames": count, "mean": {figure: fmean(record[figure] for record in records)}, **notes}, json=json)
