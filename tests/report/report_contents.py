"""Contents of finished runs, made up from seeds, for the tests of the report and the model card."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from ftkit.adapters.preprocessor import Sound
from ftkit.data.audio import AudioExample, wav_bytes
from ftkit.data.boxes import DetectionExample
from ftkit.data.conversations import ConversationExample, answer_turn, user_turn
from ftkit.data.image_pairs import ImagePairExample
from ftkit.data.image_text import ImageTextExample, user_message
from ftkit.data.images import ImageExample
from ftkit.data.masks import ClassMask, MaskClasses, MaskedImageExample, MaskFile
from ftkit.data.preferences import PreferenceExample
from ftkit.data.questions import Answer, QuestionExample
from ftkit.data.similarity import SimilarityExample
from ftkit.data.speech import SpeechExample
from ftkit.kinds.table import find_kind
from ftkit.metrics.groups import GROUPS
from ftkit.metrics.scorer import make_scorer
from ftkit.report.content import EvaluatedSplit, ReportContent
from ftkit.report.recipe import Recipe
from ftkit.report.usage.answer import AnswerRecipe
from ftkit.report.usage.chat import ChatRecipe
from ftkit.report.usage.classify import ClassifyRecipe
from ftkit.report.usage.compare import CompareRecipe
from ftkit.report.usage.detect import DetectRecipe
from ftkit.report.usage.embed import EmbedRecipe
from ftkit.report.usage.fill import FillRecipe
from ftkit.report.usage.hear import HearRecipe
from ftkit.report.usage.look import LookRecipe
from ftkit.report.usage.rank import RankRecipe
from ftkit.report.usage.see import SeeRecipe
from ftkit.report.usage.segment import SegmentRecipe
from ftkit.report.usage.tag import TagRecipe
from ftkit.report.usage.transcribe import TranscribeRecipe
from ftkit.report.usage.write import WriteRecipe
from ftkit.runs.augmented_rows import AugmentedRow
from ftkit.types import (
    CandidatesExample,
    Label,
    LabelSpace,
    PredictedAnswer,
    Split,
    TextExample,
    TextToTextExample,
    TokenExample,
)

INTENTS = (
    "account_access",
    "cancel_order",
    "change_address",
    "damaged_item",
    "order_status",
    "payment_problem",
    "product_question",
    "refund_request",
)
_TEXTS = (
    "Where is my order? It was to come on Tuesday and the page still says it is being packed.",
    "please cancel it, I clicked twice by mistake",
    "The glass was broken when I opened the box, and two screws are missing from the bag as well.",
    "My card was charged twice for the same basket.",
    "Does the lamp work with a dimmer, and which bulbs fit?",
)

CONFIG = """\
task: text-classification
model:
  checkpoint: {checkpoint}
data:
  train: {train}
  validation: 0.1
  test: {test}
tuner:
  method: full
train:
  num_train_epochs: 5
  learning_rate: 5.0e-05
  per_device_train_batch_size: 32
  seed: 7
