from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recon_cli.config.yaml_text import MAX_BYTES, YamlTextError, dump, parse

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(VALUES)
@example({"\x85": None})
@example("a\u2028b\nc: # 'd'")
def test_every_value_survives_a_round_trip(value):
    again = parse(dump(value))
    assert again == value
    assert type(again) is type(value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("off", "off"),
        ("012", 12),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("[1, 2.5, true, null, x]", [1, 2.5, True, None, "x"]),
        ("", None),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    assert parse(text) == value
    assert type(parse(text)) is type(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: 1\nb: 2\na: 3", "line 3: the key 'a' stands there twice"),
        ("a: &x [1]\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system ['true']", "tags"),
        ("[" * 1000, "nested more than"),
        ("a: " + "9" * 5000, "digits"),
        ("? [1]\n: 2", "a key is a list"),
        ("a: [1", "line 1"),
        ("a: 1\n--- b", "another document"),
        ("a: \x00", "special characters"),
        ("#" * (MAX_BYTES + 1), "at most"),
    ],
)
def test_hostile_or_malformed_text_is_refused(text, complaint):
    with pytest.raises(YamlTextError, match=complaint):
        parse(text)


def test_a_bomb_of_aliases_is_refused_before_it_unfolds():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    with pytest.raises(YamlTextError, match="aliases"):
        parse("\n".join(lines))
