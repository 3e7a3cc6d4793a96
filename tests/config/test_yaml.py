"""YAML is read by the 1.2 core rules, and refuses duplicate keys."""

import pytest

from ftkit.config import yaml as strict_yaml
from ftkit.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("Off", "Off"),
        ("yes", "yes"),
        ("true", True),
        ("1e-4", 1e-4),
        ("1.0e-4", 1e-4),
        ("+3", 3),
        ("012", 12),
        ("0x1f", "0x1f"),
        ("12:30", "12:30"),
        ("2020-01-01", "2020-01-01"),
        ("~", None),
        ("'01'", "01"),
        (".5", 0.5),
        ("", None),
    ],
)
def test_a_scalar_is_what_it_looks_like(text, value):
    found = strict_yaml.parse_value(text, "x")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("text", ["no", "1e-4", "01", "12:30", "true", "null", "", "1", "a: b", "- x", "é", "x\ny"])
def test_text_survives_a_round_trip(text):
    assert strict_yaml.load(strict_yaml.dump({"key": text}), "x")[0] == {"key": text}


def test_a_key_given_twice_names_both_lines():
    with pytest.raises(ConfigError, match=r"run.yaml, line 3: the key 'a' is given twice \(first in line 1\)"):
        strict_yaml.load("a: 1\nb: 2\na: 3\n", "run.yaml")


def test_broken_yaml_names_line_and_column():
    with pytest.raises(ConfigError, match=r"run.yaml, line 3, column \d+: this is not valid YAML"):
        strict_yaml.load("a: 1\nb: [1, 2\nc: 3: 4\n", "run.yaml")


def test_python_tags_are_refused():
    with pytest.raises(ConfigError, match="not valid YAML"):
        strict_yaml.load("a: !!python/object/apply:os.system ['true']", "run.yaml")
