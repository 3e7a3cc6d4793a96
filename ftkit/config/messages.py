"""What is wrong with a config, in words: pydantic's list of errors as one line for each wrong key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from ftkit.config.train import MANAGED, RENAMED
from ftkit.config.train_values import HINTS
from ftkit.data.spec import HubSource, ParallelSource
from ftkit.errors import did_you_mean, name_list

KeyPath = tuple[str | int, ...]
MOVED = {"spec_augment": "augment: {spec_augment: ...}, beside the other changes of training recordings"}
"""Keys of `data` that stand elsewhere today."""
SOURCES = ("train", "validation", "test")
Sections = Mapping[str, type[BaseModel]]
Owners = Mapping[str, Sequence[str]]


def shown(value: Any) -> str:
    """Returns a value as a message shows it: text in quotes, and what sort of thing it is."""
    if value is None:
        return "nothing"
    names = {bool: "the truth value", int: "the number", float: "the number", str: "the text"}
    if isinstance(value, (dict, list)):
        return "keys and values" if isinstance(value, dict) else "a list"
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return f"{names.get(type(value), type(value).__name__)} {shown}"


def explain(
    error: ValidationError,
    raw: dict[str, Any],
    name: str,
    lines: Mapping[KeyPath, int],
    sections: Sections,
    owners: Owners,
) -> str:
    """Turns pydantic's list into one line per wrong key.

    Args:
        raw: the document.
        name: of the file.
        lines: key -> line of the file.
        sections: top-level key -> its model; the whole document under the empty name.
        owners: key of `data` -> the kinds that it belongs to.
    """
    expected: dict[KeyPath, list[str]] = {}
    for item in error.errors():
        path = _path_in_document(item["loc"], raw, missing=item["type"] in ("missing", "extra_forbidden"))
        expected.setdefault(path, []).append(_problem(path, item, raw, sections, owners))
    messages = []
    for path, problems in expected.items():
        if any(deeper[: len(path)] == path and deeper != path for deeper in expected if path):
            continue  # one branch of a union found the real problem further down
        dotted = ".".join(str(part) for part in path)
        line = lines.get(path)
        where = name if line is None else f"{name}, line {line}"
        text = _joined(problems, _value(raw, path), is_override=bool(lines) and line is None)
        text += _purpose(path, _value(raw, path))
        messages.append(f"{where}: {dotted}: {text}" if dotted else f"{where}: {text}")
    return "\n".join(messages)


def _joined(problems: Sequence[str], value: Any, *, is_override: bool) -> str:
    """Returns what the branches of a union say of one value, as one sentence.

    Args:
        is_override: the value stands on the command line, where the shell takes one pair of quotes away.
    """
    whole = [problem for problem in problems if not problem.startswith("expected ")]
    choices = list(dict.fromkeys(problem.removeprefix("expected ") for problem in problems if problem not in whole))
    if whole:
        others = "".join(f"{choice} or " for choice in choices)
        return whole[0].replace("expected one of ", f"expected {others}one of ", 1)
    hint = ""
    if "text" in choices and isinstance(value, (int, float)) and not any("number" in choice for choice in choices):
        hint = " Put it in quotes" + (", and these in others for the shell: 'KEY=\"TEXT\"'." if is_override else ".")
    elif choices == ["a list"] and isinstance(value, str):
        # In YAML '#' would begin a comment.
        hint = " Write [255, 0, 0] for #ff0000." if value.startswith("#") else f" Write [{value}]."
    return f"expected {' or '.join(choices)}, got {shown(value)}.{hint}"


def _purpose(path: KeyPath, value: Any) -> str:
    """Returns what to do instead, where a number that is too small has a purpose."""
    too_small = isinstance(value, (int, float)) and not isinstance(value, bool) and value <= 0
    hint = HINTS.get(str(path[-1])) if path[0] == "train" and len(path) == 2 and too_small else None
    return f" {hint}" if hint else ""


def _path_in_document(location: tuple[str | int, ...], raw: Any, *, missing: bool) -> KeyPath:
    """Drops the parts that pydantic adds for the branches of a union: they are no keys of the document."""
    path: list[str | int] = []
    value = raw
    for index, part in enumerate(location):
        inside = isinstance(value, dict) and part in value
        inside = inside or (isinstance(value, list) and isinstance(part, int) and part < len(value))
        if inside:
            value = value[part]
            path.append(part)
        elif missing and index == len(location) - 1:
            path.append(part)
    return tuple(path)


def _value(raw: Any, path: KeyPath) -> Any:
    for part in path:
        raw = raw[part] if not isinstance(raw, dict) or part in raw else None
    return raw


_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "float_type": "a number",
    "float_parsing": "a number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "none_required": "nothing",
    "finite_number": "a finite number",
}


def _problem(path: KeyPath, item: Any, raw: dict[str, Any], sections: Sections, owners: Owners) -> str:
    """Returns one problem: `expected ...` to be joined with others of the same key, or a whole sentence."""
    kind, context = item["type"], item.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(path, raw, sections, owners)
    if kind == "missing":
        return f"this key is missing. {_field_help(path, sections)}"
    if kind == "literal_error":
        value = _value(raw, path)
        choices = [choice.strip("' ") for choice in context["expected"].replace(" or ", ", ").split(",")]
        if isinstance(value, (dict, list)):  # the words are one branch of what the key takes
            return f"expected {name_list(choices)}"
        return f"got {shown(value)}, expected one of {name_list(choices)}.{did_you_mean(str(value), choices)}"
    bounds = {"gt": "above", "ge": "at least", "lt": "below", "le": "at most"}
    limits = [f"{word} {_plain(context[name])}" for name, word in bounds.items() if name in context]
    if limits:
        return f"expected a number {' and '.join(limits)}"
    if kind == "expectation":  # of a validator of ftkit's own
        return item["msg"]
    return f"expected {_EXPECTED[kind]}" if kind in _EXPECTED else f"{item['msg'].removeprefix('Value error, ')}."


def _plain(number: Any) -> Any:
    """Returns a bound as people write it: 0 and not 0.0."""
    return int(number) if number == int(number) else number


def _model_at(path: KeyPath, sections: Sections) -> type[BaseModel]:
    """Returns the section that a key belongs to, however deep it lies."""
    if len(path) == 1:
        return sections[""]
    model = sections.get(str(path[0]), sections[""])
    for part in path[1:-1]:
        field = model.model_fields.get(str(part))
        inner = [] if field is None else [one for one in _parts_of(field.annotation) if _is_model(one)]
        if len(inner) != 1:
            return model
        model = inner[0]
    return model


def _parts_of(annotation: Any) -> tuple[Any, ...]:
    """Returns the branches of a union; anything else alone."""
    return get_args(annotation) or (annotation,)


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _unknown_key(path: KeyPath, raw: dict[str, Any], sections: Sections, owners: Owners) -> str:
    """Says what an unknown key should have been."""
    key, section = str(path[-1]), _value(raw, path[:-1])
    if path[0] == "data" and len(path) == 3 and path[1] in SOURCES and isinstance(section, dict):
        source = ParallelSource if section.keys() & {"source", "target"} else HubSource
        keys = list(source.model_fields)
        return f"no such key.{did_you_mean(key, keys)} Keys here: {name_list(keys)}."
    if path[0] == "train" and key in RENAMED:
        return f"no such key today; say {RENAMED[key]}."
    if path[0] == "train" and key in MANAGED:
        return f"not to be set here: {MANAGED[key]}."
    if path[0] == "data" and len(path) == 2 and key in MOVED:
        return f"no such key today; say {MOVED[key]}."
    if path[0] == "data" and len(path) == 2 and key in owners:
        return f"a key of {name_list(owners[key])}, and this task is {raw.get('task')}. Leave it out."
    choices = list(_model_at(path, sections).model_fields)
    elsewhere = [name for name in ("model", "data", "train", "push") if key in sections[name].model_fields]
    if len(path) == 1 and elsewhere:
        return f"no such key at the top level; it belongs in the section {elsewhere[0]}: {elsewhere[0]}.{key}."
    listed = "" if path[0] == "train" else f" Keys here: {name_list(choices)}."
    return f"no such key.{did_you_mean(key, choices)}{listed}"


def _field_help(path: KeyPath, sections: Sections) -> str:
    field = _model_at(path, sections).model_fields.get(str(path[-1]))
    return field.description or "" if field else ""
