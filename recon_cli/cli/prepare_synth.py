"""``recon prepare synth``: synthetic data with its ground truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from recon_cli.cli.console import Console, emit
from recon_cli.cli.options import Format, Json, Out, Overwrite, Quiet, Seed
from recon_cli.core.errors import UsageError


class Kind(StrEnum):
    """What can be made."""

    cloth = "cloth"
    rig = "rig"
    bodies = "bodies"


class Layout(StrEnum):
    """Where the cameras of a rig stand."""

    frontal = "frontal"
    hemisphere = "hemisphere"


class Texture(StrEnum):
    """How much there is to match on the objects of a rig."""

    strong = "strong"
    weak = "weak"


class Family(StrEnum):
    """Kinds of bodies."""

    people = "people"
    quadrupeds = "quadrupeds"
    hands = "hands"


class Motion(StrEnum):
    """How the frames of a body follow each other."""

    smooth = "smooth"
    scattered = "scattered"


class View(StrEnum):
    """Where the camera of a body stands."""

    front = "front"
    side = "side"
    around = "around"


OPTIONS = {
    Kind.cloth: ("frames",),
    Kind.rig: ("layout", "texture", "mesh", "size", "views", "format"),
    Kind.bodies: ("frames", "size", "family", "motion", "view", "depth", "soft", "noise", "missing"),
}
"""Which option goes with which kind."""

FRAMES = {Kind.cloth: 30, Kind.bodies: 20}
"""Frames of each individual unless another number is asked for."""


KindArgument = Annotated[
    Kind,
    typer.Argument(
        help="What to make; cloth: clips of waving cloth; rig: pictures of a still object by many cameras; "
        "bodies: people, quadrupeds or hands in motion."
    ),
]
Count = Annotated[int, typer.Option("--count", min=1, metavar="N", help="Number of individuals.")]
Frames = Annotated[
    int | None,
    typer.Option(
        "--frames", min=2, metavar="T", help="cloth (30), bodies (20): frames of each individual, 30 per second.", show_default=False
    ),
]
Size = Annotated[
    int | None,
    typer.Option("--size", min=16, max=8192, metavar="PX", help="rig (512), bodies (192): longest side of a picture.", show_default=False),
]
LayoutOption = Annotated[
    Layout | None,
    typer.Option(
        "--layout", help="rig: 19 views mostly in front (the default), or 65 of four sizes and focal lengths.", show_default=False
    ),
]
TextureOption = Annotated[
    Texture | None, typer.Option("--texture", help="rig: strong (the default), or weak, almost even in parts.", show_default=False)
]
MeshFile = Annotated[
    Path | None, typer.Option("--mesh", metavar="FILE", help="rig: photograph this mesh, y up, not a new object.", show_default=False)
]
Views = Annotated[int | None, typer.Option("--views", min=2, max=1000, metavar="N", help="rig: number of cameras.", show_default=False)]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="rig: png is lossless (the default), jpg is small.", show_default=False)
]
FamilyOption = Annotated[Family | None, typer.Option("--family", help="bodies: whose (people).", show_default=False)]
MotionOption = Annotated[
    Motion | None,
    typer.Option("--motion", help="bodies: a smooth sequence (the default), or independent poses for training.", show_default=False),
]
ViewOption = Annotated[View | None, typer.Option("--view", help="bodies: where the camera stands (front).", show_default=False)]
WithDepth = Annotated[bool | None, typer.Option("--depth/--no-depth", help="bodies: with depth maps (the default).", show_default=False)]
SoftShare = Annotated[
    float | None,
    typer.Option(
        "--soft",
        min=0,
        max=1,
        metavar="SHARE",
        help="bodies: share whose flesh and clothes move on the bones (0.5).",
        show_default=False,
    ),
]
Noise = Annotated[
    float | None,
    typer.Option(
        "--noise",
        min=0,
        max=1,
        metavar="SIGMA",
        help="bodies: noise of the depth over the body's longest side (0).",
        show_default=False,
    ),
]
Missing = Annotated[
    float | None,
    typer.Option(
        "--missing",
        min=0,
        max=0.95,
        metavar="SHARE",
        help="bodies: share of their pixels that lose their depth (0).",
        show_default=False,
    ),
]


def synth(
    kind: KindArgument,
    out: Out,
    seed: Seed = 0,
    count: Count = 1,
    frames: Frames = None,
    size: Size = None,
    layout: LayoutOption = None,
    texture: TextureOption = None,
    mesh: MeshFile = None,
    views: Views = None,
    format_: FormatOption = None,
    family: FamilyOption = None,
    motion: MotionOption = None,
    view: ViewOption = None,
    depth: WithDepth = None,
    soft: SoftShare = None,
    noise: Noise = None,
    missing: Missing = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
    json: Json = False,
) -> None:
    """Make synthetic data with its ground truth; any seed makes new individuals, manifest.jsonl lists them."""
    given = {"frames": frames, "size": size, "layout": layout, "texture": texture, "mesh": mesh, "views": views, "format": format_}
    given |= {"family": family, "motion": motion, "view": view, "depth": depth, "soft": soft, "noise": noise, "missing": missing}
    chosen = {name: value.value if isinstance(value, StrEnum) else value for name, value in given.items() if value is not None}
    _refuse_others(chosen, kind)
    record: dict[str, Any] = {"path": str(out), "manifest": str(out / "manifest.jsonl"), "kind": kind.value, "seed": seed, "count": count}
    if kind in FRAMES:
        record["frames"] = chosen["frames"] = chosen.get("frames", FRAMES[kind])
    with Console(quiet=quiet) as console:
        MAKERS[kind](
            out,
            chosen,
            seed=seed,
            count=count,
            overwrite=overwrite,
            progress=lambda done, total: console.progress(done, total, {}),
        )
    emit(record if json else out, json=json)


def _refuse_others(chosen: dict[str, Any], kind: Kind) -> None:
    for name in chosen:
        if name not in OPTIONS[kind]:
            option = f"no-{name}" if chosen[name] is False else name
            raise UsageError(f"--{option} does not go with {kind.value}", hint="recon prepare synth -h says which option is whose")


def _make_cloth(out: Path, chosen: dict[str, Any], **settings: Any) -> None:
    from recon_cli.prepare.synth.cloth import write_cloth_samples

    write_cloth_samples(out, frames=chosen["frames"], **settings)


def _make_rigs(out: Path, chosen: dict[str, Any], **settings: Any) -> None:
    from recon_cli.prepare.synth.rig import RigSpec
    from recon_cli.prepare.synth.rig_samples import write_rig_samples

    spec = RigSpec(**{key: chosen[key] for key in ("layout", "texture", "size", "views") if key in chosen})
    write_rig_samples(out, spec, mesh_path=chosen.get("mesh"), suffix=chosen.get("format", Format.png.value), **settings)


def _make_bodies(out: Path, chosen: dict[str, Any], **settings: Any) -> None:
    from recon_cli.prepare.synth.bodies import BodySpec, write_body_samples

    write_body_samples(out, BodySpec(**chosen), **settings)


MAKERS = {Kind.cloth: _make_cloth, Kind.rig: _make_rigs, Kind.bodies: _make_bodies}
