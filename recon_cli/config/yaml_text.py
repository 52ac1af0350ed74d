"""The YAML that recipes are written in: the JSON-like core of YAML 1.2, bounded in size and depth.

Unlike YAML 1.1, ``1e-3`` is a number and ``on``, ``off``, ``yes``, ``no`` are words. Aliases are refused: a recipe has no use for them,
and a few lines of them can unfold into gigabytes.
"""

from __future__ import annotations

import re
from typing import Any

import yaml
from yaml.composer import ComposerError
from yaml.constructor import ConstructorError

MAX_BYTES = 1_000_000
MAX_DEPTH = 16

_TAG = "tag:yaml.org,2002:"
_SCALARS = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", "-+0123456789."),
)


class YamlTextError(ValueError):
    """A text is not the YAML that recipes are written in; the message says where and why."""


def parse(text: str) -> Any:
    """The value that a YAML text stands for.

    Raises:
        YamlTextError: malformed, too large, too deep, a key twice, an alias or a tag.
    """
    if len(text) > MAX_BYTES:
        raise YamlTextError(f"{len(text)} characters; expected at most {MAX_BYTES}")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise YamlTextError(f"{where}{error.problem or error.context}") from error
    except (yaml.YAMLError, ValueError) as error:
        raise YamlTextError(str(error).splitlines()[0]) from error


def dump(value: Any) -> str:
    """One line of YAML text from which ``parse`` gives the same value; keys keep their order."""
    boxed = yaml.dump([value], Dumper=_Dumper, sort_keys=False, allow_unicode=True, default_flow_style=True, width=float("inf"))
    return boxed.strip()[1:-1]


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list] = {}  # noqa: RUF012  (PyYAML's own class attribute)
    depth = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            self._refuse("aliases (*name) are not supported; write the value out")
        if getattr(self.peek_event(), "tag", None):
            self._refuse("tags (!name) are not supported; write a plain value")
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self._refuse(f"nested more than {MAX_DEPTH} deep")
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise ConstructorError(None, None, "a key is a list or a mapping; expected a word", key.start_mark)
            if key.value in seen:
                raise ConstructorError(None, None, f"the key '{key.value}' stands there twice", key.start_mark)
            seen.add(key.value)
        return {key.value: self.construct_object(value, deep=True) for key, value in node.value}

    def construct_yaml_map(self, node: Any) -> Any:
        yield self.construct_mapping(node, deep=True)

    def _refuse(self, why: str) -> None:
        raise ComposerError(None, None, why, self.peek_event().start_mark)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list] = {}  # noqa: RUF012

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _construct_int(loader: yaml.SafeLoader, node: Any) -> int:
    return int(loader.construct_scalar(node))


def _represent_float(dumper: yaml.SafeDumper, value: float) -> yaml.ScalarNode:
    text = repr(value) if value == value and abs(value) != float("inf") else {"inf": ".inf", "-inf": "-.inf", "nan": ".nan"}[repr(value)]
    return dumper.represent_scalar(f"{_TAG}float", text)


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    # Only double quotes keep characters such as NEL, which YAML takes for a line break, wherever they stand.
    return dumper.represent_scalar(f"{_TAG}str", value, style=None if value.isprintable() else '"')


for _name, _pattern, _first in _SCALARS:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(f"{_TAG}{_name}", re.compile(rf"^(?:{_pattern})$"), ["" if c == "\0" else c for c in _first])
_Loader.add_constructor(f"{_TAG}map", _Loader.construct_yaml_map)
_Loader.add_constructor(f"{_TAG}int", _construct_int)
_Dumper.add_representer(float, _represent_float)
_Dumper.add_representer(str, _represent_text)
