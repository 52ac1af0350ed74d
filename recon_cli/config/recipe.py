"""Recipes: one YAML file per way of running a system, resolved into a validated frozen model.

A recipe may name another one under ``base:`` and states only what differs; ``--set a.b=v`` has the last word.
"""

from __future__ import annotations

import difflib
import json
import typing
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import pydantic

from recon_cli.config.yaml_text import YamlTextError, dump, parse
from recon_cli.core.errors import InputError, UsageError

COMMAND_LINE = "--set"
_SHOWN_PROBLEMS = 8


class Recipe(pydantic.BaseModel):
    """Base of all recipe models: frozen, no unknown keys, no NaN, no silent change of type."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True, strict=True)


Model = TypeVar("Model", bound=Recipe)


def load_recipe(name_or_path: str | PathLike[str], model: type[Model], overrides: Sequence[str] | None = None) -> Model:
    """The recipe of that name or file, with ``key.path=value`` overrides applied, as a ``model``.

    Args:
        name_or_path: a shipped recipe's name, or the path of a YAML file.
        overrides: texts ``a.b=v``; the value is read as YAML.

    Raises:
        UsageError: an unknown recipe or key, a value out of range, a malformed override.
        InputError: a recipe file is missing or malformed, or recipes name each other as base in a circle.
    """
    path = _find(str(name_or_path), beside=None)
    values, sources = _resolve(path, ())
    for text in overrides or ():
        _override(values, sources, text, str(path))
    try:
        return model.model_validate_json(json.dumps(values))
    except pydantic.ValidationError as error:
        raise _explained(error, model, sources, str(path)) from error


def recipe_text(recipe: Recipe) -> str:
    """The whole recipe as YAML, every key written out and described; ``load_recipe`` gives an equal model back."""
    return "\n".join(_lines(recipe, "")) + "\n"


def recipe_names(prefix: str = "") -> list[str]:
    """Names of the shipped recipes that start with ``prefix``, sorted."""
    return sorted(path.stem for path in _shipped_folder().glob("*.yaml") if path.stem.startswith(prefix))


def _lines(recipe: Recipe, indent: str) -> Iterator[str]:
    for name, field in type(recipe).model_fields.items():
        value = getattr(recipe, name)
        comment = f"  # {field.description}" if field.description else ""
        if isinstance(value, Recipe):
            yield f"{indent}{name}:{comment}"
            yield from _lines(value, f"{indent}  ")
            continue
        value_text = dump(recipe.model_dump(mode="json", include={name})[name])
        yield f"{indent}{name}: {value_text}{comment}"


def _shipped_folder() -> Path:
    # A wheel carries the recipes inside the package; in a checkout they lie beside it.
    package = Path(str(files("recon_cli")))
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"


def _find(text: str, *, beside: Path | None) -> Path:
    """Path of a recipe named by a file path (relative to ``beside``, if given) or by a bare name."""
    folder = beside or Path()
    if text.endswith((".yaml", ".yml")) or "/" in text:
        return folder / text
    candidates = [_shipped_folder() / f"{text}.yaml"]
    if beside is not None:
        candidates.insert(0, beside / f"{text}.yaml")
    for path in candidates:
        if path.is_file():
            return path
    names = recipe_names()
    hint = f"shipped recipes: {', '.join(names)}; a file needs its .yaml ending" if names else None
    raise UsageError(f"unknown recipe '{text}'{_did_you_mean(text, names)}", hint=hint)


def _read(path: Path) -> dict[str, Any]:
    try:
        values = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError("no such recipe file", path=path, hint=f"use a file, or one of: {', '.join(recipe_names())}") from error
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", path=path) from error
    except UnicodeDecodeError as error:
        raise InputError("is not UTF-8 text; expected a YAML recipe", path=path) from error
    except YamlTextError as error:
        raise InputError(str(error), path=path, hint="a recipe is a YAML mapping of keys to values") from error
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError(f"holds a {type(values).__name__}; expected a mapping of keys to values", path=path)
    return values


def _resolve(path: Path, chain: tuple[Path, ...]) -> tuple[dict[str, Any], dict[tuple[str, ...], str]]:
    """Values of a recipe file merged over its bases, and for each key path the file that set it."""
    if path.resolve() in chain:
        circle = " -> ".join(step.name for step in (*chain, path.resolve()))
        raise InputError(f"recipes name each other as base in a circle: {circle}", path=path)
    values = _read(path)
    base = values.pop("base", None)
    merged: dict[str, Any] = {}
    sources: dict[tuple[str, ...], str] = {}
    if base is not None:
        if not isinstance(base, str):
            raise InputError(f"base is {json.dumps(base)}; expected the name or path of one recipe", path=path)
        merged, sources = _resolve(_find(base, beside=path.parent), (*chain, path.resolve()))
    _merge(merged, values, sources, str(path), ())
    return merged, sources


def _merge(
    target: dict[str, Any], values: Mapping[str, Any], sources: dict[tuple[str, ...], str], source: str, at: tuple[str, ...]
) -> None:
    """Lay ``values`` over ``target``: mappings key by key, anything else whole."""
    for key, value in values.items():
        where = (*at, key)
        sources[where] = source
        if isinstance(value, dict):
            inner = target.get(key)
            target[key] = inner if isinstance(inner, dict) else {}
            _merge(target[key], value, sources, source, where)
        else:
            target[key] = value


def _override(values: dict[str, Any], sources: dict[tuple[str, ...], str], text: str, path: str) -> None:
    key_path, equals, value_text = text.partition("=")
    keys = [key.strip() for key in key_path.split(".")]
    if not equals or not all(keys):
        raise UsageError(f"{COMMAND_LINE} {text}: expected KEY=VALUE, such as a.b=0.5")
    try:
        value = parse(value_text)
    except YamlTextError as error:
        raise UsageError(f"{COMMAND_LINE} {text}: the value is not YAML: {error}") from error
    if keys == ["base"]:
        raise UsageError(f"{COMMAND_LINE} base: a base belongs in a recipe file", hint="use --recipe NAME to start from another recipe")
    nested: Any = value
    for key in reversed(keys):
        nested = {key: nested}
    for depth in range(1, len(keys)):
        inner = _at(values, keys[:depth])
        if inner is not None and not isinstance(inner, dict):
            raise UsageError(f"{COMMAND_LINE} {text}: {'.'.join(keys[:depth])} is {json.dumps(inner)} in {path}, not a group of keys")
    _merge(values, nested, sources, COMMAND_LINE, ())


def _at(values: Any, keys: Sequence[str]) -> Any:
    for key in keys:
        values = values.get(key) if isinstance(values, dict) else None
    return values


def _explained(error: pydantic.ValidationError, model: type[Recipe], sources: Mapping[tuple[str, ...], str], path: str) -> UsageError:
    """Pydantic's list of complaints as one error with key path, origin, value and expectation."""
    problems = [_problem(detail, model, sources, path) for detail in error.errors(include_url=False)]
    origins = {origin for origin, _ in problems}
    shown = [text if len(origins) == 1 else f"{origin}: {text}" for origin, text in problems[:_SHOWN_PROBLEMS]]
    if len(problems) > _SHOWN_PROBLEMS:
        shown.append(f"and {len(problems) - _SHOWN_PROBLEMS} more")
    where = origins.pop() if len(origins) == 1 else path
    return UsageError("\n  ".join(shown), path=where, hint="--print-recipe shows a whole recipe with every key")


