"""Which tokens of a conversation are read, and which are learnt: literal rows, whatever the template."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import tiny
from chats import CALL, HELLO, HI, TOOL, make_talk, make_talker, make_talks
from ftkit.adapters.preprocessors.learnt_rows import longest_run, packs_of
from ftkit.adapters.preprocessors.tokens import NO_LOSS
from ftkit.data.conversations import ConversationExample
from ftkit.errors import ConfigError, DataError

Checkpoint = Callable[[str], Path]

UNMARKED = (
    "{{ bos_token }}{% for m in messages %}{{ m.role + ': ' + m.content }}{% if m.role == 'assistant' %}"
    "{{ eos_token }}{% endif %}{{ '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
)
"""Like most templates it does not mark what the assistant says."""


def shown(reads: Any, example: ConversationExample) -> tuple[str, str]:
    """Returns a row's tokens, and those of them that are learnt, as texts with spaces."""
    row = reads.encode([example], targets=True).rows[0]
    learnt = [id_ for id_ in row["labels"] if id_ != NO_LOSS]
    places = [place for place, label in enumerate(row["labels"]) if label != NO_LOSS]
    assert [row["input_ids"][place] for place in places] == learnt
    return tuple(" ".join(reads.processor.convert_ids_to_tokens(ids)) for ids in (row["input_ids"], learnt))  # type: ignore[return-value]


# --- what is learnt ---


@pytest.mark.parametrize("template", ["plain", UNMARKED], ids=["marked", "unmarked"])
def test_answers_are_learnt_with_their_ends_and_nothing_else(checkpoint: Checkpoint, template: str) -> None:
    reads = make_talker(checkpoint("llama"), chat_template=template).preprocessor
    read, learnt = shown(reads, make_talk("is it cold", "no", "will it rain", "will not"))
    # <s> stands there once: the template writes it, and the tokenizer does not write it again.
    assert read.lower() == (
        "<s> u s e r : ▁is ▁it ▁cold <0x0a> a s s i s t a n t : ▁no </s> <0x0a> "
        "u s e r : ▁will ▁it ▁rain <0x0a> a s s i s t a n t : ▁will ▁not </s>"
    )
    assert learnt == "▁no </s> ▁will ▁not </s>"
    assert reads.end_ids == (reads.processor.eos_token_id,)


def test_the_end_is_learnt_where_it_is_the_padding_too(checkpoint: Checkpoint) -> None:
    adapter = make_talker(checkpoint("qwen2"), chat_template=UNMARKED.replace("{{ bos_token }}", ""))
    assert adapter.preprocessor.processor.pad_token_id == adapter.preprocessor.end_id
    batch = tiny.batch_of(adapter, adapter.preprocessor.encode(make_talks(), targets=True))
    ends = (batch.labels == adapter.preprocessor.end_id).sum(dim=1)
    assert ends.tolist() == [1, 1, 1, 1, 2, 2]
    assert (batch.labels[batch.inputs["attention_mask"] == 0] == NO_LOSS).all()


@pytest.mark.parametrize(
    ("loss_on", "expected"),
    [("assistant", "no </s> no </s>"), ("completion", "no </s>"), ("all", "User: a </s> User: b </s>")],
)
def test_what_bears_loss_can_be_said(checkpoint: Checkpoint, loss_on: str, expected: str) -> None:
    reads = make_talker(checkpoint("llama"), loss_on=loss_on).preprocessor
    row = reads.encode([make_talk("is it", "no", "is it", "no")], targets=True).rows[0]
    ends = sum(label == reads.end_id for label in row["labels"])
    assert ends == expected.count("</s>")
    if loss_on == "all":
        assert row["labels"] == [NO_LOSS, *row["input_ids"][1:]]
    else:
        assert sum(label != NO_LOSS for label in row["labels"]) == 2 * ends


def test_a_template_that_rewrites_earlier_turns_is_refused_at_the_first_character(checkpoint: Checkpoint) -> None:
    forgets = UNMARKED.replace("m.content", "(m.content if loop.last or m.role == 'user' else 'left out')")
    reads = make_talker(checkpoint("llama"), chat_template=forgets).preprocessor
    with pytest.raises(DataError) as caught:
        reads.encode([make_talk("is it", "no", "is it", "no", line=7)], targets=True)
    message = str(caught.value)
    assert message.startswith("line 7 (id 6): the chat template of ")
    assert "they differ from character 26 on, " in message
    assert "no</s>" in message
    assert "left out</s>" in message
    reads = make_talker(checkpoint("llama"), chat_template=forgets, loss_on="completion").preprocessor
    assert shown(reads, make_talk("is it", "no", "is it", "no"))[1].endswith("no </s>")  # the fix that is told


