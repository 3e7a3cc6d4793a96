"""Names and texts of users reach the card and the page as text, never as markup or code."""

from __future__ import annotations

import ast
import dataclasses
import html
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import report_contents as contents
from huggingface_hub import ModelCard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

import sketches
from ftkit.report.card import card_text, card_values
from ftkit.report.content import ReportContent
from ftkit.report.escape import literal, markdown_text, shell_word
from ftkit.report.files import write_report
from ftkit.report.recipe import Recipe
from ftkit.report.shared import shared_files
from ftkit.report.usage.classify import ClassifyRecipe
from ftkit.report.usage.tag import TagRecipe
from ftkit.report.usage.write import WriteRecipe

NASTY = (
    "<script>alert(1)</script>",
    "a|b|c",
    "`tick` ``two``",
    "line\nbreak\r\n\r\n# heading",
    "](javascript:alert(1))",
    "[x](javascript:alert(1)) ![y](http://a.b/c.png)",
    "```\n</code><img src=x onerror=alert(1)>\n```",
    "---",
    "- item",
    "1. item",
    "> quote",
    "&lt;b&gt; &#60;i&#62;",
    "<!-- comment",
    "on: *run* {yes: !!python/object/apply:os.system [ls]}",
    "'; import os; os._exit(3) #",
    '"); raise SystemExit(3) #',
    "$(touch pwned) `touch pwned`",
    "turned \u202e round \u2028 next",
    "<details></details><iframe src=//a.b>",
    "{{ 7 * 7 }}{% raw %}",
)
TAGS = {
    *("h1", "h2", "p", "a", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"),
    *("blockquote", "details", "summary"),
}


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: set[str] = set()
        self.links: set[str] = set()
        self.comments = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add(tag)
        allowed = {"href", "style", "class"}  # of links, of cells' alignment, of blocks' languages
        assert {name for name, _ in attrs} <= allowed, attrs
        self.links |= {value or "" for name, value in attrs if name == "href"}

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def rendered(card: str) -> Elements:
    body = ModelCard(card).text
    return Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))


def nasty_content(name: str, **changes: object) -> ReportContent:
    labels = (name, f"{name} 2", "plain")
    content = contents.single_label_content(
        labels, num_rows=60, title=name, checkpoint=f"/models/{name}", base_on_hub=None, warnings=(name,), **changes
    )
    for split in content.evaluated:
        split.split.examples[:] = contents.examples(  # type: ignore[index]
            [labels[label] for label in split.references], texts=(name,)
        )
    for facts in content.results["data"].values():
        facts.update(source=name, fingerprint=name)
    content.results["environment"]["packages"][name] = name
    return dataclasses.replace(content, task_name=name, decoder=name)


def codes(card: str) -> Iterator[tuple[str, str]]:
    """Yields language and text of each block of code, as a Markdown reader sees them."""
    for token in MarkdownIt("commonmark").parse(ModelCard(card).text):
        if token.type == "fence":
            yield token.info, token.content


@pytest.mark.parametrize("name", NASTY)
def test_a_card_of_nasty_names_has_the_elements_of_its_template_alone(name: str) -> None:
    content = nasty_content(name)
    card = card_text(content.title, card_values(content, [name]), name=name)
    found = rendered(card)
    assert found.found <= TAGS
    assert {"h1", "h2", "table", "blockquote", "details"} <= found.found
    assert not found.comments
    assert not found.links
    assert [language for language, _ in codes(card)] == ["python", "bash", "bash"]
    data = ModelCard(card).data
    assert data.tags == ["ftkit", "text-classification"]
    assert len(data.eval_results) == 6
    assert card.count("\n## ") == 7


