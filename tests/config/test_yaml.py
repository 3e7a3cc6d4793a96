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


def test_keys_are_the_words_that_were_written():
    """Labels are keys of `class_weights`."""
    text = "{0: 1, 01: 2, 1.50: 3, true: 4, no: 6, 1e-4: 7, '8': 8}"
    assert list(strict_yaml.parse_value(text, "x")) == ["0", "01", "1.50", "true", "no", "1e-4", "8"]
    with pytest.raises(ConfigError, match="the key '0' is given twice"):
        strict_yaml.parse_value("{0: 1, '0': 2}", "x")


def test_a_key_given_twice_names_both_lines():
    with pytest.raises(ConfigError, match=r"run.yaml, line 3: the key 'a' is given twice \(first in line 1\)"):
        strict_yaml.load("a: 1\nb: 2\na: 3\n", "run.yaml")


def test_broken_yaml_names_line_and_column():
    with pytest.raises(ConfigError, match=r"run.yaml, line 3, column \d+: this is not valid YAML"):
        strict_yaml.load("a: 1\nb: [1, 2\nc: 3: 4\n", "run.yaml")


def test_python_tags_are_refused():
    with pytest.raises(ConfigError, match="the tag !!python/object/apply:os.system is not read"):
        strict_yaml.load("a: !!python/object/apply:os.system ['true']", "run.yaml")


LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefghi", "bcdefghij", strict=True)
)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (LAUGHS, r"aliases \(\*\) stand for [\d,]+ values"),
        ("a: 1\nb: &b\n  c: *b\n", "line 2: .*holds itself"),
        ("a: 1\nb: " + "[" * 2000, "line 2: values lie within one another"),
        ("".join(f"{' ' * depth}a:\n" for depth in range(2000)), "line 50: values lie within one another"),
        ("a: " + "b" * 4_000_001, "a config has at most 4,000,000"),
        ("a: 1\nb: " + "9" * 5000, "line 2: a number of 5,000 digits"),
        ("a: 1\nb: \0", r'line 2: the character U\+0000 cannot stand in YAML. .* write "\\u0000"'),
        ("a: \udcff", r"U\+DCFF cannot stand in YAML. Remove it. Write it as UTF-8"),
        ("a: 1\n---\nb: 2", "line 2.*a second document begins here"),
        ("a: 1\n\tb: 2", "line 2.*a tab; YAML indents with spaces"),
        ("a: 1\n? [b, c]\n: d", "line 2: .*cannot be a key"),
        ("a: 1\n~: b", "line 2: the key before the colon is '~'"),
        ("a: !!int b", "line 1: 'b' is declared as !!int, which it is not"),
        ("a: !!bool maybe", "line 1: 'maybe' is declared as !!bool"),
        ("a: !!timestamp x", "line 1: the tag !!timestamp is not read"),
        ("a: !!set {b}", "line 1: the tag !!set is not read"),
        ("a: *nothing", "line 1.*undefined alias"),
    ],
)
def test_what_is_no_config_is_told_by_line(text, told):
    with pytest.raises(ConfigError, match=told):
        strict_yaml.load(text, "run.yaml")


def test_a_file_of_data_is_no_config(monkeypatch):
    monkeypatch.setattr(strict_yaml, "MAX_VALUES", 10)
    with pytest.raises(ConfigError, match="line 2: more than 10 keys and values. Is it a file of data?"):
        strict_yaml.load("a: 1\nb: [" + "b, " * 20 + "]", "x")


def test_a_block_may_be_shared_by_aliases():
    text = "a: &shared {b: [1, 2]}\nc: *shared\nd: *shared\n"
    value, lines = strict_yaml.load(text, "x")
    assert value == {key: {"b": [1, 2]} for key in "acd"}
    assert lines[("c", "b")] == 1
