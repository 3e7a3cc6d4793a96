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


MAX_CHARACTERS = 4_000_000
MAX_VALUES = 100_000  # keys and items; some thousands of labels with their weights are the largest configs
MAX_DEPTH = 50
MAX_DIGITS = 100  # of a whole number; Python itself reads some 4,300, and no setting has a dozen
MAX_REPEATED = 10_000  # values that aliases stand for, those within others counted again


class _Loader(yaml.SafeLoader):
    """SafeLoader with the implicit types of the YAML 1.2 core schema, and with bounds."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = self._count = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """Composes a value, unless it lies so deep in others that Python's stack would end, or there are too many."""
        self._depth += 1
        self._count += 1
        try:
            if self._count > MAX_VALUES:
                mark = self.peek_event().start_mark
                raise _Refused(mark, f"more than {MAX_VALUES:,} keys and values. Is it a file of data?")
            if self._depth > MAX_DEPTH:
                mark = self.peek_event().start_mark
                raise _Refused(mark, f"values lie within one another more than {MAX_DEPTH} deep. A config needs 4.")
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


class _Refused(Exception):
    """What is YAML and is not read."""

    def __init__(self, mark: yaml.Mark, reason: str) -> None:
        super().__init__(reason)
        self.mark = mark


_CORE_TYPES = (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+", "-+0123456789"),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(?:inf|Inf|INF)|\.nan|\.NaN|\.NAN", "-+."),
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
)
_PREFIX = "tag:yaml.org,2002:"
for _name, _pattern, _first in _CORE_TYPES:
    _Loader.add_implicit_resolver(f"{_PREFIX}{_name}", re.compile(rf"^(?:{_pattern})$"), list(_first))
_COLLECTIONS = (f"{_PREFIX}map", f"{_PREFIX}seq")
_FORMS = {
    name: re.compile("|".join(pattern for other, pattern, _ in _CORE_TYPES if other == name))
    for name, _, _ in _CORE_TYPES
}


def _construct_int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node), 10)


_Loader.add_constructor(f"{_PREFIX}int", _construct_int)


def _check_scalar(node: yaml.ScalarNode) -> None:
    """Refuses numbers that no setting has, and types that a tag declares and the value does not have."""
    kind = node.tag.removeprefix(_PREFIX)
    if kind == "int" and len(node.value) > MAX_DIGITS:
        raise _Refused(node.start_mark, f"a number of {len(node.value):,} digits. If it is text, put it in quotes.")
    if node.tag not in (f"{_PREFIX}str", *(f"{_PREFIX}{name}" for name in _FORMS)):
        raise _unread_tag(node)
    if kind in _FORMS and not _FORMS[kind].fullmatch(node.value):
        raise _Refused(node.start_mark, f"{node.value[:60]!r} is declared as !!{kind}, which it is not.")


def _unread_tag(node: yaml.Node) -> _Refused:
    return _Refused(node.start_mark, f"the tag {node.tag.replace(_PREFIX, '!!')} is not read. Leave it out.")


def _check_aliases(root: yaml.Node) -> None:
    """Refuses aliases that stand for themselves, or, within one another, for more values than a machine holds.

    Example: nine lists, each of nine aliases of the one before, stand for 9**9 values.
    """
    sizes: dict[int, int] = {}  # id of a node -> values that it stands for; 0 while they are being counted

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            if sizes[id(node)] == 0:
                raise _Refused(
                    node.start_mark, "what is named here by & holds itself. Write it without the alias (*)."
                )
            return sizes[id(node)]
        sizes[id(node)] = 0
        sizes[id(node)] = 1 + sum(size(child) for child in _children(node))
        return sizes[id(node)]

    if (repeated := size(root) - len(sizes)) > MAX_REPEATED:
        raise _Refused(
            root.start_mark,
            f"aliases (*) stand for {repeated:,} values; at most {MAX_REPEATED:,} are read. Write them out.",
        )


def _children(node: yaml.Node) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [child for pair in node.value for child in pair]
    return list(node.value) if isinstance(node, yaml.SequenceNode) else []


def _read_keys(node: yaml.Node, source: str, path: Path, lines: dict[Path, int]) -> None:
    """Makes every key the text that was written, refuses duplicates, and remembers the line of every key and item.

    Example: in `class_weights: {0: 1.0, 01: 5}` the keys are the labels `0` and `01`.
    """
    lines[path] = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        _check_scalar(node)
    elif node.tag not in _COLLECTIONS:
        raise _unread_tag(node)
    if isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            _read_keys(item, source, (*path, index), lines)
    if isinstance(node, yaml.MappingNode):
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _Refused(key_node.start_mark, "a list, or keys and values, cannot be a key. A key is a word.")
            if key_node.tag == f"{_PREFIX}null":
                raise _Refused(
                    key_node.start_mark, f"the key before the colon is {key_node.value!r}. A key is a word."
                )
            key = (*path, str(key_node.value))
            if key in lines:
                raise ConfigError(
                    f"{source}, line {key_node.start_mark.line + 1}: the key {key_node.value!r} is given twice "
                    f"(first in line {lines[key]}). Keep one."
                )
            _check_scalar(key_node)
            key_node.tag = f"{_PREFIX}str"
            _read_keys(value_node, source, key, lines)
            lines[key] = key_node.start_mark.line + 1


def load(text: str, source: str) -> tuple[Any, dict[Path, int]]:
    """Parses YAML text.

    Args:
        text: the document.
        source: its file name, for messages.

    Returns:
        The value, and the 1-based line of each key path.

    Raises:
        ConfigError: the text is not YAML, gives a key twice, or is made to use up a machine.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(
            f"{source}: {len(text):,} characters; a config has at most {MAX_CHARACTERS:,}. Is it a file of data?"
        )
    lines: dict[Path, int] = {}
    try:
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None, lines
            _check_aliases(node)
            _read_keys(node, source, (), lines)
            return loader.construct_document(node), lines
        finally:
            loader.dispose()
    except yaml.reader.ReaderError as error:
        where, code = f"{source}, line {text.count(chr(10), 0, error.position) + 1}", int(error.character)
        # Half of a pair: what stands for a byte that is not UTF-8.
        remedy = (
            "Write it as UTF-8" if 0xD800 <= code < 0xE000 else f'Where it is meant, write "\\u{code:04x}" in quotes'
        )
        raise ConfigError(f"{where}: the character U+{code:04X} cannot stand in YAML. Remove it. {remedy}.") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{source}, line {mark.line + 1}, column {mark.column + 1}" if mark else source
        raise ConfigError(f"{where}: this is not valid YAML: {_reason(error)}") from None
    except _Refused as refused:
        raise ConfigError(f"{source}, line {refused.mark.line + 1}: {refused}") from None


def _reason(error: yaml.MarkedYAMLError) -> str:
    problem = str(error.problem)
    if "found another document" in problem:
        return "a second document begins here. A config is one: remove the line ---, or make two files."
    if "'\\t'" in problem:
        return "a tab; YAML indents with spaces. Replace it by spaces."
    return f"{problem}."


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
