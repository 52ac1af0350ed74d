"""Bodies to train a model on: identities of several folders, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from recon_cli.core.closed_surface import enclosed_volume
from recon_cli.core.errors import InputError, UsageError
from recon_cli.core.mesh import Mesh
from recon_cli.io.bodies import BodyFolder, read_bodies
from recon_cli.systems.npm.bodies import poses_taken

LARGEST_RATIO = 20.0
"""Between the sizes of two bodies of one kind: a newborn's and a tall man's differ by 5, millimetres and metres by 1000."""


@dataclass(frozen=True)
class Counts:
    """How much there is to learn from.

    Attributes:
        identities: number of them.
        poses: posed meshes that take part.
        vertices: of the largest canonical mesh.
    """

    identities: int
    poses: int
    vertices: int


class JoinedBodies:
    """The identities of all folders, one after the other; names that several folders have begin with the folder's.

    Raises:
        UsageError: no folder was given, or one twice.
        InputError: a manifest is missing or malformed.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        if not folders:
            raise UsageError("BODIES is missing", hint="give a folder with manifest.jsonl; recon prepare synth bodies makes one")
        places = [folder.resolve() for folder in folders]
        for place in places:
            if places.count(place) > 1:
                raise UsageError(f"{place} is given twice", hint="give each folder once")
        self._parts = [read_bodies(folder) for folder in folders]
        self._places = [(part, identity) for part in self._parts for identity in range(len(part.names))]
        self._names = _distinct(places, self._parts)

    @property
    def names(self) -> Sequence[str]:
        """Of the identities, each another."""
        return self._names

    def canonical(self, identity: int) -> Mesh:
        """The closed mesh of an identity in the canonical pose [scene units]."""
        part, own = self._places[identity]
        return part.canonical(own)

    def pose_count(self, identity: int) -> int:
        """Number of posed meshes of an identity."""
        part, own = self._places[identity]
        return part.pose_count(own)

    def posed(self, identity: int, pose: int) -> Tensor:  # [V, 3]
        """The vertices of a posed mesh [scene units]."""
        part, own = self._places[identity]
        return part.posed(own, pose)

    def canonical_file(self, identity: int) -> Path:
        """Where the canonical mesh of an identity lies."""
        part, own = self._places[identity]
        return part.canonical_files[own]

    def posed_file(self, identity: int, pose: int) -> Path:
        """Where a posed mesh lies."""
        part, own = self._places[identity]
        return part.posed_files[own][pose]

    def files(self, most_poses: int) -> list[Path]:
        """All that decides a training of so many poses, in order."""
        found = []
        for identity in range(len(self._names)):
            found += [self.canonical_file(identity)]
            found += [self.posed_file(identity, pose) for pose in poses_taken(self, identity, most_poses)]
        return found


def check_bodies(bodies: JoinedBodies, most_poses: int) -> Counts:
    """Read every mesh that a training of at most so many poses would read.

    Raises:
        InputError: a canonical mesh is not closed or inside out, a posed mesh has other vertices, a number is not finite, or one body is
            so much larger than another that their units must differ.
    """
    sizes, poses, vertices = [], 0, 0
    for identity in range(len(bodies.names)):
        mesh = bodies.canonical(identity)
        _check_outside(mesh, bodies.canonical_file(identity))
        sizes.append(_size(mesh.vertices))
        vertices = max(vertices, len(mesh.vertices))
        for pose in poses_taken(bodies, identity, most_poses):
            _check_posed(_size(bodies.posed(identity, pose)), sizes[-1], bodies.posed_file(identity, pose))
            poses += 1
    _check_units(sizes, bodies)
    return Counts(len(bodies.names), poses, vertices)


def _distinct(places: Sequence[Path], parts: Sequence[BodyFolder]) -> tuple[str, ...]:
    every = [name for part in parts for name in part.names]
    if len(set(every)) == len(every):
        return tuple(every)
    # As many of the folders' last names as tell them apart.
    depth = next(depth for depth in range(1, 1 + max(len(place.parts) for place in places)) if _tells_apart(places, depth))
    labels = ["/".join(place.parts[-depth:]) for place in places]
    return tuple(f"{label}/{name}" if every.count(name) > 1 else name for label, part in zip(labels, parts) for name in part.names)


def _tells_apart(places: Sequence[Path], depth: int) -> bool:
    return len({place.parts[-depth:] for place in places}) == len(places)


def _size(vertices: Tensor) -> float:  # [V, 3]
    """Longest side of the vertices' box."""
    return float((vertices.amax(dim=0) - vertices.amin(dim=0)).max())


def _check_outside(mesh: Mesh, file: Path) -> None:
    volume = float(enclosed_volume(mesh.vertices.double(), mesh.faces))
    if not volume > 1e-9 * _size(mesh.vertices) ** 3:
        seen = "is inside out" if volume < 0 else "encloses no volume"
        raise InputError(f"{seen}, expected a body", path=file, hint="faces go counter-clockwise as seen from outside")


def _check_posed(size: float, canonical: float, file: Path) -> None:
    ratio = max(size, 1e-30) / canonical
    if not 1 / LARGEST_RATIO < ratio < LARGEST_RATIO:
        raise InputError(
            f"is {size:.4g} long and its canonical mesh {canonical:.4g}, expected the same unit",
            path=file,
            hint="scale it as the canonical mesh: millimetres among metres?",
        )


def _check_units(sizes: Sequence[float], bodies: JoinedBodies) -> None:
    if max(sizes) <= LARGEST_RATIO * min(sizes):
        return
    median = sorted(sizes)[(len(sizes) - 1) // 2]
    odd = max(range(len(sizes)), key=lambda identity: abs(math.log(sizes[identity] / median)))
    raise InputError(
        f"{bodies.names[odd]} is {sizes[odd]:.4g} long and half of the identities at most {median:.4g}; expected bodies in one unit",
        path=bodies.canonical_file(odd),
        hint="scale it, or leave it out: millimetres among metres?",
    )
