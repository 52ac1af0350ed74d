"""Bodies that several tests look at; drawing one takes half a second."""

from __future__ import annotations

import functools

import pytest

from recon_cli.prepare.synth.bodies import BodySpec, MovedBody, make_body


@functools.cache
def _made(family: str, seed: int, settings: tuple) -> MovedBody:
    return make_body(BodySpec(family=family, **dict(settings)), seed=[seed, 0])[0]


@pytest.fixture(scope="session")
def moved_body():
    """Family, seed and settings of a BodySpec to a body in motion, each made once."""
    return lambda family, seed=0, **settings: _made(family, seed, tuple(sorted(settings.items())))
