"""The Python in a model card runs as it stands: it loads the run plainly and predicts what the run predicted."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import fresh
import ftkit
import tiny
import tiny_audio
import tiny_dual_encoders
import tiny_image_text
import tiny_images
from chats import TALKS
from ftkit.data.conversations import answer_turn, user_turn
from runs import question_config, run_config, tagging_config, translation_config

Checkpoint = Callable[[str], Path]
Cases = dict[str, tuple[Callable[..., dict[str, Any]], str, dict[str, Any]]]
LORA = {"tuner": {"method": "lora", "rank": 4}}
IO = {"data.tag_scheme": "IO"}  # in which every sequence of tags is legal, so that the likeliest tags are predicted
LEARNT = {"train.num_train_epochs": 6}  # so that it answers
PROMPT = {"data.prompt_template": "{source} =>"}


def _pairs(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    return _table(folder, checkpoint, lambda text, topic: {"text": text, "pair": "a b", "label": topic}, overrides)


def _several(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    overrides = {"data.problem_type": "multi_label_classification", **overrides}
    return _table(folder, checkpoint, lambda text, topic: {"text": text, "label": [topic, "any"]}, overrides)


def _numbers(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    overrides = {"data.problem_type": "regression", **overrides}
    return _table(folder, checkpoint, lambda text, topic: {"text": text, "label": len(text) / 10}, overrides)


def _table(folder: Path, checkpoint: Path, row: Callable[..., dict[str, Any]], overrides: Any) -> dict[str, Any]:
    config = run_config(folder, checkpoint, **overrides)
    lines = [json.dumps(row(*example)) for example in tiny.EXAMPLES]
    (folder / "rows.jsonl").write_text("\n".join(lines) + "\n")
    path = str(folder / "rows.jsonl")
    columns = {"text": "text", "label": "label"} | ({"text_pair": "pair"} if "pair" in json.loads(lines[0]) else {})
    return config | {
        "data": config["data"] | {"train": path, "validation": path, "test": path, "columns": columns},
    }


def _alike(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    config = run_config(folder, checkpoint, **{"task": "sentence-similarity", **overrides})
    rows = folder / "alike.jsonl"
    lines = [{"sentence1": text, "sentence2": "a b", "score": len(text)} for text, _ in tiny.EXAMPLES]
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = {"train": str(rows), "test": str(rows), "prompts": {"text": "my "}, "pooling": "last"}
    return config | {"data": data}


def _chat(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    return _answered(
        folder, checkpoint, lambda asked, said: {"messages": [user_turn(asked), answer_turn(said)]}, overrides
    )


def _prompts(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    return _answered(folder, checkpoint, lambda asked, said: {"prompt": asked, "completion": f" {said}"}, overrides)


def _answered(folder: Path, checkpoint: Path, row: Callable[..., dict[str, Any]], overrides: Any) -> dict[str, Any]:
    config = translation_config(folder, checkpoint, **{"task": "text-generation", **overrides})
    (folder / "talks.jsonl").write_text("".join(json.dumps(row(*talk)) + "\n" for talk in TALKS))
    rows = str(folder / "talks.jsonl")
    generation = {"max_new_tokens": 8}
    return config | {
        "data": {"train": rows, "validation": rows, "test": rows, "chat_template": "plain"},
        "generation": generation,
    }


def _with_tokens(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    config = run_config(folder, checkpoint, **overrides)
    test = folder / "test.csv"
    test.write_text(test.read_text().replace("t0,", "t0,zzz <order-id> ", 1))
    return config | {"model": config["model"] | {"add_tokens": ["<order-id>", "zzz"]}}


def _joined(folder: Path, checkpoint: Path, **overrides: Any) -> dict[str, Any]:
    return translation_config(folder, checkpoint, **{"model.decoder": str(checkpoint.parent / "gpt2"), **overrides})


FULL: Cases = {
    "single": (run_config, "bert", {}),
    "pairs": (_pairs, "bert", {}),
    "joined-pairs": (_pairs, "gpt2", {}),
    "several": (_several, "bert", {}),
    "numbers": (_numbers, "bert", {}),
    "tags": (tagging_config, "bert", IO),
    "space-tags": (tagging_config, "roberta", IO),
    "decoder-tags": (tagging_config, "gpt2", IO),
    "t5-tags": (tagging_config, "t5", IO),
    "llama-tags": (tagging_config, "llama", IO),
    "marian": (translation_config, "marian", {}),
    "languages": (translation_config, "nllb", {"data.source_lang": "eng_Latn", "data.target_lang": "eng_Latn"}),
    "affixes": (translation_config, "t5", {"data.prompt_template": "turn {source} round"}),
    "decoder": (translation_config, "gpt2", PROMPT),
    "joined": (_joined, "bert", {}),
    "answers": (question_config, "bert", LEARNT),
    "decoder-answers": (question_config, "gpt2", {}),
    "t5-answers": (question_config, "t5", {"data.no_answer_threshold": 1.0}),
    "chat": (_chat, "llama", {}),
    "alike": (_alike, "bert", {}),
    "prompts": (_prompts, "gpt2", {}),
}
ADAPTERS: Cases = {
    "lora": (run_config, "bert", LORA),
    "lora-several": (_several, "bert", LORA),
    "lora-numbers": (_numbers, "bert", LORA),
    "lora-tags": (tagging_config, "bert", IO | LORA),
    "lora-marian": (translation_config, "marian", LORA),
    "lora-decoder": (translation_config, "gpt2", PROMPT | LORA),
    "lora-joined": (_joined, "bert", LORA),
    "lora-alike": (_alike, "llama", LORA),
    "lora-chat": (_chat, "llama", LORA),
    "lora-prompts": (_prompts, "gpt2", LORA),
    "lora-tokens": (_with_tokens, "bert", LORA),
    "lora-tokens-t5": (_with_tokens, "tight-t5", LORA),
    "lora-answers": (question_config, "bert", LORA),
    "lora-llama-answers": (question_config, "llama", LORA | LEARNT),
    "head-only": (run_config, "bert", {"tuner": {"method": "head-only"}}),
    "prompt": (run_config, "bert", {"tuner": {"method": "prompt"}}),
    "prompt-tags": (tagging_config, "bert", IO | {"tuner": {"method": "prompt"}}),
    "prefix-tags": (tagging_config, "gpt2", IO | {"tuner": {"method": "prefix"}}),
    "prefix-decoder": (translation_config, "gpt2", PROMPT | {"tuner": {"method": "prefix"}}),
}

CASES = FULL | ADAPTERS
ON_FILES = (
    "image",
    "image lora",
    "audio",
    "audio lora",
    "idefics3 lora",
    "llava",
    "paligemma lora",
    "git",
    "blip lora",
    "blip_vqa lora",
    "florence2",
    "vit-gpt2",
    "joined lora",
    "clip",
    "clip lora",
)

RUNNER = """
import contextlib, io, json, os, sys, traceback
for name, (folder, code) in json.load(sys.stdin).items():
    os.chdir(folder)
    told = io.StringIO()
    with contextlib.redirect_stdout(told):
        try:
            exec(compile(code, name, "exec"), {"__name__": "__main__"})
        except Exception:
            told.write(traceback.format_exc())
    print(json.dumps([name, told.getvalue()]))