def test_templates_that_could_not_teach_to_stop(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=r"an answer ends with ' b\\n' and not with a token of its own"):
        make_talker(checkpoint("llama"), chat_template=UNMARKED.replace("eos_token", "''"))
    outside = "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{{ eos_token }}{% endfor %}"
    with pytest.raises(ConfigError, match=r"\{% endgeneration %\} has to stand behind the token that ends them"):
        make_talker(checkpoint("llama"), chat_template=outside)
    with pytest.raises(ConfigError, match=r"data\.chat_template is missing: .*\nFix: data\.chat_template: plain"):
        make_talker(checkpoint("llama"), chat_template=None)
    with pytest.raises(ConfigError, match=r"cannot be learnt from: .* refuses the conversation: only one turn"):
        make_talker(checkpoint("llama"), chat_template="{{ raise_exception('only one turn') }}")


def test_a_template_that_begins_an_answer_within_a_token_is_told(checkpoint: Checkpoint) -> None:
    space = UNMARKED.replace("'assistant:'", "'assistant: '")
    adapter = make_talker(checkpoint("llama"), chat_template=space)
    assert shown(adapter.preprocessor, make_talk("is it", "no"))[1] == "▁no </s>", "no word of an answer is left out"
    assert "begins an answer within a token" in adapter.objective.warnings(None)[0]
    assert make_talker(checkpoint("llama"), chat_template=UNMARKED).objective.warnings(None) == []


def test_tokens_of_the_template_in_what_is_said_are_told(checkpoint: Checkpoint) -> None:
    adapter = make_talker(checkpoint("llama"))
    adapter.preprocessor.encode([make_talk("is it", "no"), make_talk("is </s> it", "no", line=2)], targets=True)
    (told,) = adapter.objective.warnings(None)
    assert told.startswith("In 1 rows something is said that the tokenizer takes for a token of its own, such as ")
    assert "'</s>' in line 2: " in told


def test_chatml_writes_tools_and_calls(tmp_path: Path) -> None:
    folder = tiny.make_checkpoint("qwen2", tmp_path, sizes={"max_position_embeddings": 1024})
    adapter = make_talker(folder, chat_template="chatml", add_tokens=("<|im_start|>", "<|im_end|>"))
    reads = adapter.preprocessor
    messages = ({"role": "system", "content": "Be kind."}, HI, CALL, {"role": "tool", "content": "2"}, HELLO)
    example = ConversationExample(id=0, messages=messages, tools=(TOOL,), line=1)
    row = reads.encode([example], targets=True).rows[0]
    decode = reads.processor.decode
    assert decode(row["input_ids"]) == (
        "<|im_start|>system\nBe kind.\n\nYou may call these functions, one JSON object between <tool_call> and "
        '</tool_call> for each call:\n<tools>\n{"type": "function", "function": {"name": "f"}}\n</tools><|im_end|>\n'
        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n"
        '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call><|im_end|>\n'
        "<|im_start|>tool\n2<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>"
    )
    learnt = decode([label for label in row["labels"] if label != NO_LOSS])
    assert learnt == '<tool_call>\n{"name": "f", "arguments": {"x": 1}}\n</tool_call><|im_end|>Hello<|im_end|>'
    ends = adapter.objective.build().model.generation_config.eos_token_id
    assert ends[0] == reads.end_id == reads.processor.convert_tokens_to_ids("<|im_end|>")


def test_a_template_without_a_place_for_tools_is_refused(checkpoint: Checkpoint) -> None:
    reads = make_talker(checkpoint("llama")).preprocessor
    with pytest.raises(
        DataError, match=r"^line 4 \(id 3\): the chat template of .* has no place for calls of tools: 'f'"
    ):
        reads.encode([ConversationExample(id=3, messages=(HI, CALL), line=4)], targets=True)
    with pytest.raises(DataError, match=r"no place for tools: 'f' is not in what it writes\.\nFix: .*: chatml"):
        reads.encode([ConversationExample(id=3, messages=(HI,), tools=(TOOL,), line=4)], targets=False)