output_dir: {output_dir}
"""


def examples(labels: Sequence[Label], *, texts: Sequence[str] = _TEXTS) -> list[TextExample]:
    return [
        TextExample(id=f"q{row}", text=f"{texts[row % len(texts)]} ({row})", label=label, line=row + 2)
        for row, label in enumerate(labels)
    ]


def single_label_split(
    name: str, label_names: Sequence[str], *, num_rows: int, source: str, accuracy: float = 0.88, seed: int = 0
) -> EvaluatedSplit:
    """Mistakes go mostly to the next label, so that confusions have a pattern; confidences are a bit too high."""
    generator = np.random.default_rng(seed)
    num_labels = len(label_names)
    weights = np.linspace(2.0, 0.6, num_labels)
    references = generator.choice(num_labels, num_rows, p=weights / weights.sum())
    is_right = generator.random(num_rows) < accuracy
    steps = generator.choice([1, 1, 1, 2, 3], num_rows)
    predictions = np.where(is_right, references, (references + steps) % num_labels)
    confidences = np.clip(
        np.where(is_right, generator.beta(14, 1.2, num_rows), generator.beta(4, 2.2, num_rows)), 1 / num_labels, 1
    )
    split = Split(name, source, examples([label_names[label] for label in references]), fingerprint="8f3c" * 16)
    return EvaluatedSplit(name, split, predictions, references, confidences)


def multi_label_split(name: str, label_names: Sequence[str], *, num_rows: int, source: str) -> EvaluatedSplit:
    generator = np.random.default_rng(1)
    references = (generator.random((num_rows, len(label_names))) < 0.25).astype(np.int64)
    flips = generator.random(references.shape) < 0.06
    predictions = np.where(flips, 1 - references, references)
    labels = [tuple(name for name, has in zip(label_names, row, strict=True) if has) for row in references]
    # As the adapter gives them: booleans, and the numbers that the loss reads.
    arrays = predictions.astype(bool), references.astype(np.float32)
    return EvaluatedSplit(name, Split(name, source, examples(labels), "ab" * 32), *arrays)


def regression_split(name: str, *, num_rows: int, source: str) -> EvaluatedSplit:
    generator = np.random.default_rng(2)
    references = generator.uniform(0, 5, num_rows)
    predictions = references * 0.9 + 0.25 + generator.normal(0, 0.35, num_rows)
    return EvaluatedSplit(name, Split(name, source, examples(references.tolist()), "cd" * 32), predictions, references)


def history(metric: str, *, num_epochs: int = 5, steps_per_epoch: int = 90) -> list[dict[str, float]]:
    """What the trainer logs: a loss every tenth step, an evaluation after each epoch, a summary at the end."""
    generator = np.random.default_rng(3)
    entries: list[dict[str, float]] = []
    num_steps = num_epochs * steps_per_epoch
    for step in range(10, num_steps + 1, 10):
        loss = 2.1 * np.exp(-step / 110) + 0.12 + generator.normal(0, 0.05) * np.exp(-step / 400)
        rate = 5e-5 * (1 - step / num_steps)
        epoch = step / steps_per_epoch
        entries.append({"step": step, "epoch": epoch, "loss": float(loss), "grad_norm": 1.0, "learning_rate": rate})
        if step % steps_per_epoch == 0:
            value = 0.9 - 0.5 * np.exp(-epoch * 0.9) - 0.012 * max(0.0, epoch - 4)
            eval_loss = 0.35 + 1.4 * np.exp(-epoch * 0.9) + 0.03 * max(0.0, epoch - 3)
            value = 1 - value if metric in ("mse", "rmse") else value
            entries.append(
                {"step": step, "epoch": epoch, "eval_loss": float(eval_loss), f"eval_{metric}": float(value)}
            )
    entries.append({"step": num_steps, "epoch": float(num_epochs), "train_runtime": 133.0, "train_loss": 0.61})
    return entries


def per_label(split: EvaluatedSplit, label_names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Precision, recall, F1 and support, by scikit-learn."""
    from sklearn.metrics import precision_recall_fscore_support

    columns = precision_recall_fscore_support(
        split.references, split.predictions, labels=range(len(label_names)), zero_division=0
    )
    keys = ("precision", "recall", "f1", "support")
    return {
        name: {key: values[index].item() for key, values in zip(keys, columns, strict=True)}
        for index, name in enumerate(label_names)
    }


