"""Folders of registered bodies: manifest.jsonl names a canonical mesh and a folder of posed meshes for every identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from recon_cli.core.closed_surface import closed_mesh
from recon_cli.core.errors import InputError
from recon_cli.core.face_tables import first_difference
from recon_cli.core.mesh import Mesh
from recon_cli.core.topology import check_finite
from recon_cli.io.atomic import PathText
from recon_cli.io.inner_paths import inner_path
from recon_cli.io.meshes import read_mesh
from recon_cli.io.records import read_lines
from recon_cli.io.surfaces import surface_names

MANIFEST = "manifest.jsonl"
KEYS = ("id", "canonical", "meshes")
_MOVED = "every posed mesh is the canonical one with its vertices moved"


@dataclass(frozen=True)
class _Topology:
    """What the posed meshes of an identity share with its canonical one.

    Attributes:
        vertices: number of them.
        faces: int32, shape [F, 3].
    """

    vertices: int
    faces: Tensor

    @staticmethod
    def of(mesh: Mesh) -> _Topology:
        return _Topology(len(mesh.vertices), mesh.faces.int())


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
    _topologies: dict[int, _Topology] = field(default_factory=dict, init=False, repr=False, compare=False)

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
        self._topologies[identity] = _Topology.of(mesh)
        return mesh

    def pose_count(self, identity: int) -> int:
        """Number of posed meshes of an identity."""
        return len(self.posed_files[identity])

    def posed(self, identity: int, pose: int) -> Tensor:  # [V, 3]
        """The vertices of a posed mesh [scene units].

        Raises:
            InputError: the file is missing or damaged, has other vertices or faces than the canonical mesh, or a vertex is not finite.
        """
        file = self.posed_files[identity][pose]
        mesh = read_mesh(file, geometry_only=True)
        self._expect_same(mesh, identity, file)
        check_finite(mesh, file)
        return mesh.vertices

    def _expect_same(self, mesh: Mesh, identity: int, file: Path) -> None:
        """Refuse vertices that cannot be those of the canonical mesh; their faces tell of another order."""
        known, name = self._topology(identity), self.canonical_files[identity].name
        for noun, seen, expected in (("vertices", mesh.vertices, known.vertices), ("faces", mesh.faces, len(known.faces))):
            if len(seen) != expected:
                raise InputError(f"has {len(seen)} {noun}, expected the {expected} of {name} in the same order", path=file, hint=_MOVED)
        row = first_difference(known.faces, mesh.faces.int())
        if row is not None:
            own, other = (", ".join(map(str, table[row].tolist())) for table in (mesh.faces, known.faces))
            raise InputError(
                f"has other faces than {name}: triangle {row} joins the vertices {own}, expected {other}",
                path=file,
                hint=f"{_MOVED}; are they in another order?",
            )

    def _topology(self, identity: int) -> _Topology:
        if identity not in self._topologies:
            self._topologies[identity] = _Topology.of(read_mesh(self.canonical_files[identity], geometry_only=True))
        return self._topologies[identity]


def read_bodies(folder: PathText) -> BodyFolder:
    """The identities that a folder's manifest names.

    Raises:
        InputError: the manifest is missing, empty or malformed, names a file that is not there or lies outside, or an identity twice, or
            counts other "frames" than there are posed meshes.
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
        _check_count(len(posed[-1]), record.get("frames"), meshes, f"record {number} of {manifest.name}")
    return BodyFolder(tuple(names), tuple(canonical), tuple(posed))


def _check_record(record: Any, number: int, manifest: Path) -> None:
    if not isinstance(record, dict):
        raise InputError(f"record {number} is no object, expected the keys {', '.join(KEYS)}", path=manifest)
    missing = [key for key in KEYS if not isinstance(record.get(key), str) or not record[key]]
    if missing:
        raise InputError(f"record {number} has no text {' and no '.join(missing)}, expected the keys {', '.join(KEYS)}", path=manifest)


def _check_count(count: int, frames: Any, meshes: Path, record: str) -> None:
    if isinstance(frames, int) and count != frames:
        raise InputError(
            f"holds {count} posed meshes, expected the {frames} that {record} counts as its frames",
            path=meshes,
            hint='copy the folder again, or correct "frames" if all are there that should be',
        )


def _file(manifest: Path, record: dict[str, str], key: str, number: int) -> Path:
    file = inner_path(manifest.parent, record[key], place=f"record {number}", path=manifest)
    if not file.exists():
        raise InputError(f"record {number} names {record[key]}, which is not there", path=manifest, hint=f'correct its "{key}"')
    return file