def _problem(detail: Any, model: type[Recipe], sources: Mapping[tuple[str, ...], str], path: str) -> tuple[str, str]:
    loc = tuple(str(part) for part in detail["loc"])
    origin = next((sources[loc[:n]] for n in range(len(loc), 0, -1) if loc[:n] in sources), path)
    name = ".".join(loc) or "the recipe"
    if detail["type"] == "extra_forbidden":
        known = list(_keys_at(model, detail["loc"][:-1]))
        guess = _did_you_mean(loc[-1], known, prefix=loc[:-1])
        return origin, f"unknown key '{name}'{guess or '; expected one of: ' + ', '.join(known)}"
    if detail["type"] == "missing":
        return origin, f"the key '{name}' is missing"
    message = "a group of keys" if detail["type"] == "model_type" else detail["msg"]
    for opening in ("Input should be ", "Value error, "):
        message = message.removeprefix(opening)
    if detail["type"] == "value_error" and isinstance(detail["input"], dict):  # of keys that do not go together: the message says which
        return origin, f"in {name}, {message}"
    return origin, f"{name} is {json.dumps(detail['input'], default=str)}; expected {message}"


def _keys_at(model: type[Recipe], loc: Sequence[int | str]) -> Iterator[str]:
    """Field names of the model that lies at ``loc``, looking through Optional, unions, lists and tuples."""
    models = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        annotations = [inner.model_fields[part].annotation for inner in models if part in inner.model_fields]
        models = [found for annotation in annotations for found in _models_in(annotation)] or models
    for inner in models:
        yield from inner.model_fields


def _models_in(annotation: Any) -> Iterator[type[Recipe]]:
    if isinstance(annotation, type) and issubclass(annotation, pydantic.BaseModel):
        yield annotation  # pyright: ignore[reportReturnType]
    for inner in typing.get_args(annotation):
        yield from _models_in(inner)


def _did_you_mean(word: str, known: Sequence[str], *, prefix: Sequence[str] = ()) -> str:
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{'.'.join((*prefix, close[0]))}'?" if close else ""
