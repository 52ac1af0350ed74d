"""Folders of registered bodies: manifest.jsonl names a canonical mesh and a folder of posed meshes for every identity."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_finite
from recon_cli.io.atomic import PathText
from recon_cli.io.inner_paths import inner_path
from recon_cli.io.meshes import read_mesh
from recon_cli.io.records import read_lines
from recon_cli.io.surfaces import surface_names

MANIFEST = "manifest.jsonl"
KEYS = ("id", "canonical", "meshes")


@dataclass(frozen=True)
class BodyFolder:
    """Identities in files; posed meshes are read when they are asked for.

    Attributes:
        names: of the identities.
        canonical_files: the canonical mesh of each.
        posed_files: the posed meshes of each, in the order of their names.
    """

    names: tuple[str, ...]
    canonical_files: tuple[Path, ...]
    posed_files: tuple[tuple[Path, ...], ...]

    def canonical(self, identity: int) -> Mesh:
        """The canonical mesh of an identity [scene units].

        Raises:
            InputError: the file is missing or damaged, or its surface is not closed.
        """
        file = self.canonical_files[identity]
        mesh = read_mesh(file, geometry_only=True)
        try:
            closed_mesh(mesh, file)
        except InputError as error:
            raise InputError(error.message, path=file, hint="a canonical mesh needs an inside: close its holes first") from error
        return mesh

    def pose_count(self, identity: int) -> int:
        """Number of posed meshes of an identity."""
        return len(self.posed_files[identity])

    def posed(self, identity: int, pose: int) -> Tensor:  # [V, 3]
        """The vertices of a posed mesh [scene units].

        Raises:
            InputError: the file is missing or damaged, has another number of vertices than the canonical mesh, or a vertex is not finite.
        """
        file = self.posed_files[identity][pose]
        mesh = read_mesh(file, geometry_only=True)
        expected = self._vertex_counts[identity]
        if len(mesh.vertices) != expected:
            raise InputError(
                f"has {len(mesh.vertices)} vertices, expected the {expected} of {self.canonical_files[identity].name} in the same order",
                path=file,
                hint="every posed mesh is the canonical one with its vertices moved",
            )
        check_finite(mesh, file)
        return mesh.vertices

    @cached_property
    def _vertex_counts(self) -> tuple[int, ...]:
        return tuple(len(read_mesh(file, geometry_only=True).vertices) for file in self.canonical_files)


def read_bodies(folder: PathText) -> BodyFolder:
    """The identities that a folder's manifest names.

    Raises:
        InputError: the manifest is missing, empty or malformed, names a file that is not there or lies outside, or an identity twice.
    """
    place = Path(folder)
    manifest = place if place.is_file() else place / MANIFEST
    if not manifest.exists():
        raise InputError(
            f"has no {MANIFEST}, expected one line of JSON an identity",
            path=place,
            hint='{"id": "a", "canonical": "a/canonical.ply", "meshes": "a/meshes"}; recon prepare synth bodies makes an example',
        )
    records = read_lines(manifest)
    if not records:
        raise InputError("names no identity, expected one line of JSON each", path=manifest)
    names, canonical, posed = [], [], []
    for number, record in enumerate(records, start=1):
        _check_record(record, number, manifest)
        if record["id"] in names:
            raise InputError(f"names {record['id']!r} twice, expected each identity once", path=manifest)
        names.append(record["id"])
        canonical.append(_file(manifest, record, "canonical", number))
        meshes = _file(manifest, record, "meshes", number)
        posed.append(tuple(meshes / name for name in surface_names(meshes)))
    return BodyFolder(tuple(names), tuple(canonical), tuple(posed))


def _check_record(record: Any, number: int, manifest: Path) -> None:
    if not isinstance(record, dict):
        raise InputError(f"record {number} is no object, expected the keys {', '.join(KEYS)}", path=manifest)
    missing = [key for key in KEYS if not isinstance(record.get(key), str) or not record[key]]
    if missing:
        raise InputError(f"record {number} has no text {' and no '.join(missing)}, expected the keys {', '.join(KEYS)}", path=manifest)


def _file(manifest: Path, record: dict[str, str], key: str, number: int) -> Path:
    file = inner_path(manifest.parent, record[key], place=f"record {number}", path=manifest)
    if not file.exists():
        raise InputError(f"record {number} names {record[key]}, which is not there", path=manifest, hint=f'correct its "{key}"')
    return file