"""


# One test for all runs: what is slow is to start Python, and each of them is a second of training.
def test_the_code_predicts_what_the_run_predicted(checkpoint: Checkpoint, tmp_path: Path) -> None:
    for model_type in {model_type for _, model_type, _ in CASES.values()}:
        if model_type == "tight-t5":
            _make_tight_t5(tmp_path / model_type)
        else:
            (tmp_path / model_type).symlink_to(checkpoint(model_type))  # the base lies beside the run
    runs = {name: (_trained(name, tmp_path), tmp_path) for name in CASES}
    runs |= {name: _trained_on_files(name, tmp_path / name) for name in ON_FILES}
    printed = _printed({name: (folder, block(run / "README.md")) for name, (run, folder) in runs.items()})
    failed = {name: problem for name, (run, _) in runs.items() if (problem := _difference(run, printed[name]))}
    assert not failed, "\n".join(f"{name}: {problem}" for name, problem in failed.items())


def _make_tight_t5(folder: Path) -> None:
    """Makes a T5 without spare rows, whose embeddings grow when tokens are added."""
    recipe = tiny.RECIPES["t5"]
    tiny.RECIPES["tight-t5"] = tiny.Recipe(recipe.tokenizer, recipe.model_class, recipe.config, (), config_type="t5")
    try:
        tiny.make_checkpoint("tight-t5", folder)
    finally:
        del tiny.RECIPES["tight-t5"]


def _trained(name: str, place: Path) -> Path:
    make, model_type, overrides = CASES[name]
    overrides = {
        "train.num_train_epochs": 1,
        "train.eval_strategy": "no",
        **overrides,
        "output_dir": str(place / f"run-{name}"),
    }
    return ftkit.train(make(place / f"data-{name}", place / model_type, **overrides)).output_dir


def _printed(codes: dict[str, tuple[Path, str]]) -> dict[str, str]:
    """Runs pieces of code, each in its folder, in one fresh process, and returns what each printed."""
    given = json.dumps({name: (str(folder), code) for name, (folder, code) in codes.items()})
    done = fresh.python("-c", RUNNER, input=given)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(line) for line in done.stdout.splitlines() if line.startswith("["))


def block(card: Path) -> str:
    found = re.search(r"^```python\n(.*?)^```$", card.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


def _difference(run: Path, printed: str) -> str | None:
    """Returns how what was printed differs from the run's prediction of its first row, which is the card's example."""
    lines = (run / "predictions" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    expected = json.loads(lines[0])
    if "Traceback" in printed:
        return printed
    is_value = "prediction" not in expected and printed[0] in "[{-0123456789"  # a text may begin like one
    value = ast.literal_eval(printed) if is_value else printed.removesuffix("\n")
    if "prediction" in expected:
        # Translations are of one line; replies keep their lines.
        is_same = expected["prediction"] in (printed.strip(), " ".join(printed.splitlines()).strip())
    elif "answer" in expected:
        is_same = printed.removesuffix("\n") == expected["answer"]
    elif "tags" in expected:
        is_same = value == expected["tags"]
    elif isinstance(value, dict):
        is_same = value["label"] == expected.get("label", "score")
        is_same = is_same and value["score"] == pytest.approx(expected["score"], abs=1e-5)
    elif isinstance(value, float):
        is_same = value == pytest.approx(expected["score"], abs=1e-5)
    elif isinstance(value, list):
        is_same = sorted(value) == sorted(expected["label"])
    else:
        is_same = value == expected["label"]
    return None if is_same else f"{printed!r} is not {expected!r}"


# --- images and recordings ----------------------------------------------------------------------------------


def _trained_on_files(name: str, place: Path) -> tuple[Path, Path]:
    """Trains on files, and returns the run with the folder from which its examples are named."""
    reads, _, tuner = name.partition(" ")
    if reads in (*tiny_image_text.MAKERS, "joined"):
        return _trained_to_write(reads, place, LORA if tuner else {})
    if reads == "image":
        files = tiny_images.make_photos(place / "files")
        checkpoint = tiny_images.make_checkpoint("vit", place / "base")
    elif reads == "clip":
        files = tiny_dual_encoders.make_classes(place / "files")
        checkpoint = tiny_dual_encoders.make_checkpoint("clip", place / "base")
    else:
        files = tiny_audio.write_tones(place / "files", 6)
        checkpoint = tiny_audio.make_checkpoint("wav2vec2", place / "base")
    source = str(files)
    config = {
        "task": "zero-shot-image-classification" if reads == "clip" else f"{reads}-classification",
        "model": {"checkpoint": str(checkpoint)},
        "data": {"train": source, "validation": source, "test": source},
        "train": {"num_train_epochs": 1, "per_device_train_batch_size": 8, "use_cpu": True},
        **(LORA if tuner else {}),
    }
    run = ftkit.train({**config, "output_dir": str(place / "run")}).output_dir
    for beside in ("run", "base"):
        (files / beside).symlink_to(place / beside)
    return run, files


def _trained_to_write(checkpoint: str, place: Path, tuner: dict[str, Any]) -> tuple[Path, Path]:
    if checkpoint == "joined":
        base = tiny_images.make_checkpoint("vit", place / "base")
        model = {"checkpoint": str(base), "decoder": str(tiny.make_checkpoint("gpt2", place / "writer"))}
    else:
        model = {"checkpoint": str(tiny_image_text.make_checkpoint(checkpoint, place / "base"))}
    asks = checkpoint not in ("vit-gpt2", "joined")
    config = tiny_image_text.run_config(place, place / "base", question=asks) | {"model": model}
    run = ftkit.train({**config, **tuner}).output_dir
    for beside in ("run", "base", "writer"):
        (place / "test" / beside).symlink_to(place / beside)
    return run, place / "test"
