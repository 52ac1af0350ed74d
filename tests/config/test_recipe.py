from __future__ import annotations

import itertools
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from recon_cli.config import recipe as recipe_room
from recon_cli.config.recipe import Recipe, load_recipe, recipe_names, recipe_text
from recon_cli.core.errors import InputError, UsageError


class Solver(Recipe):
    steps: int = Field(4, ge=1, description="how many, at most: # never zero")
    rate: float = Field(1e-3, gt=0)
    kind: Literal["fast", "slow"] = "fast"


class Whole(Recipe):
    title: str = "off"
    gravity: tuple[float, float, float] = (0.0, 0.0, 0.0)
    solver: Solver = Solver()
    extra: Solver | None = None


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A shipped-recipes folder and a user's folder beside it."""
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    (shipped / "whole_default.yaml").write_text("solver: {rate: 0.5}\n")
    (shipped / "whole_fast.yaml").write_text("base: whole_default\nsolver: {steps: 1}\n")
    monkeypatch.setattr(recipe_room, "_shipped_folder", lambda: shipped)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_base_is_laid_under_key_by_key(folder):
    assert load_recipe("whole_fast", Whole).solver == Solver(steps=1, rate=0.5)


def test_a_file_beside_wins_over_a_shipped_name_as_base(folder):
    (folder / "whole_default.yaml").write_text("title: mine\n")
    (folder / "mine.yaml").write_text("base: whole_default\n")
    assert load_recipe("mine.yaml", Whole).title == "mine"
    (folder / "far").mkdir()
    (folder / "far" / "x.yaml").write_text("base: ../mine.yaml\ngravity: [0, -9.81, 0]\n")
    far = load_recipe(folder / "far" / "x.yaml", Whole)
    assert (far.title, far.gravity) == ("mine", (0.0, -9.81, 0.0))


def test_the_command_line_has_the_last_word_and_the_last_one_wins(folder):
    whole = load_recipe("whole_fast", Whole, ["solver.rate=1e-2", "solver.steps=7", "solver.steps=9", "extra={kind: slow}"])
    assert whole.solver == Solver(steps=9, rate=0.01)
    assert whole.extra == Solver(kind="slow")


def test_the_printed_recipe_loads_as_an_equal_one(folder):
    whole = load_recipe("whole_fast", Whole, ["gravity=[1, 2.5, -3e-7]", "extra.kind=slow", "title='a: # b'"])
    (folder / "printed.yaml").write_text(recipe_text(whole))
    assert load_recipe("printed.yaml", Whole) == whole
    assert "never zero" in recipe_text(whole)


def test_a_resolved_recipe_cannot_be_changed(folder):
    with pytest.raises(ValidationError, match="frozen"):
        load_recipe("whole_fast", Whole).solver.steps = 3


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("solver.stps=3", "--set: unknown key 'solver.stps'; did you mean 'solver.steps'?"),
        ("extra.knd=slow", "unknown key 'extra.knd'; did you mean 'extra.kind'?"),
        ("solver.zzzzzz=3", "expected one of: steps, rate, kind"),
        ("solver.steps=0", "--set: solver.steps is 0; expected greater than or equal to 1"),
        ("solver.steps=1.5", "solver.steps is 1.5; expected a valid integer"),
        ("solver.steps=true", "solver.steps is true; expected a valid integer"),
        ("solver.rate=.nan", "expected a finite number"),
        ("solver.rate=.inf", "expected a finite number"),
        ("solver.kind=quick", "expected 'fast' or 'slow'"),
        ("solver=3", "solver is 3; expected a group of keys"),
        ("solver.steps.x=3", "solver.steps is 1 in"),
        ("gravity=[1, 2]", "gravity.2"),
        ("title=3", "expected a valid string"),
        ("solver.steps", "expected KEY=VALUE"),
        ("=3", "expected KEY=VALUE"),
        ("solver..steps=3", "expected KEY=VALUE"),
        ("title=[", "not YAML"),
        ("base=whole_default", "a base belongs in a recipe file"),
    ],
)
def test_a_wrong_override_says_what_was_expected(folder, override, complaint):
    with pytest.raises(UsageError) as caught:
        load_recipe("whole_fast", Whole, [override])
    assert complaint in str(caught.value)


def test_a_wrong_key_names_the_file_of_the_chain_that_set_it(folder):
    (folder / "low.yaml").write_text("solver: {steps: -1}\n")
    (folder / "top.yaml").write_text("base: low\ntitle: 4\n")
    with pytest.raises(UsageError) as caught:
        load_recipe("top.yaml", Whole)
    assert "low.yaml: solver.steps is -1; expected greater than or equal to 1" in str(caught.value)
    assert "top.yaml: title is 4" in str(caught.value)


@pytest.mark.parametrize("names", [("one", "one"), ("one", "two", "one")])
def test_a_circle_of_bases_is_refused(folder, names):
    for name, base in itertools.pairwise(names):
        (folder / f"{name}.yaml").write_text(f"base: {base}\n")
    with pytest.raises(InputError, match=r"in a circle: one\.yaml"):
        load_recipe("one.yaml", Whole)


@pytest.mark.parametrize(
    ("name", "content", "error", "complaint"),
    [
        ("whole_fst", None, UsageError, "did you mean 'whole_fast'"),
        ("none.yaml", None, InputError, "no such recipe file"),
        ("list.yaml", b"[1, 2]", InputError, "holds a list"),
        ("bytes.yaml", b"\xff\xfe\x00", InputError, "not UTF-8"),
        ("twice.yaml", b"title: a\ntitle: b", InputError, "line 2: the key 'title'"),
        ("base.yaml", b"base: [a, b]", InputError, "expected the name or path of one recipe"),
        ("lost.yaml", b"base: nowhere", UsageError, "unknown recipe 'nowhere'"),
    ],
)
def test_a_recipe_that_cannot_be_read_is_explained(folder, name, content, error, complaint):
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(error, match=complaint):
        load_recipe(name, Whole)


def test_an_empty_recipe_is_all_defaults(folder):
    (folder / "empty.yaml").write_text("")
    assert load_recipe("empty.yaml", Whole) == Whole()


def test_names_are_those_of_the_shipped_files(folder):
    assert recipe_names("whole_") == ["whole_default", "whole_fast"]
    assert recipe_names("other") == []
