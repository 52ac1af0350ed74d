"""Random numbers of their own for every cause."""

from __future__ import annotations

import pytest

from recon_cli.core.errors import UsageError
from recon_cli.prepare.synth.draws import expect_one_of, expect_range, generators


def test_causes_have_numbers_of_their_own_that_come_back():
    first, again = (generators([3, 4], "shape", "noise") for _ in range(2))
    first["shape"].uniform(size=100)
    assert first["noise"].uniform() == again["noise"].uniform()
    assert first["shape"].uniform() != again["shape"].uniform()


def test_words_and_numbers_out_of_range_are_refused():
    with pytest.raises(UsageError, match="colour 'mauve' is unknown; expected red or blue"):
        expect_one_of("colour", "mauve", ("red", "blue"))
    with pytest.raises(UsageError, match="size is 3; expected 4 to 5"):
        expect_range("size", 3, 4, 5)
    expect_range("size", 4, 4, 5)
