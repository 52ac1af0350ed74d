"""What ``recon npm transfer`` does: a sequence's poses on another body, as meshes and codes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recon_cli.io.meshes import write_mesh
from recon_cli.io.whole_folder import check_new_folder, whole_folder
from recon_cli.run.npm_codes import NAME, read_codes, write_codes
from recon_cli.run.npm_interpolate import Progress, body_of, expect_closed
from recon_cli.run.npm_model_file import read_model_file
from recon_cli.systems.npm.transfer import bodies, transferred

CONTENTS = ("meshes", NAME, "canonical.ply")
"""All that the folder of a transfer has."""


@dataclass(frozen=True)
class TransferJob:
    """What is asked for.

    Attributes:
        poses: codes of the body that moves, or their run.
        shape: codes of the body that is put in its place.
        out: the folder to make.
        frame: whose shape is taken of ``shape``.
        model: of both; None for the one that ships with recon.
        overwrite: whether an earlier result may be replaced.
    """

    poses: Path
    shape: Path
    out: Path
    frame: int = 0
    model: Path | None = None
    overwrite: bool = False


def transfer(job: TransferJob, *, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Write a mesh for every frame, all with the same faces, the canonical mesh and codes; the folder appears when it is whole.

    Returns:
        What was made: the path, frames, vertices and faces.

    Raises:
        InputError: codes or model are missing, damaged or do not go together, there is no such frame, or the output is in the way.
    """
    check_new_folder(job.out, overwrite=job.overwrite, contents=CONTENTS)
    found = read_model_file(job.model)
    poses, shape = read_codes(job.poses, found.model, found.digest), body_of(job.shape, job.frame, found)
    expect_closed(found, shape)
    codes = transferred(found.model, poses, shape)
    canonical = found.model.surface(codes.shape)
    with whole_folder(job.out, overwrite=job.overwrite, contents=CONTENTS) as folder:
        write_mesh(folder / "canonical.ply", canonical.with_vertices(canonical.vertices * float(codes.unit)))
        for done, (name, body) in enumerate(zip(codes.names, bodies(found.model, codes), strict=True), start=1):
            write_mesh(folder / "meshes" / f"{name}.ply", body.to(dtype=canonical.vertices.dtype))
            progress(done, len(codes))
        write_codes(folder / NAME, codes, found.digest)
    return {"path": str(job.out), "frames": len(codes), "vertices": len(canonical.vertices), "faces": len(canonical.faces)}