def test_prompts_go_on_as_plain_texts(checkpoint: Checkpoint) -> None:
    reads = make_talker(checkpoint("llama"), form="prompt").preprocessor
    example = ConversationExample(id=0, prompt="is it cold", completion=" no", line=1)
    assert shown(reads, example) == ("<s> ▁is ▁it ▁cold ▁no </s>", "▁no </s>")
    prompt = reads.encode([example], targets=False).rows[0]["input_ids"]
    assert reads.processor.convert_ids_to_tokens(prompt) == ["<s>", "▁is", "▁it", "▁cold"]
    reads = make_talker(checkpoint("llama"), form="prompt", loss_on="all").preprocessor
    assert shown(reads, example)[1] == "▁is ▁it ▁cold ▁no </s>"


# --- what is too long ---


def test_whole_turns_are_dropped_and_counted(checkpoint: Checkpoint) -> None:
    talk = make_talk("is it", "no", "is it", "no")
    whole = make_talker(checkpoint("llama")).preprocessor.encode([talk], targets=True).costs[0]
    reads = make_talker(checkpoint("llama"), max_length=int(whole) - 1).preprocessor
    encoded = reads.encode([talk, make_talk("is it " * 40, "no", line=2)], targets=True)
    assert encoded.cut == {"turn": 1, "conversation": 1}
    assert (len(encoded), encoded.num_rows) == (2, 1)
    assert encoded.first_rows is not None
    assert encoded.first_rows.tolist() == [0, 1, 1]
    labels = encoded.rows[0]["labels"]
    assert labels[-1] == reads.end_id
    assert labels.count(reads.end_id) == 1
    assert {*encoded.cut} <= {*reads.cut_meanings}
    with pytest.raises(DataError, match="each of 1 rows is longer than"):
        reads.encode([make_talk("is it " * 40, "no")], targets=True)


def test_a_question_loses_its_oldest_turns_but_not_what_leads_it(checkpoint: Checkpoint) -> None:
    talk = make_talk(*["is it cold", "no"] * 20, "will it rain", system="our team")
    reads = make_talker(checkpoint("llama"), max_length=100, max_new_tokens=20).preprocessor
    encoded = reads.encode([talk], targets=False)
    text = reads.processor.decode(encoded.rows[0]["input_ids"])
    assert encoded.cut == {"prompt": 1}
    assert encoded.costs[0] <= 100
    assert text.startswith("<s>System: our team\nUser: is it cold")
    assert text.endswith("User: will it rain\nAssistant:")


def test_answers_to_come_may_be_a_quarter_longer_than_those_of_train(checkpoint: Checkpoint) -> None:
    reads = make_talker(checkpoint("llama")).preprocessor
    reads.fit([make_talk("is it", "no no no", "is it", "no")])  # three words and the end
    assert reads.resolved_options == {"max_new_tokens": 5}
    assert longest_run([NO_LOSS, 1, 2, NO_LOSS, 3, 4, 5]) == 3


# --- packed rows ---


def test_rows_are_packed_where_they_leave_least_room() -> None:
    assert packs_of([5, 3, 4, 2], 8) == [[0, 1], [2, 3]]
    assert packs_of([9, 1], 8) == [[0], [1]]


@pytest.mark.parametrize("name", ["llama", "qwen2", "gpt2"])
def test_packed_rows_have_the_loss_of_rows_that_are_not_packed(checkpoint: Checkpoint, name: str) -> None:
    template = UNMARKED if name == "llama" else UNMARKED.replace("{{ bos_token }}", "")
    apart = make_talker(checkpoint(name), chat_template=template, max_length=128)
    together = make_talker(checkpoint(name), chat_template=template, max_length=128, packing=True)
    model = together.objective.build().model.eval()
    rows, packs = (adapter.preprocessor.encode(make_talks(), targets=True) for adapter in (apart, together))
    assert packs.num_rows < rows.num_rows == len(packs) == 6
    assert sorted(index for row in range(packs.num_rows) for index in packs.examples_of(row)) == list(range(6))
    assert packs.costs.sum() == rows.costs.sum()
    assert apart.count_items(rows) == together.count_items(packs)
    losses = []
    for adapter, encoded in ((apart, rows), (together, packs)):
        batch = tiny.batch_of(adapter, encoded)
        with torch.no_grad():
            losses.append(adapter.objective.loss(model(**batch.inputs), batch))
    assert float(losses[1].sum()) == pytest.approx(float(losses[0].sum()), abs=1e-5 * len(packs))
    by_pack = [losses[0][list(packs.examples_of(row))].sum() for row in range(packs.num_rows)]
    torch.testing.assert_close(losses[1], torch.stack(by_pack), atol=1e-5, rtol=1e-5)


