"""What a person writes into a card survives when it is written anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ftkit.report.card_merge import merge_cards, sections

LAST = """---
library_name: transformers
tags:
- ftkit
- text-classification
model-index:
- name: x
  results:
  - value: 0.5
---

# x

A model.

## Labels

a, b.

## How to use

```python
## no heading
run = "x"
```

## Scores

0.5
"""
NEW = LAST.replace("0.5", "0.75").replace('run = "x"', 'run = "owner/x"').replace("A model.", "A better model.")
NEW = NEW.replace("## Scores", "## Limits\n\nNone.\n\n## Scores").replace("tags:", "pipeline_tag: text\ntags:")


def test_a_card_that_nobody_edited_is_the_new_one() -> None:
    assert merge_cards(LAST, LAST, NEW) == NEW
    assert merge_cards(LAST, LAST.rstrip() + "\n\n\n", NEW).rstrip() == NEW.rstrip()


def test_a_person_s_words_stay_and_the_rest_is_new() -> None:
    mine = LAST.replace("library_name: transformers\n", "license: mit\nlibrary_name: transformers\n")
    mine = mine.replace("a, b.", "a: the first, b: the second.")
    mine = mine.replace("## Scores", "## Intended use\n\nMine alone.\n\n## Scores")
    merged = merge_cards(LAST, mine, NEW)
    expected = NEW.replace("library_name: transformers\n", "license: mit\nlibrary_name: transformers\n")
    expected = expected.replace("a, b.", "a: the first, b: the second.")
    expected = expected.replace("## Limits\n\nNone.\n\n", "## Limits\n\nNone.\n\n## Intended use\n\nMine alone.\n\n")
    assert merged == expected


def test_what_a_person_deleted_stays_deleted() -> None:
    mine = LAST.replace("## Labels\n\na, b.\n\n", "").replace("tags:\n- ftkit\n- text-classification\n", "")
    merged = merge_cards(LAST, mine, NEW)
    assert "## Labels" not in merged
    assert "tags:" not in merged
    assert "value: 0.75" in merged
    assert "pipeline_tag: text\n" in merged
    assert merge_cards(LAST, "\n", NEW) == NEW  # nothing at all is taken for a card that is missing


def test_an_edited_key_stays_whole() -> None:
    mine = LAST.replace("- ftkit\n", "- ftkit\n- my tag\n")
    merged = merge_cards(LAST, mine, NEW)
    assert "tags:\n- ftkit\n- my tag\n- text-classification\n" in merged
    assert "value: 0.75" in merged


def test_a_section_that_is_generated_no_more_goes_unless_it_was_edited() -> None:
    without = NEW.replace("## Labels\n\na, b.\n\n", "")
    assert "## Labels" not in merge_cards(LAST, LAST + "\n## Mine\n\nx\n", without)
    assert "mine, b." in merge_cards(LAST, LAST.replace("a, b.", "mine, b."), without)


def test_headings_in_code_and_equal_headings_are_told_apart() -> None:
    assert "## no heading" in sections(LAST)["How to use"]
    mine = LAST + "\n## Scores\n\nof my own\n"
    assert merge_cards(LAST, mine, NEW) == NEW + "\n## Scores\n\nof my own\n"


def test_line_ends_of_windows_stay() -> None:
    mine = ("\ufeff" + LAST + "\n## Mine\n\nx\n").replace("\n", "\r\n")
    merged = merge_cards(LAST, mine, NEW)
    assert merged == (NEW + "\n## Mine\n\nx\n").replace("\n", "\r\n")


# --- any edits --------------------------------------------------------------------------------------------

_names = st.sampled_from(["Labels", "Scores", "Limits", "Use", "Mine"])
_bodies = st.sampled_from(["one\n\n", "two\n\n", "```\n## code\n```\n\n", "three\n"])
_front = st.dictionaries(st.sampled_from(["license", "tags", "metrics"]), st.sampled_from(["a", "b", "\n- c"]))
_cards = st.builds(
    lambda front, found: (
        (f"---\n{''.join(f'{key}: {value}' + chr(10) for key, value in front.items())}---\n" if front else "")
        + "# x\n\n"
        + "".join(f"## {name}\n\n{body}" for name, body in found.items())
    ),
    _front,
    st.dictionaries(_names, _bodies),
)


@given(_cards, _cards)
def test_without_edits_the_new_card_is_the_result(last: str, new: str) -> None:
    assert merge_cards(last, last, new) == new


@given(_cards, _cards, _cards)
def test_merging_again_changes_nothing(last: str, mine: str, new: str) -> None:
    merged = merge_cards(last, mine, new)
    assert merge_cards(new, merged, new) == merged


@given(_cards, _cards, _cards)
def test_edited_and_added_sections_stay_as_the_person_left_them(last: str, mine: str, new: str) -> None:
    before, now, merged = sections(last), sections(mine), sections(merge_cards(last, mine, new))
    for name, text in now.items():
        if before.get(name, "").rstrip() != text.rstrip():
            assert merged[name].rstrip() == text.rstrip()
    for name in before.keys() - now.keys():
        assert name not in merged