RECIPES: dict[str, Callable[[str], Recipe]] = {
    "classify": lambda name: ClassifyRecipe(resizes_embeddings=True),
    "classify joined pairs": lambda name: ClassifyRecipe(pair_joint=name),
    "tag": lambda name: TagRecipe(space=name, resizes_embeddings=True),
    "write": lambda name: WriteRecipe(auto_class="AutoModelForSeq2SeqLM", before=name, after=name),
    "go on writing": lambda name: WriteRecipe(auto_class="AutoModelForCausalLM", before=name, goes_on=True),
}


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("usage", RECIPES)
@pytest.mark.parametrize("method", ["full", "lora"])
def test_names_within_code_are_literals(name: str, usage: str, method: str) -> None:
    config = f"tuner: {{method: {method}}}\nmodel: {{checkpoint: x, revision: {literal(name)}}}\n"
    content = dataclasses.replace(nasty_content(name, config_yaml=config), base_on_hub=name)
    values = card_values(content).model_copy(update={"recipe": RECIPES[usage](name)})
    card = card_text(content.title, values, name=name, is_folder=False)
    (code,) = (text for language, text in codes(card) if language == "python")
    assert _calls(code) <= KNOWN_CALLS
    assert not re.search(r"[\u202a-\u202e\u2028]", code)


KNOWN_CALLS = {
    *("pipeline", "classify", "print", "from_pretrained", "from_encoder_decoder_pretrained", "eval", "tokenizer"),
    *("inference_mode", "model", "item", "argmax", "nonzero", "flatten", "tolist", "append", "len", "tensor", "ones"),
    *("generate", "decode", "strip", "resize_token_embeddings", "get_text_config"),
}


def _calls(code: str) -> set[str]:
    """Returns the names of all that a piece of Python calls; it has to be valid."""
    calls = [node.func for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return {call.attr if isinstance(call, ast.Attribute) else call.id for call in calls}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", NASTY)
def test_commands_hold_names_as_single_words(name: str) -> None:
    content = nasty_content(name)
    card = card_text(content.title, card_values(content), name=name)
    (predict, _) = (text for language, text in codes(card) if language == "bash")
    for line in predict.splitlines():
        script = f'ftkit() {{ printf "%s\\0" "$@"; }}; {line}'
        done = subprocess.run(["bash", "-c", script], capture_output=True, check=True)
        words = done.stdout.decode().split("\0")
        assert words[:2] == ["predict", f"./{name}" if name.startswith("-") else name]
        assert len(words) == 5 or words[2] == "--input"


@pytest.mark.parametrize("name", NASTY)
def test_a_shared_card_and_page_are_as_clean(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("matplotlib.figure.Figure", sketches.Sketch)  # the next test draws names
    _check_page(tmp_path, nasty_content(name))


@pytest.mark.parametrize("names", [NASTY[:10], NASTY[10:]], ids=["some", "others"])
def test_plots_are_as_clean(names: tuple[str, ...], tmp_path: Path) -> None:
    page = _check_page(tmp_path, contents.single_label_content(names, num_rows=60, base_on_hub=None))
    drawn = "".join(re.findall(r"<text.*?</text>", page, re.DOTALL))
    for name in names:
        begins = re.split("[^ -~]", " ".join(name.split()))[0][:8]
        assert html.escape(begins, quote=False) in drawn


def _check_page(folder: Path, content: ReportContent) -> str:
    write_report(folder, content)
    page = (folder / "report.html").read_text(encoding="utf-8")
    for raw in ("<script", "<img", "<iframe", "<!--"):
        assert raw not in page
    found = rendered(shared_files(folder, repo_id="owner/name", with_texts=False)["README.md"])
    assert found.found <= TAGS
    assert not found.links
    return page


@given(st.text())
def test_a_literal_is_the_text_in_one_line(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    assert ast.literal_eval(literal(text)) == text
    assert literal(text).isprintable()


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(st.text(alphabet=st.sampled_from("`*_[]<>|#$~&\\!()-+=1.) \n\tab:/"), max_size=12))
def test_markdown_shows_a_text_as_it_is(text: str) -> None:
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown_text(text))
    assert [token.type for token in tokens] in ([], ["paragraph_open", "inline", "paragraph_close"])
    children = [child for token in tokens for child in token.children or ()]
    assert all(child.type in ("text", "text_special") for child in children)
    shown = "".join(child.content for child in children)
    assert shown == "".join(" " if char in "\n\t" else char for char in text).strip()


@given(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=20))
def test_a_shell_word_is_one_line(text: str) -> None:
    assert len(shell_word(text).splitlines()) <= 1
    if text.isprintable():
        assert shlex.split(shell_word(text)) == [text]