def test_what_is_packed_does_not_see_what_stands_before_it(checkpoint: Checkpoint) -> None:
    adapter = make_talker(checkpoint("llama"), max_length=128, packing=True)
    model = adapter.objective.build().model.eval()
    found = []
    for first in ("is it cold", "will it rain"):
        encoded = adapter.preprocessor.encode([make_talk(first, "no"), make_talk("is it", "no")], targets=True)
        assert encoded.num_rows == 1
        batch = tiny.batch_of(adapter, encoded)
        assert "attention_mask" not in batch.inputs
        start = batch.inputs["position_ids"][0].tolist().index(0, 1)
        with torch.inference_mode():
            found.append(model(**batch.inputs).logits[0, start:])
    torch.testing.assert_close(found[0], found[1], atol=1e-5, rtol=0)


def test_a_model_that_mixes_what_is_packed_is_refused(checkpoint: Checkpoint) -> None:
    from ftkit.models.packed_rows import leak_of_packed_rows

    model = make_talker(checkpoint("llama")).objective.build().model
    assert leak_of_packed_rows(model) is None
    forward = model.forward
    model.forward = lambda **inputs: forward(**{**inputs, "position_ids": None})
    assert "sees the first" in str(leak_of_packed_rows(model))


# --- documents ---


def make_document(text: str, line: int = 1) -> ConversationExample:
    return ConversationExample(id=line - 1, completion=text, line=line)


def windows(reads: Any, text: str, *, scored: bool) -> list[tuple[list[str], list[str]]]:
    """Returns the tokens of each window, and those of them that bear loss."""
    documents = [make_document(text)]
    encoded = reads.encode_to_score(documents).targets if scored else reads.encode(documents, targets=True)
    names = reads.processor.convert_ids_to_tokens
    return [
        (names(row["input_ids"]), names([label for label in row["labels"] if label != NO_LOSS]))
        for row in encoded.rows.to_list()
    ]


def test_every_token_of_a_document_is_learnt_once(checkpoint: Checkpoint) -> None:
    reads = make_talker(
        checkpoint("llama"), form="document", max_length=4, window_overlap=2, num_written=0
    ).preprocessor
    assert windows(reads, "is it too cold will rain", scored=False) == [
        (["<s>", "▁is", "▁it", "▁too"], ["▁is", "▁it", "▁too"]),
        (["▁too", "▁cold", "▁will", "▁rain"], ["▁cold", "▁will", "▁rain"]),
        (["▁rain", "</s>"], ["</s>"]),
    ]
    assert windows(reads, "is it too cold will rain", scored=True) == [
        (["<s>", "▁is", "▁it", "▁too"], ["▁is", "▁it", "▁too"]),
        (["▁it", "▁too", "▁cold", "▁will"], ["▁cold", "▁will"]),
        (["▁cold", "▁will", "▁rain", "</s>"], ["▁rain", "</s>"]),
    ]


@pytest.mark.parametrize("name", ["llama", "gpt2", "opt"])
@pytest.mark.parametrize(("length", "overlap"), [(4, 1), (5, 2), (7, 6), (128, 64)])
def test_no_token_is_lost_or_seen_twice(checkpoint: Checkpoint, name: str, length: int, overlap: int) -> None:
    options: dict[str, Any] = {"form": "document", "max_length": length, "window_overlap": overlap, "num_written": 0}
    reads = make_talker(checkpoint(name), **options).preprocessor
    texts = ["the cold rain and the salt in the soup, ü", "no", " ".join(text for text, _ in tiny.EXAMPLES)]
    for scored in (False, True):
        for text in texts:
            whole = reads.processor(text)["input_ids"]
            encoded = reads.encode([make_document(text)], targets=True)
            if scored:
                encoded = reads.encode_to_score([make_document(text)]).targets
            learnt = [label for row in encoded.rows["labels"] for label in row if label != NO_LOSS]
            assert learnt == [*whole[1:], reads.end_id], "all but the first, in their order"
            assert max(encoded.costs) <= length
            first = reads.processor(text, return_offsets_mapping=True)["offset_mapping"][0][1]
            assert sum(encoded.rows["num_bytes"]) == len(text[first:].encode())
            assert (len(encoded), encoded.num_rows) == (1, len(encoded.costs))
            assert encoded.counts == {"tokens": len(whole) + 1, "learnt_tokens": len(whole)}


