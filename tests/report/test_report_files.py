"""report.json: page and card are made again from it alone, and shared with or without the users' texts."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import report_contents as contents
from huggingface_hub import ModelCard

from ftkit.errors import UserError
from ftkit.report.content import ReportContent
from ftkit.report.files import rebuild, write_report
from ftkit.report.safe_svg import is_safe_svg
from ftkit.report.saved import read_report
from ftkit.report.shared import shared_files, with_edits_of

FILES = ("README.md", "report.html", "report.json")
CONTENTS = {
    "single": contents.single_label_content,
    "77 labels": lambda: contents.single_label_content(tuple(f"intent_{i}" for i in range(77)), num_rows=900),
    "several": contents.multi_label_content,
    "regression": contents.regression_content,
    "tags": contents.tagging_content,
    "written": contents.translation_content,
    "answers": contents.chat_content,
    "no evaluation": lambda: dataclasses.replace(
        contents.single_label_content(), evaluated=(), log_history=(), results={}
    ),
    "surrogates": lambda: contents.single_label_content(("lone \ud800", "zero\x00", "\u2028"), num_rows=60),
}


def written(folder: Path, content: ReportContent) -> dict[str, bytes]:
    folder.mkdir(exist_ok=True)
    write_report(folder, content)
    return {name: (folder / name).read_bytes() for name in FILES}


def shown(report: str | bytes) -> dict[str, dict[str, Any]]:
    """Returns the values of each block of a report.json by its name."""
    return {block["block"]: block for block in json.loads(report)["page"]["results"]["blocks"]}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run, drawn once: never write to it."""
    folder = tmp_path_factory.mktemp("finished") / "support-intents"
    written(folder, contents.single_label_content())
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of that directory, to be changed."""
    return Path(shutil.copytree(finished, tmp_path / finished.name))


@pytest.mark.parametrize("name", CONTENTS)
def test_page_and_card_are_made_again_byte_by_byte(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "support-intents"
    before = written(folder, CONTENTS[name]())
    for file in ("README.md", "report.html"):
        (folder / file).unlink()
    rebuild(folder)
    assert {file: (folder / file).read_bytes() for file in FILES} == before
    assert written(folder, CONTENTS[name]()) == before
    assert before["report.html"].count(b"<svg") == json.loads(before["report.json"])["page"].__repr__().count("<svg")


def test_a_folder_that_was_moved_is_named_in_the_code(run: Path) -> None:
    moved = run.rename(run.parent / "elsewhere")
    rebuild(moved)
    card = (moved / "README.md").read_text(encoding="utf-8")
    assert 'run = "elsewhere"' in card
    assert "# support-intents" in card


def test_hand_edits_survive(run: Path) -> None:
    path = run / "README.md"
    edited = path.read_text(encoding="utf-8").replace("---\nbase_model", "---\nlicense: mit\nbase_model", 1)
    edited = edited.replace("## Scores", "## Intended use\n\nFor our shop.\n\n## Scores")
    path.write_text(edited, encoding="utf-8")
    for _ in range(2):
        rebuild(run)
        assert path.read_text(encoding="utf-8") == edited
    shared = shared_files(run, repo_id="owner/name", with_texts=True)["README.md"]
    assert ModelCard(shared).data.license == "mit"
    assert "## Intended use\n\nFor our shop.\n\n## Scores" in shared
    assert 'run = "owner/name"' in shared
    assert 'run = "support-intents"' not in shared
    assert path.read_text(encoding="utf-8") == edited


def test_a_pulled_run_goes_on_from_the_card_that_was_shared(run: Path, tmp_path: Path) -> None:
    pulled = tmp_path / "pulled"
    pulled.mkdir()
    for name, text in shared_files(run, repo_id="owner/name", with_texts=False).items():
        (pulled / name).write_bytes(text.encode())
    path = pulled / "README.md"
    path.write_text(path.read_text(encoding="utf-8") + "\n## On the Hub\n\nWritten there.\n", encoding="utf-8")
    rebuild(pulled)
    card = path.read_text(encoding="utf-8")
    assert 'run = "pulled"' in card
    assert "owner/name" not in card
    assert card.endswith("## On the Hub\n\nWritten there.\n")
    assert "kept at home" in card
    assert "Texts are kept at home" in (pulled / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("format", [1, 2, 3])
def test_edits_in_the_repository_survive_a_report_of_another_format(format: int, run: Path) -> None:
    shared = shared_files(run, repo_id="owner/name", with_texts=False)
    theirs = shared["README.md"].replace("## Scores", "## Intended use\n\nFor our shop.\n\n## Scores")
    ours = shared["README.md"].replace("Limits", "Bounds")
    their_report = json.dumps({"format": format, "page": 1, "generated_card": shared["README.md"]}).encode()
    merged = with_edits_of(ours, theirs=theirs, their_report=their_report)
    assert merged == ours.replace("## Scores", "## Intended use\n\nFor our shop.\n\n## Scores")


# --- texts at home ------------------------------------------------------------------------------------------


def test_texts_stay_at_home(run: Path) -> None:
    before = {name: (run / name).read_bytes() for name in FILES}
    shared = shared_files(run, repo_id="owner/name", with_texts=False)
    assert tuple(sorted(shared)) == tuple(sorted(FILES))
    for text in contents._TEXTS:
        for name, content in shared.items():
            assert text[:20] not in content, name
    errors = shown(shared["report.json"])["label-errors"]["rows"]
    full = shown(before["report.json"])["label-errors"]["rows"]
    assert len(errors) == 20
    assert all(row["texts"] == [] for row in errors)
    assert {row["id"] for row in errors} == {None}
    assert all(row["id"].startswith("q") for row in full)
    assert [(row["line"], row["expected"], row["weight"]) for row in errors] == [
        (row["line"], row["expected"], row["weight"]) for row in full
    ]
    assert "Texts are kept at home" in shared["report.html"]
    assert "kept at home" in shared["README.md"]
    assert {name: (run / name).read_bytes() for name in FILES} == before


def test_texts_go_along_if_asked_or_public(run: Path) -> None:
    for folder, with_texts in ((run, True), (run.parent / "public", False)):
        if not with_texts:
            written(folder, contents.single_label_content(texts_are_public=True))
        shared = shared_files(folder, repo_id="owner/name", with_texts=with_texts)
        assert "> Where is my order?" in shared["README.md"]
        assert "twice for the same basket" in shared["report.html"]


def test_a_word_named_by_a_warning_stays_at_home(tmp_path: Path) -> None:
    warning = "train: the tag 'I-PER' after 'O' breaks IOB2; at a.conll, line 3, word 2 ('Nakamura'); fix: correct it"
    written(tmp_path, contents.single_label_content(warnings=(warning,)))
    shared = shared_files(tmp_path, repo_id="owner/name", with_texts=False)
    assert not any("Nakamura" in text for text in shared.values())
    assert "line 3, word 2; fix: correct it" in shared["report.html"]
    assert "Nakamura" in shared_files(tmp_path, repo_id="owner/name", with_texts=True)["README.md"]


def test_an_edited_section_with_a_text_is_refused(run: Path) -> None:
    path = run / "README.md"
    card = path.read_text(encoding="utf-8").replace("Predicted: ", "We predicted: ")
    path.write_text(card, encoding="utf-8")
    with pytest.raises(UserError, match=r"the section 'Example' was edited and holds a text of the data") as error:
        shared_files(run, repo_id="owner/name", with_texts=False)
    assert "--with-predictions" in str(error.value)
    shared = shared_files(run, repo_id="owner/name", with_texts=True)
    assert "We predicted: " in shared["README.md"]


def test_a_base_that_was_pushed_meanwhile_is_claimed(tmp_path: Path) -> None:
    local = contents.single_label_content(
        base_on_hub=None, checkpoint="/home/ana/bert", config_yaml="tuner: {method: lora}\n"
    )
    written(tmp_path, local)
    assert ModelCard.load(tmp_path / "README.md").data.base_model is None
    shared = shared_files(tmp_path, repo_id="owner/name", with_texts=False, base_model="owner/base")
    data = ModelCard(shared["README.md"]).data
    assert (data.base_model, data.base_model_relation, data.library_name) == ("owner/base", "adapter", "peft")
    assert 'base = "owner/base"' in shared["README.md"]
    assert not any("/home" in text for text in shared.values())


# --- reports of strangers -----------------------------------------------------------------------------------


def _with(change: Callable[[dict[str, Any]], None]) -> Callable[[bytes], bytes]:
    def changed(data: bytes) -> bytes:
        value = json.loads(data)
        change(value)
        return json.dumps(value).encode()

    return changed


DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda data: data[: len(data) // 2],
    "empty": lambda data: b"",
    "no JSON": lambda data: b"\xff\xfe\x00",
    "a list": lambda data: b"[]",
    "deep": lambda data: b"[" * 100_000,
    "no page": _with(lambda value: value.pop("page")),
    "strange key": _with(lambda value: value.update(extra=1)),
    "title is a number": _with(lambda value: value.update(title=5)),
    "code for a class": _with(lambda value: value["card"]["recipe"].update(auto_class="os.system")),
    "a class after a line end": _with(lambda value: value["card"]["recipe"].update(auto_class="AutoModel\nx")),
    "code for an id": _with(lambda value: value["card"].update(recipe=TAG | {"tokens_before": ["__class__"]})),
    "facts of another usage": _with(lambda value: value["card"]["recipe"].update(space=" ")),
    "usage is a number": _with(lambda value: value["card"]["recipe"].update(usage=3)),
    "no input": _with(lambda value: value["card"]["example"].update(inputs=[])),
    "no usage": _with(lambda value: value["card"]["recipe"].pop("usage")),
    "facts are a text": _with(lambda value: value["card"].update(facts="label")),
    "a newline as bits": _with(lambda value: value["card"]["recipe"].update(quantization="4bit\nimport os")),
    "score is no number": _with(lambda value: value["card"]["results"][0].update(metric_value="1; x")),
    "plots are a number": _with(lambda value: value["page"].update(curves=5)),
    "blocks are a number": _with(lambda value: value["page"]["results"].update(blocks=5)),
    "block is a text": _with(lambda value: value["page"]["results"].update(blocks=["scatter"])),
    "block without a name": _with(lambda value: value["page"]["results"]["blocks"][0].pop("block")),
    "name is a list": _with(lambda value: value["page"]["results"]["blocks"][0].update(block=["scatter"])),
    "strange value of a block": _with(lambda value: value["page"]["results"]["blocks"][0].update(script="x")),
    "plot is a number": _with(lambda value: value["page"]["results"]["blocks"][0].update(svg=3)),
    "label is no row": _with(lambda value: value["page"]["results"]["blocks"][3].update(rows=["x"])),
    "too large": lambda data: b" " * 17_000_000 + data,
}


TAG = {"usage": "tag", "auto_class": "AutoModelForTokenClassification"}


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_report_is_one_message(how: str, run: Path) -> None:
    path = run / "report.json"
    path.write_bytes(DAMAGED[how](path.read_bytes()))
    before = {name: (run / name).read_bytes() for name in FILES}
    with pytest.raises(
        UserError, match=r"report.json is damaged: .*Copy the run directory again; nothing was written"
    ):
        rebuild(run)
    with pytest.raises(UserError, match="is damaged"):
        shared_files(run, repo_id="owner/name", with_texts=True)
    assert {name: (run / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize("format", [1, 3])
def test_another_format_and_none_are_told_apart_from_damage(format: int, run: Path) -> None:
    path = run / "report.json"
    path.write_bytes(_with(lambda value: value.update(format=format, card={}))(path.read_bytes()))
    with pytest.raises(
        UserError, match=r"has another format than this ftkit writes \(expected 2\).* stay as they are"
    ):
        rebuild(run)
    path.unlink()
    with pytest.raises(UserError, match=r"holds no report.json: the run was finished by an ftkit that did not"):
        rebuild(run)


UNKNOWN: dict[str, Callable[[bytes], bytes]] = {
    "the block 'heat-map'": _with(lambda value: value["page"]["results"]["blocks"][1].update(block="heat-map")),
    "the reading 'stars'": _with(lambda value: value["card"]["facts"].update(reading="stars")),
    "the usage 'os.system'": _with(lambda value: value["card"]["recipe"].update(usage="os.system")),
}


@pytest.mark.parametrize("what", UNKNOWN)
def test_a_name_that_this_ftkit_does_not_know_is_one_message(what: str, run: Path) -> None:
    path = run / "report.json"
    path.write_bytes(UNKNOWN[what](path.read_bytes()))
    before = {name: (run / name).read_bytes() for name in FILES}
    with pytest.raises(UserError, match=rf"report.json holds {what}, which this ftkit does not know. Update it"):
        rebuild(run)
    assert {name: (run / name).read_bytes() for name in FILES} == before


def test_a_card_that_is_not_utf8_is_left_alone(run: Path) -> None:
    (run / "README.md").write_bytes(b"caf\xe9")
    with pytest.raises(UserError, match="not UTF-8 at byte 3"):
        rebuild(run)
    assert (run / "README.md").read_bytes() == b"caf\xe9"


EVIL = [
    "<svg onload=alert(1)></svg>",
    '<svg class="x"><script>alert(1)</script></svg>',
    '<svg class="x"><foreignObject><p>x</p></foreignObject></svg>',
    '<svg class="x"><a href="javascript:alert(1)"><text>x</text></a></svg>',
    '<svg class="x"><use xlink:href="http://a.b/c.svg#d"/></svg>',
    '<svg class="x"><path style="fill: url(http://a.b/c)" d="M0 0"/></svg>',
    '<svg class="x"><style>body{display:none}</style></svg>',
    '<svg class="x"><!-- --><g/></svg>',
    '<svg class="x"><g/></svg><script>alert(1)</script>',
    '<svg class="x"><g/></svg></page><page>',
    '<svg class="x"><text>&evil;</text></svg>',
    '<!DOCTYPE svg [<!ENTITY a "b">]><svg class="x"><text>&a;</text></svg>',
    '<svg class="x"><set attributeName="href" to="javascript:x"/></svg>',
    '<svg class="x"><image href="http://a.b/c.png"/></svg>',
    "<p>no drawing</p>",
    '<svg class="x"><g>',
]


@pytest.mark.parametrize("svg", EVIL)
def test_what_is_no_plain_drawing_is_left_out(svg: str, run: Path) -> None:
    assert not is_safe_svg(svg)
    path = run / "report.json"
    value = json.loads(path.read_bytes())
    num_drawn = (run / "report.html").read_text(encoding="utf-8").count("<svg")
    blocks = {block["block"]: block for block in value["page"]["results"]["blocks"]}
    value["page"]["curves"][0] = blocks["confusion"]["svg"] = blocks["label-f1"]["svg"] = svg
    path.write_text(json.dumps(value), encoding="utf-8")
    rebuild(run)
    page = (run / "report.html").read_text(encoding="utf-8")
    assert svg not in page
    assert page.count("<svg") == num_drawn - 3
    assert len(read_report(run).page.curves) == 1
    assert list(shown(path.read_bytes())) == ["reliability", "label-scores", "label-errors"]


def test_reading_a_report_needs_nothing_else(run: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone" / "support-intents"
    alone.mkdir(parents=True)
    shutil.copy(run / "report.json", alone)
    rebuild(alone)
    assert (alone / "report.html").read_bytes() == (run / "report.html").read_bytes()
