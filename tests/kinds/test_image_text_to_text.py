"""Captions and questions about images, from rows to examples, and whole runs on tiny checkpoints."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import ftkit
import tiny_image_text
from ftkit.config.run_config import load_config
from ftkit.data.image_text import ImageTextExample, user_message
from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, open_table
from ftkit.data.row_cells import check_cells
from ftkit.errors import CheckpointError, ConfigError, DataError
from ftkit.kinds.image_text_baselines import text_baselines
from ftkit.kinds.image_text_to_text import KIND, ImageTextData, found_in_files
from ftkit.kinds.kind import Settings
from ftkit.runs.checked_run import CheckedRun, check_run
from ftkit.types import Split

IMAGE = {"type": "image"}


def part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    return tiny_image_text.maker(tmp_path_factory.mktemp("seeing"))


def check(settings: dict[str, Any]) -> CheckedRun:
    return check_run(load_config(settings, {}))


def checked_adapter(settings: dict[str, Any]) -> Any:
    """Returns the task adapter of a run that is possible, as `ftkit check` makes it."""
    from ftkit.runs.steps import check_examples

    run = check(settings)
    adapter = run.make_task_adapter()
    check_examples(run, adapter)
    return adapter


def read(file: Path, *, with_labels: bool = True, columns: Any = None, **data: Any) -> list[ImageTextExample]:
    spec = ImageTextData(train=str(file), columns=columns or {}, **data)
    table = open_table(str(file), ReadOptions(media="image"))
    return list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, spec), spec, with_labels=with_labels))


def write(folder: Path, name: str, *rows: Any) -> Path:
    file = folder / name
    lines = [json.dumps(row) for row in rows]
    file.write_text(json.dumps(list(rows)) if name.endswith(".json") else "\n".join(lines) + "\n")
    return file


# --- rows ---


def test_images_with_questions_and_answers(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("image,question,answer\na.png,what is it?,a cat\n")
    (row,) = read(file)
    assert (row.images, row.names) == ((str(tmp_path / "a.png"),), ("a.png",))
    assert row.messages == ({"role": "user", "content": (IMAGE, part("what is it?"))},)
    assert (row.question, row.target, row.line) == ("what is it?", "a cat", 2)
    (row,) = read(file, with_labels=False)
    assert row.target is None


@pytest.mark.parametrize("image", ["image_path", "file_name", "images"])
@pytest.mark.parametrize("caption", ["caption", "captions", "text"])
def test_captions_as_data_sets_call_them(tmp_path: Path, image: str, caption: str) -> None:
    file = write(tmp_path, "rows.jsonl", {image: "a.png", caption: ["a cat", "the cat", "a cat"]})
    (row,) = read(file)
    assert row.messages == ({"role": "user", "content": (IMAGE,)},)
    assert row.targets == ("a cat", "the cat", "a cat")
    with pytest.raises(DataError, match=r"no column 'said' \(data\.columns\.answer\)"):
        read(file, columns={"answer": "said"})


def test_answers_of_vqa_and_lists_printed_into_csv(tmp_path: Path) -> None:
    answers = [{"answer": "yes", "answer_id": 1}, {"answer": "yes", "answer_id": 2}, {"answer": "no", "answer_id": 3}]
    (row,) = read(write(tmp_path, "rows.jsonl", {"image": "a.png", "question": "red?", "answers": answers}))
    assert row.targets == ("yes", "yes", "no")
    file = tmp_path / "rows.csv"
    file.write_text("image,question,answers\na.png,red?,\"['yes', 'no']\"\n")
    assert read(file)[0].targets == ("yes", "no")


def test_llava_s_conversations(tmp_path: Path) -> None:
    said = [
        {"from": "human", "value": "<image>\nwhat is it?"},
        {"from": "gpt", "value": "a cat"},
        {"from": "human", "value": "which colour?"},
        {"from": "gpt", "value": "black"},
    ]
    file = write(tmp_path, "rows.json", {"id": "7", "image": "a.png", "conversations": said})
    (row,) = read(file, image_folder=str(tmp_path / "photos"))
    assert row.images == (str(tmp_path / "photos" / "a.png"),)
    assert row.messages == (
        {"role": "user", "content": (IMAGE, part("what is it?"))},
        {"role": "assistant", "content": (part("a cat"),)},
        {"role": "user", "content": (part("which colour?"),)},
    )
    assert (row.question, row.target) == ("which colour?", "black")
    assert row.turns == [("what is it?", "a cat"), ("which colour?", "black")]


def test_conversations_about_no_image_are_left_out_of_a_mixed_file_and_told(tmp_path: Path) -> None:
    said = [{"from": "human", "value": "hello?"}, {"from": "gpt", "value": "hello"}]
    marked = [{"from": "human", "value": "<image>red?"}, {"from": "gpt", "value": "no"}]
    Image.new("RGB", (40, 30)).save(tmp_path / "a.png")
    rows = read(
        write(
            tmp_path,
            "rows.json",
            {"image": "a.png", "conversations": marked},
            {"conversations": said},
            {"conversations": marked},
        )
    )

    def looked(*examples: Any) -> tuple[int, list[str], list[str]]:
        problems = Problems()
        split = Split("train", "rows.json", list(examples))
        found, _ = KIND.normalize({"train": split}, KIND.task, ImageTextData(train="x", target="answer"), problems)
        return len(found["train"]), problems.errors, problems.warnings

    kept, errors, (told,) = looked(*rows[:2])
    assert (kept, errors) == (1, [])
    assert "1 of 2 rows are conversations without an image; they are not trained on; at rows.json, line 2" in told
    _, (missing,), _ = looked(rows[0], rows[2])
    assert "there is no image" in missing, "what marks one should have one"
    assert looked(rows[1])[1], "a file of texts alone is of another task"


def test_messages_with_parts_that_name_their_images(tmp_path: Path) -> None:
    content = base64.b64decode("iVBORw0KGgo=")
    said = [
        {"role": "system", "content": "be brief"},
        {
            "role": "user",
            "content": [
                {"type": "image", "path": "a.png"},
                {"type": "text", "text": "and"},
                IMAGE | {"image": "b.png"},
            ],
        },
        {"role": "assistant", "content": [{"type": "text", "text": "cats"}]},
    ]
    (row,) = read(write(tmp_path, "rows.jsonl", {"messages": said}))
    assert row.names == ("a.png", "b.png")
    assert row.messages[1]["content"] == (IMAGE, part("and"), IMAGE)
    assert row.target == "cats"
    assert KIND.input_example(0, {"image": content, "question": "red?"}).images == (content,)


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (
            {"image": "a.png", "question": "<image> or <image>?", "answer": "x"},
            "marks 2 images by <image>, and the row has 1",
        ),
        ({"image": "a.png", "conversations": [{"from": "human", "value": "hi"}]}, "ends without an answer"),
        ({"image": "a.png", "conversations": [{"from": "me", "value": "hi"}]}, "the role 'me'"),
        (
            {
                "image": "a.png",
                "conversations": [{"from": "human", "value": "a<image>b<image>"}, {"from": "gpt", "value": "c"}],
            },
            "marks 2",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "video"}]}]}, "a part of type 'video'"),
        ({"image": 5, "question": "a", "answer": "x"}, "holds a number"),
        ({"image": "a.png", "question": "a", "answer": [["x"]]}, "holds a list in a list"),
    ],
)
def test_cells_that_cannot_be(cells: dict[str, Any], message: str, tmp_path: Path) -> None:
    problems = Problems()
    check_cells(Split("train", "rows.jsonl", read(write(tmp_path, "rows.jsonl", cells))), problems)
    found = "\n".join(problems.errors)
    assert message in found
    assert "rows.jsonl, line 1" in found


def test_what_is_written_is_read_off_the_columns(tmp_path: Path) -> None:
    asked = write(tmp_path, "a.jsonl", {"image": "a.png", "question": "red?", "answer": "yes"})
    shown = write(tmp_path, "b.jsonl", {"image": "a.png", "caption": "a cat"})
    found = [found_in_files(KIND.task, ImageTextData(train=str(file))) for file in (asked, shown)]
    assert [data.target for data in found] == ["answer", "caption"]
    groups = [KIND.metrics(KIND.task, data).primary for data in found]
    assert groups == ["exact_match", "chrf++"]


# --- baselines ---


def test_what_can_be_had_without_the_image_and_without_the_question() -> None:
    def row(question: str, target: str | None, colour: int) -> ImageTextExample:
        return ImageTextExample(
            id=0,
            images=("x",),
            names=("x",),
            messages=(user_message(question, 1),),
            target=target,
            gist=bytes([colour] * 192),
        )

    train = [row("Red?", "yes", 0), row("round?", "no", 0), row("round?", "no", 0), row("red?", "yes", 250)]
    scored = [row("is the red?", None, 10), row("red", None, 240), row("big?", None, 10)]
    assert text_baselines(train, scored) == {
        "most_frequent_text": ["yes"] * 3,
        "question": ["yes", "yes", "yes"],
        "nearest_image": ["no", "yes", "no"],
    }


def test_a_model_that_does_not_look_is_told_so() -> None:
    from ftkit.engine.evaluation import Evaluation
    from ftkit.runs.ablations import unused_warnings

    def scored(value: float, blank: float) -> dict[str, Evaluation]:
        return {"test": Evaluation({"exact_match": value, "blank_images_exact_match": blank}, None, None, None)}

    assert unused_warnings(KIND, scored(0.8, 0.4), "exact_match") == []
    (told,) = unused_warnings(KIND, scored(0.8, 0.78), "exact_match")
    assert "0.8000, and 0.7800 with blank images on a sample: it hardly uses" in told


# --- checks ---


def test_images_are_opened_and_rows_named(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint("idefics3"))
    train = Path(settings["data"]["train"])
    (train.parent / "1.png").write_bytes(b"no image")
    (train.parent / "2.png").unlink()
    with pytest.raises(DataError) as error:
        check(settings)
    message = str(error.value)
    assert "1.png is no image that can be read" in message
    assert "rows.jsonl, line 2" in message
    assert "rows.jsonl, line 3" in message
    tiny_image_text.make_rows(train.parent, 12)
    train.write_text(train.read_text() + '{"image": "3.png", "question": "who?", "answer": ""}\n')
    with pytest.raises(DataError, match=r"there is nothing to write\n.*rows\.jsonl, line 13"):
        check(settings)


def test_rows_that_do_not_fit_into_what_the_model_reads(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint("idefics3"))
    train = Path(settings["data"]["train"])
    long = {"image": "3.png", "question": "rain " * 140, "answer": "sun"}
    train.write_text(train.read_text() + json.dumps(long) + "\n")
    with pytest.raises(DataError, match="images and question are longer than .* reads, which is 128 tokens"):
        checked_adapter(settings)


def test_a_model_without_a_chat_template_and_one_that_reads_no_texts(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    import tiny_images

    bare = tmp_path / "bare"
    shutil.copytree(checkpoint("idefics3"), bare)
    (bare / "chat_template.jinja").unlink()
    with pytest.raises(ConfigError, match=r"data\.chat_template is missing"):
        checked_adapter(tiny_image_text.run_config(tmp_path, bare))
    plain = tiny_image_text.make_adapter(bare, chat_template="plain").preprocessor
    [row] = plain.prompts.learnt(tiny_image_text.examples(tmp_path / "pictures", 1))
    assert plain.processor.decode(row.ids) == "<s>User: <image>who won the game\nAssistant: sun</s>"
    seeing = tiny_images.make_checkpoint("vit", tmp_path / "vit")
    with pytest.raises(ConfigError, match="does not work with .*vit.*, a checkpoint of family encoder"):
        check(tiny_image_text.run_config(tmp_path, seeing))


def test_an_encoder_that_reads_more_than_an_image_is_refused(
    checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    import transformers

    folder = tmp_path / "pix2struct"
    shutil.copytree(checkpoint("vit-gpt2"), folder)  # what lies beside its config is not looked at
    transformers.Pix2StructConfig().save_pretrained(folder)
    with pytest.raises(CheckpointError, match="of type 'pix2struct', has an encoder that reads more than an image"):
        check(tiny_image_text.run_config(tmp_path, folder))


def test_a_run_keeps_the_text_of_a_chat_template_s_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.jinja"
    file.write_text(tiny_image_text.LLAVA_TEMPLATE)
    kept = {
        named: KIND.adapter_options(None, None, ImageTextData(train="a.csv", chat_template=named), Settings())
        for named in (str(file), "plain", None)
    }
    assert [options["chat_template"] for options in kept.values()] == [tiny_image_text.LLAVA_TEMPLATE, "plain", None]


@pytest.mark.parametrize("name", ["git", "llava_onevision"])
def test_several_images_for_a_model_that_sees_one(
    name: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint(name))
    rows = [{"image": ["0.png", "1.png"], "question": "who", "answer": answer} for answer in ("sun", "rain")]
    settings["data"]["train"] = str(tmp_path / "train" / "two.jsonl")
    Path(settings["data"]["train"]).write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(DataError, match=r"train: there are several images, and .*' sees one at a time \(2 times\)"):
        ftkit.train(settings)
    adapter = tiny_image_text.make_adapter(checkpoint(name))
    one, two = tiny_image_text.examples(tmp_path / "pictures", 2)
    asked = (user_message("who", 2),)
    both = dataclasses.replace(one, images=one.images + two.images, names=one.names + two.names, messages=asked)
    with pytest.raises(DataError, match=r"0\.png: 2 images, and .*' sees one at a time"):
        adapter.preprocessor.encode([both], targets=False)


def test_questions_for_a_model_that_is_asked_nothing(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint("vit-gpt2"))
    with pytest.raises(DataError, match="a question is asked, and .* sees one image and is asked nothing"):
        checked_adapter(settings)
    settings["data"]["prompt_template"] = "Describe it."
    with pytest.raises(ConfigError, match=r"data\.prompt_template: .* is asked nothing"):
        checked_adapter(settings)


def test_a_blip_that_was_saved_to_compare_images_with_texts(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "blip"
    shutil.copytree(checkpoint("blip"), folder)
    config = (folder / "config.json").read_text()
    (folder / "config.json").write_text(config.replace("BlipForConditionalGeneration", "BlipForImageTextRetrieval"))
    with pytest.raises(CheckpointError, match="a BlipForImageTextRetrieval, which writes nothing"):
        checked_adapter(tiny_image_text.run_config(tmp_path, folder))


@pytest.mark.parametrize(("name", "learnt"), [("blip_vqa", "sun[SEP]"), ("florence2", "<s>sun</s>")])
def test_an_encoder_that_reads_a_question(
    name: str, learnt: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint(name))
    with pytest.raises(ConfigError, match=r"data\.chat_template: .* reads a question .* by data\.prompt_template"):
        tiny_image_text.make_adapter(checkpoint(name), chat_template="plain")
    with pytest.raises(ConfigError, match=r"model\.add_tokens: tokens cannot be added to models that read images"):
        checked_adapter({**settings, "model": {"checkpoint": str(checkpoint(name)), "add_tokens": ["rhubarb"]}})
    asked = tiny_image_text.make_adapter(checkpoint(name), prompt_template="who {question} game").preprocessor
    plain = tiny_image_text.make_adapter(checkpoint(name)).preprocessor
    rows = [
        tiny_image_text.examples(tmp_path / "pictures", 1, question=text) for text in ("won the", "who won the game")
    ]
    one, other = (of.encode(given, targets=False).rows[0] for of, given in zip((asked, plain), rows, strict=True))
    assert one["input_ids"] == other["input_ids"]
    pieces = asked.pieces(asked.encode(rows[0], targets=True).rows[0])
    assert "".join(piece.text for piece in pieces if piece.bears_loss) == learnt
    long = tmp_path / "train" / "long.csv"
    long.write_text(f'image,question,answer\n0.png,{"who won the game " * 40},sun\n1.png,"who",rain\n')
    settings["data"]["train"] = str(long)
    with pytest.raises(DataError, match=r"train: the question takes \d+ tokens with its image, and .* reads 64"):
        ftkit.train(settings)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("blip_vqa", "dimension of length 17"),
        ("florence2", "an image becomes 5 tokens, and image_seq_length says 2"),
        ("vit-gpt2", r"image size \(64\*64\) doesn't match"),
    ],
)
def test_a_processor_that_makes_images_of_another_size(
    name: str, reason: str, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    folder = tmp_path / "wide"
    shutil.copytree(checkpoint(name), folder)
    files = [folder / file for file in ("processor_config.json", "preprocessor_config.json")]
    [file] = [file for file in files if file.is_file()]
    stated = json.loads(file.read_text())
    stated.get("image_processor", stated)["size"] = {"height": 64, "width": 64}
    file.write_text(json.dumps(stated))
    with pytest.raises(CheckpointError, match=f"cannot read the images that its own processor makes.*{reason}"):
        tiny_image_text.make_adapter(folder)


def test_florence_is_asked_by_tasks(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    adapter = tiny_image_text.make_adapter(checkpoint("florence2"))
    [example] = tiny_image_text.examples(tmp_path / "pictures", 1, question="<CAPTION>")
    [row] = adapter.preprocessor.encode([example], targets=False).rows.__getitems__([0])
    read = adapter.preprocessor.target_tokenizer.decode(row["input_ids"])
    assert read == "<image><image><s>What does the image describe?</s>"
    [mixed] = tiny_image_text.examples(tmp_path / "pictures", 1, question="<CAPTION> please")
    with pytest.raises(DataError, match=r"line 1 \(id 0\): .* cannot be asked '<CAPTION> please': Task token"):
        adapter.preprocessor.encode([mixed], targets=False)


def test_a_processor_that_needs_torchvision(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    folder = tmp_path / "lfm2"
    shutil.copytree(checkpoint("idefics3"), folder)
    (folder / "config.json").write_text('{"model_type": "lfm2_vl"}')
    kinds = {"processor_class": "Lfm2VlProcessor", "image_processor": {"image_processor_type": "Lfm2VlImageProcessor"}}
    (folder / "processor_config.json").write_text(json.dumps(kinds))
    with pytest.raises(CheckpointError, match="'lfm2_vl', has an image processor that needs torchvision"):
        checked_adapter(tiny_image_text.run_config(tmp_path, folder))


def test_a_processor_that_tells_tokens_apart_in_another_way(
    checkpoint: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoint("qwen2_vl")
    other = lambda self, rows: [[2] * len(row) for row in rows]  # noqa: E731
    monkeypatch.setattr("transformers.ProcessorMixin.create_mm_token_type_ids", other)
    with pytest.raises(CheckpointError, match="puts images and texts together in a way that ftkit does not know"):
        checked_adapter(tiny_image_text.run_config(tmp_path, folder))


# --- runs ---


@pytest.mark.filterwarnings("ignore::FutureWarning")  # of transformers, by peft
@pytest.mark.parametrize(
    ("name", "tuner"),
    [
        ("idefics3", {"method": "full"}),
        ("qwen2_vl", {"method": "lora", "rank": 4}),
        ("blip_vqa", {"method": "full"}),
        ("florence2", {"method": "lora", "rank": 4}),
    ],
    ids=["idefics3-full", "qwen2_vl-lora", "blip_vqa-full", "florence2-lora"],
)
def test_a_run_from_questions_to_a_card(
    name: str,
    tuner: dict[str, Any],
    checkpoint: Callable[[str], Path],
    tmp_path: Path,
) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint(name)) | {"tuner": tuner}
    result = ftkit.train(settings)
    run, found = result.output_dir, result.metrics
    assert found["proof"]["same_predictions"]
    rows = [json.loads(line) for line in (run / "predictions" / "test.jsonl").read_text().splitlines()]
    truth = [json.loads(line)["answer"] for line in (tmp_path / "test" / "rows.jsonl").read_text().splitlines()]
    right = sum(row["prediction"] == answer for row, answer in zip(rows, truth, strict=True))
    assert found["test_exact_match"] == pytest.approx(right / 6)
    assert found["test_baseline_nearest_image"] == 1.0, "each colour is one answer"
    assert found["test_baseline_most_frequent_text"] == pytest.approx(2 / 6)
    assert 0 <= found["test_blank_images_exact_match"] <= 1
    report = (run / "report.html").read_text()
    assert "with blank images" in report
    assert ("pip install torchvision" in (run / "README.md").read_text()) == (name == "qwen2_vl")
    assert "data:image/jpeg;base64," in report
    assert tiny_image_text.QUESTION in report
    items = [{"image": str(tmp_path / "test" / f"{n}.png"), "question": tiny_image_text.QUESTION} for n in range(6)]
    predictor = ftkit.load(run)
    again = predictor.predict(items)
    assert [row["prediction"] for row in again] == [row["prediction"] for row in rows]
    assert predictor.predict([json.dumps(items[1])])[0]["prediction"] == rows[1]["prediction"]
    bad = predictor.predict([items[0], str(tmp_path / "gone.png")])
    assert "there is no such file" in bad[1]["error"]
    scores = predictor.evaluate(settings["data"]["test"])
    assert scores["exact_match"] == found["test_exact_match"]
    assert scores["blank_images_exact_match"] == found["test_blank_images_exact_match"]


def test_captions_have_several_references(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint("git"), question=False)
    for split in ("train", "test"):
        file = Path(settings["data"][split])
        rows = [json.loads(line) for line in file.read_text().splitlines()]
        lines = [
            json.dumps({"image": row["image"], "captions": [f"a {row['answer']}", f"the {row['answer']}"]})
            for row in rows
        ]
        file.write_text("\n".join(lines) + "\n")
    checked = check(settings)
    assert len(checked.splits["train"]) == 24, "each caption is learnt"
    assert len(checked.splits["test"]) == 6
    found = ftkit.train(settings).metrics
    rows = [json.loads(line) for line in (tmp_path / "run" / "predictions" / "test.jsonl").read_text().splitlines()]
    from sacrebleu.metrics.chrf import CHRF

    truth = [json.loads(line)["captions"] for line in Path(settings["data"]["test"]).read_text().splitlines()]
    ours = CHRF(word_order=2).corpus_score([row["prediction"] for row in rows], list(zip(*truth, strict=True)))
    assert found["test_chrf++"] == pytest.approx(ours.score)
    assert "test_bleu_signature" in found
    assert "test_baseline_question" not in found


def test_the_usual_answer_is_learnt_of_several(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    settings = tiny_image_text.run_config(tmp_path, checkpoint("git"))
    file = Path(settings["data"]["train"])
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    lines = [json.dumps({**row, "answer": ["boil", row["answer"], row["answer"]]}) for row in rows]
    file.write_text("\n".join(lines) + "\n")
    train = check(settings).splits["train"].examples
    assert [example.target for example in train] == [row["answer"] for row in rows]
