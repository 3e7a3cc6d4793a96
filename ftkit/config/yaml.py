"""YAML as people mean it: safe, no duplicate keys, and only YAML 1.2's core types.

PyYAML's default is YAML 1.1, in which `no` is False (so is the label of Norway), `1e-4` is text, `012` is 10
and `12:30` is 750. Here words stay words, `1e-4` is a number, and `012` is refused by whoever wants text.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

from ftkit.errors import ConfigError

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the implicit types of the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


_CORE_TYPES = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
for _name, _pattern, _first in _CORE_TYPES:
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 10)


_Loader.add_constructor("tag:yaml.org,2002:int", _construct_int)


def _check_keys(node: yaml.Node, source: str, path: Path, lines: dict[Path, int]) -> None:
    """Refuses duplicate keys, and remembers the line of every key and item."""
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _check_keys(item, source, (*path, index), lines)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            key = (*path, str(key_node.value))
            if key in lines:
                raise ConfigError(
                    f"{source}, line {key_node.start_mark.line + 1}: the key {key_node.value!r} is given twice "
                    f"(first in line {lines[key]}). Keep one."
                )
            _check_keys(value_node, source, key, lines)
            lines[key] = key_node.start_mark.line + 1


def load(text: str, source: str) -> tuple[Any, dict[Path, int]]:
    """Parses YAML text.

    Args:
        text: the document.
        source: its file name, for messages.

    Returns:
        The value, and the 1-based line of each key path.

    Raises:
        ConfigError: the text is not YAML, or gives a key twice.
    """
    lines: dict[Path, int] = {}
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _check_keys(node, source, (), lines)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        raise ConfigError(f"{where}: this is not valid YAML: {error.problem}.") from None
    finally:
        loader.dispose()


def parse_value(text: str, source: str) -> Any:
    """Parses the value of a `key=value` override by the same rules as a file."""
    return load(text, source)[0]


class _Dumper(yaml.SafeDumper):
    """SafeDumper that quotes what another YAML reader could take for something else than text."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.Node:
    # SafeDumper already quotes what YAML 1.1 would misread; 1e-4 is a number to us and needs quotes too.
    number = re.fullmatch(_CORE_TYPES[2][1], text) is not None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"' if number else None)


_Dumper.add_representer(str, _represent_text)


def dump(value: Any) -> str:
    """Returns `value` as YAML text, keys in their own order."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