def results(splits: Sequence[EvaluatedSplit], scores: dict[str, Any]) -> dict[str, Any]:
    data = {"train": {"source": "data/train.csv", "rows": 2873, "fingerprint": "1d5e" * 16}}
    data |= {
        split.name: {"source": split.split.source, "rows": len(split), "fingerprint": split.split.fingerprint}
        for split in splits
    }
    return {
        "train_runtime": 133.0,
        "train_samples_per_second": 108.02,
        "train_loss": 0.6123,
        "epoch": 5.0,
        "num_parameters": 66_959_624,
        "num_trainable_parameters": 66_959_624,
        "padding_share": 0.0412,
        "num_steps": 450,
        "best_step": 360,
        "seed": 7,
        "train_samples": 2873,
        **{f"{split.prefix}_samples": len(split) for split in splits},
        **scores,
        "data": data,
        "environment": {
            "python": "3.12.3",
            "platform": "Linux x86_64",
            "gpus": [],
            "packages": {"ftkit": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
        },
        "proof": {
            "reloaded_from_disk": True,
            "rows": 32,
            "same_predictions": True,
            "max_difference": 1.2e-07,
            "tolerance": 1e-05,
        },
    }


def content(
    splits: Sequence[EvaluatedSplit],
    *,
    label_names: tuple[str, ...],
    problem_type: str,
    primary_metric: str,
    scores: dict[str, Any],
    **changes: Any,
) -> ReportContent:
    kind = find_kind(changes.get("kind", "text-classification"))
    values: dict[str, Any] = {
        "title": "support-intents",
        "task_name": "text-classification",
        "kind": "text-classification",
        "problem_type": problem_type,
        "label_names": label_names,
        "reading": kind.reading(problem_type),
        "blocks": kind.blocks(problem_type),
        "recipe": ClassifyRecipe(),
        "checkpoint": "distilbert/distilbert-base-uncased",
        "family": "encoder",
        "config_yaml": CONFIG.format(
            checkpoint="distilbert/distilbert-base-uncased",
            train="data/train.csv",
            test="data/test.csv",
            output_dir="runs/support-intents",
        ),
        "results": results(splits, scores),
        "log_history": history(primary_metric),
        "evaluated": splits,
        "warnings": (),
        "primary_metric": primary_metric,
        "base_on_hub": "distilbert/distilbert-base-uncased",
    }
    return ReportContent(**(values | changes))


def single_label_content(
    label_names: tuple[str, ...] = INTENTS, *, num_rows: int = 320, **changes: Any
) -> ReportContent:
    """A run with validation and test; what is told of it is computed from its predictions."""
    splits = [
        single_label_split("validation", label_names, num_rows=num_rows, source="data/train.csv", seed=1),
        single_label_split("test", label_names, num_rows=num_rows, source="data/test.csv", seed=2),
    ]
    scores: dict[str, Any] = {}
    for split in splits:
        table = per_label(split, label_names)
        scores[f"{split.prefix}_loss"] = 0.4321
        scores[f"{split.prefix}_accuracy"] = float((split.predictions == split.references).mean())
        scores[f"{split.prefix}_f1_macro"] = float(np.mean([row["f1"] for row in table.values()]))
        scores[f"{split.prefix}_per_label"] = table
    return content(
        splits,
        label_names=label_names,
        problem_type="single_label_classification",
        primary_metric="accuracy",
        scores=scores,
        **changes,
    )


def multi_label_content(**changes: Any) -> ReportContent:
    names = ("billing", "delivery", "quality", "returns", "warranty")
    split = multi_label_split("test", names, num_rows=400, source="data/test.jsonl")
    hits = float(((split.predictions == 1) & (split.references == 1)).sum())
    f1_micro = 2 * hits / float(split.predictions.sum() + split.references.sum())
    scores = {
        "test_f1_micro": f1_micro,
        "test_accuracy": float((split.predictions == split.references).all(axis=1).mean()),
        "test_hamming_loss": 0.0605,
        "test_loss": 0.2,
        "test_per_label": per_label(split, names),
    }
    return content(
        [split],
        label_names=names,
        problem_type="multi_label_classification",
        primary_metric="f1_micro",
        scores=scores,
        **changes,
    )


def regression_content(*, num_rows: int = 600, **changes: Any) -> ReportContent:
    split = regression_split("test", num_rows=num_rows, source="data/test.tsv")
    mse = float(np.mean((split.predictions - split.references) ** 2))
    scores = {"test_mse": mse, "test_pearson": 0.9712, "test_spearman": None, "test_loss": mse}
    return content(
        [split], label_names=("score",), problem_type="regression", primary_metric="mse", scores=scores, **changes
    )


def _with_files(kind: str, make: Callable[[int, str], Any], recipe: Recipe, input_name: str) -> ReportContent:
    """A run that tells files of two labels apart."""
    names = ("cat", "dog")
    made = single_label_split("test", names, num_rows=60, source="files/test")
    examples = [make(row, names[label]) for row, label in enumerate(made.references)]
    scores = {"test_accuracy": float(np.mean(made.predictions == made.references)), "test_loss": 0.5}
    return content(
        [replace(made, split=Split("test", "files/test", examples))],
        label_names=names,
        problem_type="single_label_classification",
        primary_metric="accuracy",
        scores={**scores, "test_per_label": per_label(made, names)},
        kind=kind,
        task_name=kind,
        recipe=recipe,
        input_name=input_name,
    )


def image_content() -> ReportContent:
    def make(row: int, label: str) -> ImageExample:
        image = Image.new("RGB", (200, 100), (row, 0, 0))
        return ImageExample(id=row, image=image, name=f"{label}/{row}.jpg", label=label)

    return _with_files("image-classification", make, SeeRecipe(), "image")


def augmented_content() -> ReportContent:
    """Rows of all sorts, with what training made of them."""
    content = image_content()
    sounds = [Sound(np.sin(np.arange(8_000, dtype=np.float32) / pitch), 16_000) for pitch in range(1, 5)]
    pictures = [Image.new("RGB", (300, 200), (50 * shade, 0, 0)) for shade in range(4)]
    texts = ["a <b>text</b>", "a <b>txet</b>", "A TEXT", "text"]
    rows = [AugmentedRow(f"row {of[0]!r}"[:20], of[0], of[1:]) for of in (sounds, pictures, texts)]
    return replace(content, blocks=(*content.blocks, "augmentation"), augmented=rows)


def image_text_content() -> ReportContent:
    """Three images asked about: right but for the article, wrong, and one that was deleted."""
    examples = [
        ImageTextExample(
            id=row,
            images=(Image.new("RGB", (200, 100), (row, 0, 0)) if row < 2 else "gone.jpg",),
            names=(f"photos/{row}.jpg",),
            messages=(user_message("what is <it>?", 1),),
            target="cat",
        )
        for row in range(3)
    ]
    predictions, references = np.empty(3, object), np.empty(3, object)
    predictions[:] = ["A cat.", "<b>dog</b>", ""]
    references[:] = ["cat", ("cat", "kitten"), "cat"]
    group = GROUPS["visual-question-answering"]
    scores = make_scorer(group.defaults, group).compute(predictions, references)
    kind = find_kind("image-text-to-text")
    return content(
        [EvaluatedSplit("test", Split("test", "data/photos.csv", examples, "4f" * 32), predictions, references)],
        label_names=(),
        problem_type=group.name,
        kind=kind.name,
        task_name=kind.name,
        family="decoder",
        primary_metric="exact_match",
        scores={**{f"test_{name}": value for name, value in scores.items()}, "test_baseline_question": 0.5},
        recipe=LookRecipe(form="chat"),
        input_name="image",
    )


def mask_content() -> ReportContent:
    """Three images whose predicted masks are right, a row too low, and all ground."""
    classes, truth = MaskClasses((0, 255)), np.zeros((20, 30), np.int16)
    truth[5:10, 10:20] = 1
    guesses = [truth, np.roll(truth, 1, axis=0), np.zeros_like(truth)]
    mask = classes.as_image(truth)
    examples = [
        MaskedImageExample(id=row, image=Image.new("RGB", (30, 20), "grey"), name=f"cells/{row}.jpg", mask=mask)
        for row in range(len(guesses))
    ]
    predictions, references = np.empty(3, object), np.empty(3, object)
    predictions[:] = [ClassMask(guess) for guess in guesses]
    references[:] = [MaskFile(mask, "the mask", classes)] * 3
    labels = LabelSpace(("ground", "<cell>"))
    group = GROUPS["image-segmentation"]
    scores = make_scorer(group.defaults, group, labels=labels).compute(predictions, references)
    kind = find_kind("image-segmentation")
    return content(
        [EvaluatedSplit("test", Split("test", "data/cells", examples, "4f" * 32), predictions, references)],
        label_names=labels.names,
        problem_type=kind.name,
        kind=kind.name,
        task_name=kind.name,
        primary_metric="mean_iou",
        scores={f"test_{name}": value for name, value in scores.items()},
        recipe=SegmentRecipe(),
        input_name="image",
    )


def detection_content() -> ReportContent:
    """A run that finds cats and dogs: one image right, one with a miss and a false positive, one with nothing."""
    truth = [[[0, 0, 10, 10, 60, 60, 2500]], [[1, 0, 10, 10, 60, 60, 2500], [0, 1, 80, 80, 99, 99, 361]], []]
    found = [[[0, 0.9, 12, 10, 60, 60]], [[1, 0.8, 100, 10, 150, 60]], []]
    references, predictions = np.empty(3, object), np.empty(3, object)
    for place in range(3):
        references[place] = np.array(truth[place], float).reshape(-1, 7)
        predictions[place] = np.array(found[place], float).reshape(-1, 6)
    examples = [
        DetectionExample(id=row, image=Image.new("RGB", (200, 100), (row, 0, 0)), name=f"{row}.jpg", line=row + 1)
        for row in range(3)
    ]
    split = EvaluatedSplit("test", Split("test", "files/test", examples), predictions, references)
    return content(
        [split],
        label_names=("cat", "dog"),
        problem_type="object-detection",
        primary_metric="ap",
        scores={"test_ap": 0.4, "test_loss": 0.5},
        kind="object-detection",
        task_name="object-detection",
        reading="boxes",
        blocks=("precision-recall", "box-errors"),
        recipe=DetectRecipe(),
        input_name="image",
    )


def audio_content() -> ReportContent:
    def make(row: int, label: str) -> AudioExample:
        return AudioExample(id=row, name=f"calls/{row}.wav", path=f"calls/{row}.wav", label=label, line=row + 2)

    return _with_files("audio-classification", make, HearRecipe(), "recording")


TAGS = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
_SENTENCES = (
    ("Anna Kowalska moved to New York last year", "B-PER I-PER O O B-LOC I-LOC O O"),
    ("In Bergen it rains more than in Oslo", "O B-LOC O O O O O B-LOC"),
    ("Nobody asked Tom about the <b> tag", "O O B-PER O O O O"),
    ("the meeting was short", "O O O O"),
    ("Li Wei and Maria Sol met in Lima", "B-PER I-PER O B-PER I-PER O O B-LOC"),
)


def tagging_content(*, num_rows: int = 60, **changes: Any) -> ReportContent:
    """A tagger that gets one tag in twelve wrong; its F1 is seqeval's own."""
    from seqeval.metrics import f1_score

    generator = np.random.default_rng(4)
    examples, expected, predicted, confidences = [], [], [], []
    for row in range(num_rows):
        words, tags = (text.split() for text in _SENTENCES[row % len(_SENTENCES)])
        ids = np.array([TAGS.index(tag) for tag in tags])
        flips = generator.random(len(ids)) < 1 / 12
        expected.append(ids)
        predicted.append(np.where(flips, generator.integers(len(TAGS), size=len(ids)), ids))
        confidences.append(generator.uniform(0.4, 1.0, len(ids)))
        examples.append(TokenExample(id=f"s{row}", words=tuple(words), tags=tuple(tags), line=9 * row + 1))
    split = EvaluatedSplit(
        "test", Split("test", "test.conll", examples, "ef" * 32), *map(_ragged, (predicted, expected, confidences))
    )
    names = [[[TAGS[index] for index in ids] for ids in rows] for rows in (expected, predicted)]
    scores = {
        "test_f1": float(f1_score(*names, mode="strict", scheme=_iob2())),
        "test_loss": 0.31,
        "test_mode": "strict",
        "test_scheme": "IOB2",
        "test_per_label": {
            "PER": {"precision": 0.9, "recall": 0.8, "f1": 0.847, "support": 3 * num_rows // 5},
            "LOC": {"precision": 0.7, "recall": 0.75, "f1": 0.724, "support": 4 * num_rows // 5},
        },
    }
    return content(
        [split],
        label_names=TAGS,
        problem_type="token-classification",
        primary_metric="f1",
        scores=scores,
        **{
            "kind": "token-classification",
            "task_name": "token-classification",
            "recipe": TagRecipe(tokens_before=("cls_token_id",), tokens_after=("sep_token_id",)),
            **changes,
        },
    )


def plain_tagging_content(**changes: Any) -> ReportContent:
    """The same with tags that stand for themselves."""
    tagged = tagging_content()
    (split,) = tagged.evaluated
    hits = np.concatenate([one == other for one, other in zip(split.predictions, split.references, strict=True)])
    row = {"precision": 0.9, "recall": 0.8, "f1": 0.847, "support": 60}
    return content(
        [split],
        label_names=("DET", "NOUN", "PROPN", "VERB", "X"),
        problem_type="plain-tags",
        primary_metric="accuracy",
        scores={"test_accuracy": float(hits.mean()), "test_f1_macro": 0.8, "test_per_label": {"NOUN": row}},
        **{
            "kind": "token-classification",
            "task_name": "token-classification",
            "recipe": tagged.recipe,
            **changes,
        },
    )


def _ragged(rows: Sequence[np.ndarray]) -> np.ndarray:
    """Returns arrays (W,) as one array (N,) of objects."""
    found = np.empty(len(rows), dtype=object)
    found[:] = rows
    return found


def _iob2() -> Any:
    from seqeval.scheme import IOB2

    return IOB2


def fill_mask_content(*, num_rows: int = 40, **changes: Any) -> ReportContent:
    """A model that finds about half of the hidden tokens."""
    generator = np.random.default_rng(6)
    items = generator.integers(2, 12, num_rows)
    losses = items * generator.uniform(0.5, 4.0, num_rows)
    first = generator.binomial(items, 0.5)
    measures = {"loss": losses, "items": items, "num_first": first, "num_in_5": generator.integers(first, items + 1)}
    rows = Split("test", "test.txt", examples([None] * num_rows), "dd" * 32)
    nothing = np.empty(0)
    split = EvaluatedSplit(
        "test", rows, nothing, nothing, measures={name: array.astype(float) for name, array in measures.items()}
    )
    totals = {name: float(array.sum()) for name, array in measures.items()}
    return content(
        [split],
        label_names=(),
        problem_type="fill-mask",
        primary_metric="perplexity",
        scores={
            "test_loss": totals["loss"] / totals["items"],
            "test_perplexity": float(np.exp(totals["loss"] / totals["items"])),
            "test_accuracy": totals["num_first"] / totals["items"],
            "test_top_5_accuracy": totals["num_in_5"] / totals["items"],
        },
        **{"kind": "fill-mask", "task_name": "fill-mask", "recipe": FillRecipe(max_length=128), **changes},
    )


def summary_content(*, num_rows: int = 30, **changes: Any) -> ReportContent:
    """A model that writes the first half of its text; its ROUGE is computed from its summaries."""
    from ftkit.metrics.rouge import mean_scores, rouge, signature

    texts = [f"{_TEXTS[row % len(_TEXTS)]} {_TEXTS[(row + 1) % len(_TEXTS)]} ({row})" for row in range(num_rows)]
    references = [
        (text[: len(text) // 3], text[len(text) // 2 :]) if row % 3 else text[:40] for row, text in enumerate(texts)
    ]
    predictions = [text[: len(text) // 2] for text in texts]
    rows = [TextToTextExample(id=row, source=text, target=text[:40], line=row + 1) for row, text in enumerate(texts)]
    arrays = np.array(predictions, dtype=object), np.empty(num_rows, dtype=object)
    arrays[1][:] = references
    split = EvaluatedSplit("test", Split("test", "test.jsonl", rows, "ab" * 32), *arrays)
    pairs = zip(predictions, references, strict=True)
    scores = mean_scores([rouge(text, (ours,) if isinstance(ours, str) else ours) for text, ours in pairs])
    return content(
        [split],
        label_names=(),
        problem_type="summarization",
        primary_metric="rougeL",
        scores={
            **{f"test_{key}": value for key, value in scores.items()},
            "test_rouge_signature": signature("max"),
            "test_baseline_lead_1": 0.31,
            "test_novel_bigrams": 0.12,
            "test_loss": 2.1,
        },
        **{
            "kind": "summarization",
            "task_name": "summarization",
            "family": "encoder-decoder",
            "recipe": WriteRecipe(auto_class="AutoModelForSeq2SeqLM", before="summarize: ", max_length=512),
            **changes,
        },
    )


def translation_content(*, num_rows: int = 40, **changes: Any) -> ReportContent:
    """A model that leaves out or repeats a word now and then; its BLEU is sacreBLEU's own."""
    from sacrebleu.metrics.bleu import BLEU

    generator = np.random.default_rng(5)
    references, predictions = [], []
    for row in range(num_rows):
        words = f"{_TEXTS[row % len(_TEXTS)]} ({row})".split()
        references.append(" ".join(words))
        kept = [word for word in words for _ in range(generator.choice([0, 1, 1, 1, 1, 1, 1, 1, 2]))]
        predictions.append(" ".join(kept) if row % 7 else " ".join(words))
    examples = [
        TextToTextExample(id=row, source=f"{text[::-1]}", target=text, line=row + 1)
        for row, text in enumerate(references)
    ]
    arrays = np.array(predictions, dtype=object), np.array(references, dtype=object)
    split = EvaluatedSplit("test", Split("test", "test.en | test.de", examples, "aa" * 32), *arrays)
    metric = BLEU(tokenize="13a")
    scores = {
        "test_bleu": float(metric.corpus_score(predictions, [references]).score),
        "test_chrf++": 71.25,
        "test_loss": 1.9,
        "test_bleu_tokenizer": "13a",
        "test_bleu_signature": "nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.5.1",
    }
    config = CONFIG.format(checkpoint="google-t5/t5-small", train="train.tsv", test="test.tsv", output_dir="runs/x")
    return content(
        [split],
        label_names=(),
        problem_type="translation",
        primary_metric="bleu",
        scores=scores,
        **{
            "kind": "translation",
            "task_name": "translation",
            "family": "encoder-decoder",
            "config_yaml": config.replace("data:\n", "data:\n  source_lang: eng_Latn\n  target_lang: de_DE\n"),
            "recipe": WriteRecipe(auto_class="AutoModelForSeq2SeqLM", before="turn round: ", max_length=128),
            **changes,
        },
    )


def speech_content(*, num_rows: int = 12, **changes: Any) -> ReportContent:
    """A model that hears "rain" as "train" and leaves a word out now and then; one of its recordings has gone."""
    from ftkit.metrics.transcripts import signature, word_edits

    said = ["The rain will stop.", "No rain today", "Sun <b>today</b>"] * (num_rows // 3)
    heard = [text.replace("rain", "train") if row % 3 else text[4:] for row, text in enumerate(said)]
    content_ = wav_bytes(np.sin(np.arange(4_000) / 9).astype(np.float32), 8_000)
    rows = [
        SpeechExample(id=row, name=f"calls/{row}.wav", content=content_ if row else None, path=None, text=text, line=2)
        for row, text in enumerate(said)
    ]
    rows[0] = replace(rows[0], path="calls/0.wav")
    arrays = np.array(heard, dtype=object), np.array(said, dtype=object)
    split = EvaluatedSplit("test", Split("test", "calls/test.csv", rows, "ab" * 32), *arrays)
    return content(
        [split],
        label_names=(),
        problem_type="automatic-speech-recognition",
        primary_metric="wer",
        scores={
            "test_wer": word_edits(heard, said, "basic").rate(),
            "test_wer_signature": signature("words", "basic"),
            "test_cer": 0.125,
            "test_loss": 1.5,
        },
        **{
            "kind": "automatic-speech-recognition",
            "task_name": "automatic-speech-recognition",
            "family": "encoder-decoder",
            "recipe": TranscribeRecipe(auto_class="AutoModelForSpeechSeq2Seq"),
            "input_name": "recording",
            **changes,
        },
    )


def choice_content() -> ReportContent:
    """A model that picks the first choice of every question."""
    examples = [
        CandidatesExample(row, _TEXTS[row % 5], ("yes", f"no ({row})", "perhaps")[: 2 + row % 2], line=row + 1)
        for row in range(30)
    ]
    references = np.arange(30) % 2
    split = EvaluatedSplit(
        "test",
        Split("test", "questions.jsonl", examples, "aa" * 32),
        np.zeros(30, np.int64),
        references,
        np.linspace(0.4, 0.9, 30),
    )
    scores = {"test_accuracy": 0.5, "test_loss": 0.7, "test_baseline_choices": 0.45}
    return _of_candidates("multiple-choice", split, "accuracy", scores)


def ranking_content() -> ReportContent:
    """A model that has the relevant document at the first rank or the second, and once none to find."""
    documents = ("about orders", "about lamps", "about cards")
    examples = [CandidatesExample(row, _TEXTS[row % 5], documents, line=row + 1) for row in range(20)]
    predictions, references = np.empty(20, object), np.empty(20, object)
    for row in range(20):
        predictions[row] = np.array([0.9, 0.5, 0.1])
        references[row] = np.array([row % 2, 1 - row % 2, 0.0]) * (row > 0)
    split = EvaluatedSplit("test", Split("test", "queries.jsonl", examples, "aa" * 32), predictions, references)
    ndcg = float(np.mean([1.0] * 10 + [1 / np.log2(3)] * 9))
    return _of_candidates("text-ranking", split, "ndcg@10", {"test_ndcg@10": ndcg, "test_baseline_bm25": 0.9})


def similarity_content() -> ReportContent:
    """Pairs whose cosines are nearly in the order of their scores."""
    examples = [SimilarityExample(row, _TEXTS[row % 5], f"about lamps {row}", score=row / 39) for row in range(40)]
    references = np.arange(40) / 39
    split = EvaluatedSplit("test", Split("test", "pairs.csv", examples, "aa" * 32), references[::-1] ** 2, references)
    scores = {"test_spearman": -1.0, "test_pearson": -0.9, "test_baseline_untrained_checkpoint": 0.4}
    return _of_vectors("sentence-similarity", "similarity", ("scatter", "similarity-errors"), split, scores)


def search_content() -> ReportContent:
    """Anchors of which every third finds another one's positive first."""
    examples = [SimilarityExample(row, f"{_TEXTS[row % 5]} {row}", f"about lamps {row}") for row in range(12)]
    vectors, texts = np.empty(12, object), np.empty(12, object)
    directions = np.eye(12)
    for row in range(12):
        vectors[row] = np.stack([directions[row if row % 3 else row + 1], directions[row]])
        texts[row] = np.array([100 + row, 200 + row])
    split = EvaluatedSplit("test", Split("test", "pairs.csv", examples, "aa" * 32), vectors, texts)
    scores = {"test_mrr@10": 0.7, "test_accuracy@1": 0.67}
    return _of_vectors("sentence-search", "search", ("search-ranks", "search-errors"), split, scores)


def image_search_content() -> ReportContent:
    """Images of which every third finds another one's caption first; one was deleted."""
    examples = [
        ImagePairExample(
            row,
            "gone.jpg" if row == 3 else Image.new("RGB", (200, 100), (row, 0, 0)),
            f"photos/{row}.jpg",
            (f"a <b>lamp</b> {row}", f"lamp {row}, again"),
        )
        for row in range(12)
    ]
    vectors, keys = np.empty(12, object), np.empty(12, object)
    directions = np.eye(12)
    for row in range(12):
        vectors[row] = directions[[row if row % 3 else row + 1, row, row]]
        keys[row] = np.array([100 + row, 200 + row, 300 + row])
    group = GROUPS["image-search"]
    scores = make_scorer(group.defaults, group).compute(vectors, keys)
    kind = find_kind("zero-shot-image-classification")
    return content(
        [EvaluatedSplit("test", Split("test", "photos.csv", examples, "aa" * 32), vectors, keys)],
        label_names=(),
        problem_type=group.name,
        kind=kind.name,
        task_name=kind.name,
        family="dual-encoder",
        primary_metric=group.primary,
        scores={f"test_{name}": value for name, value in scores.items()},
        reading=kind.reading(group.name),
        blocks=kind.blocks(group.name),
        recipe=CompareRecipe(prompts=("a photo of a {label}.",)),
        input_name="image",
    )


def _of_vectors(
    group: str, reading: str, blocks: tuple[str, ...], split: EvaluatedSplit, scores: dict[str, float]
) -> ReportContent:
    return content(
        [split],
        label_names=(),
        problem_type=group,
        primary_metric=next(iter(scores)).removeprefix("test_"),
        scores=scores,
        kind="sentence-similarity",
        task_name="sentence-similarity",
        reading=reading,
        blocks=blocks,
        recipe=EmbedRecipe(max_length=128, normalize=True, prompts={"text": "query: "}),
    )


def _of_candidates(kind: str, split: EvaluatedSplit, metric: str, scores: dict[str, float]) -> ReportContent:
    return content(
        [split],
        label_names=("score",),
        problem_type=kind,
        primary_metric=metric,
        scores=scores,
        kind=kind,
        task_name=kind,
        recipe=RankRecipe(max_length=128),
    )


def answer_content(*, num_rows: int = 40, **changes: Any) -> ReportContent:
    """A model that takes a word too many now and then, and sometimes misses that there is no answer."""
    from ftkit.metrics.groups import GROUPS
    from ftkit.metrics.scorer import make_scorer

    generator = np.random.default_rng(6)
    rows, predictions, references = [], np.empty(num_rows, object), np.empty(num_rows, object)
    for row in range(num_rows):
        context = f"{_TEXTS[row % len(_TEXTS)]} ({row})"
        words, first = context.split(), row % 3
        text = "" if row % 4 == 3 else " ".join(words[first : first + 2])
        answers = (Answer(text, context.index(text)),) if text else ()
        rows.append(
            QuestionExample(id=f"q{row}", question=f"What is it about in {row}?", context=context, answers=answers)
        )
        best = " ".join(words[first : first + 2 + row % 2])
        no_answer = float(np.clip(generator.normal(0.3 if text else 0.7, 0.15), 0, 1))
        predictions[row] = PredictedAnswer("" if no_answer > 0.5 else best, best, no_answer)
        references[row] = (text,) if text else ()
    group = GROUPS["question-answering"]
    scores = make_scorer(group.defaults, group).compute(predictions, references)
    splits = [
        EvaluatedSplit(
            name,
            Split(name, f"{name}.json", rows, "ee" * 32),
            predictions,
            references,
            generator.uniform(0.3, 1, num_rows),
        )
        for name in ("validation", "test")
    ]
    config = CONFIG.format(checkpoint="google-bert/bert-base-cased", train="a.json", test="b.json", output_dir="r/x")
    return content(
        splits,
        label_names=(),
        problem_type="question-answering",
        primary_metric="f1",
        scores={
            **{f"{prefix}_{key}": value for prefix in ("eval", "test") for key, value in scores.items()},
            "test_loss": 1.2,
            "no_answer_threshold": 0.5,
        },
        **{
            "kind": "question-answering",
            "task_name": "question-answering",
            "config_yaml": config,
            "recipe": AnswerRecipe(max_length=384, ids_before=(101,), ids_between=(102,), ids_after=(102,)),
            **changes,
        },
    )


def chat_content(num_rows: int = 40, **changes: Any) -> ReportContent:
    """Returns a run that answers conversations: it is judged by measures, and some of its answers are shown."""
    chosen = range(0, num_rows, 8)
    examples = [
        ConversationExample(id=row, messages=(user_turn(text), answer_turn(text[::-1])), line=row + 1)
        for row, text in enumerate(f"{_TEXTS[row % len(_TEXTS)]} ({row})" for row in range(num_rows))
    ]
    references = np.array([examples[row].answer for row in chosen], dtype=object)
    split = EvaluatedSplit(
        "test",
        Split("test", "test.jsonl", examples, "aa" * 32),
        np.array([text[:-3] for text in references], dtype=object),
        references,
        measures={
            "loss": np.full(num_rows, 12.5),
            "items": np.full(num_rows, 10.0),
            "num_first": np.full(num_rows, 7.0),
        },
        chosen=chosen,
    )
    scores = {"test_loss": 1.25, "test_perplexity": 3.4903, "test_token_accuracy": 0.7}
    return content(
        [split],
        label_names=(),
        problem_type="text-generation",
        primary_metric="loss",
        scores=scores,
        **{
            "kind": "text-generation",
            "task_name": "text-generation",
            "family": "decoder",
            "recipe": ChatRecipe(max_length=512),
            **changes,
        },
    )


def preference_content(num_rows: int = 40, **changes: Any) -> ReportContent:
    """Returns a run that prefers one of two answers, and has some pairs the wrong way round."""
    chosen = range(0, num_rows, 8)
    generator = np.random.default_rng(6)
    examples = []
    for row in range(num_rows):
        turns = [user_turn(f"{_TEXTS[row % len(_TEXTS)]} ({row})")]
        sides = [ConversationExample(id=row, messages=(*turns, answer_turn(text)), num_given=1) for text in "ab"]
        examples.append(PreferenceExample(row, *sides, line=row + 1))
    references = np.array([examples[row].answer for row in chosen], dtype=object)
    rewards = generator.normal(0, 1, (2, num_rows))
    split = EvaluatedSplit(
        "test",
        Split("test", "test.jsonl", examples, "aa" * 32),
        references,
        references,
        measures={"items": np.ones(num_rows), "chosen_reward": rewards[0], "rejected_reward": rewards[1]},
        traits=frozenset({"longer_is_chosen_share"}),
        chosen=chosen,
    )
    scores = {
        "test_loss": 0.61,
        "test_reward_accuracy": float((rewards[0] > rewards[1]).mean()),
        "test_reward_margin": float((rewards[0] - rewards[1]).mean()),
        "test_baseline_longer_answer": 0.55,
        "test_longer_is_chosen_share": 0.55,
    }
    curve = [
        {
            "epoch": epoch,
            "eval_reward_margin": margin,
            "eval_chosen_reward": -margin,
            "eval_rejected_reward": -2 * margin,
        }
        for epoch, margin in ((1.0, 0.1), (2.0, 0.3))
    ]
    return content(
        [split],
        label_names=(),
        problem_type="preference-tuning",
        primary_metric="reward_accuracy",
        scores=scores,
        **{
            "kind": "preference-tuning",
            "pipeline_tag": "text-generation",
            "task_name": "preference-tuning",
            "family": "decoder",
            "log_history": [*history("reward_accuracy"), *curve],
            "recipe": ChatRecipe(max_length=512),
            **changes,
        },
    )