def test_tokens_are_counted_and_told(checkpoint: Checkpoint) -> None:
    options: dict[str, Any] = {"form": "document", "max_length": 4, "num_written": 0}
    documents = [make_document("is it too cold will rain"), make_document("is it")]
    once = "12 tokens in 4 rows, 10 of them learnt, each once; not learnt: the first of each document (2)"
    for packing in (False, True):
        reads = make_talker(checkpoint("llama"), packing=packing, **options).preprocessor
        encoded = reads.encode(documents, targets=True)
        assert reads.counted(encoded) == once
        assert reads.counted(dataclasses.replace(encoded, counts={})) is None
    reads = make_talker(checkpoint("llama"), max_length=40).preprocessor
    talks = [make_talk("is it cold", "no"), make_talk("is it cold " * 9, "no")]
    whole = make_talker(checkpoint("llama")).preprocessor.encode(talks, targets=True).counts
    cut = reads.encode(talks, targets=True)
    assert cut.counts["tokens"] == whole["tokens"] > sum(cut.costs), "what is left out is counted too"
    assert cut.counts["learnt_tokens"] == whole["learnt_tokens"] // 2


def test_the_perplexity_of_a_document_is_that_of_its_tokens_with_their_context(checkpoint: Checkpoint) -> None:
    """The strided perplexity of transformers' docs, computed here token by token."""
    options: dict[str, Any] = {"form": "document", "max_length": 8, "window_overlap": 4, "num_written": 0}
    adapter = make_talker(checkpoint("llama"), **options)
    model = adapter.objective.build().model.eval()
    text = " ".join(text for text, _ in tiny.EXAMPLES[:3])
    batch = tiny.batch_of(adapter, adapter.preprocessor.encode_to_score([make_document(text)]).targets)
    with torch.inference_mode():
        found = adapter.objective.measure(model(**batch.inputs), batch)
        ids = torch.tensor([*adapter.preprocessor.processor(text)["input_ids"], adapter.preprocessor.end_id])
        expected, stop = 0.0, 8
        starts = [(0, 1, 8)]
        while stop < len(ids):
            start = min(stop - 4, len(ids) - 8)
            starts.append((start, stop, min(start + 8, len(ids))))
            stop = starts[-1][2]
        for start, first, last in starts:
            logits = model(input_ids=ids[None, start:last]).logits[0].log_softmax(-1)
            expected -= sum(float(logits[place - start - 1, ids[place]]) for place in range(first, last))
    assert float(found["loss"].sum()) == pytest.approx(expected, abs=1e-4)
    assert int(found["items"].sum()) == len(ids) - 1


def test_a_window_must_leave_room(checkpoint: Checkpoint) -> None:
    with pytest.raises(ConfigError, match=r"a window of 4 tokens \(data\.max_length\) cannot share 4"):
        make_talker(checkpoint("llama"), form="document", max_length=4, window_overlap=4)
    assert make_talker(checkpoint("llama"), form="document").preprocessor.max_length == tiny.MAX_POSITIONS


def test_a_model_of_conversations_can_be_scored_on_documents(checkpoint: Checkpoint) -> None:
    reads = make_talker(checkpoint("llama"), max_length=4).preprocessor
    scored = reads.encode_to_score([make_document("is it too cold")], all_predicted=False)
    assert scored.targets is not None
    assert scored.targets.num_rows == 2
    assert list(scored.chosen or ()) == []


# --- for people ---


def test_rows_are_shown_piece_by_piece(checkpoint: Checkpoint) -> None:
    reads = make_talker(checkpoint("llama")).preprocessor
    row = reads.encode([make_talk("is it", "no")], targets=True).rows[0]
    pieces = reads.pieces(row)
    assert [piece.text for piece in pieces if piece.bears_loss] == [" no", "</s>"]
    assert len(pieces) == len(row["input_ids"])
