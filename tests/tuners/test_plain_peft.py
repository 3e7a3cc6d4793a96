"""What a run saves, loaded by plain peft: no ftkit, the head included, and the same logits."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fresh
import ftkit
import tiny
from runs import run_config, tagging_config, translation_config

Checkpoint = Callable[[str], Path]


@dataclass(frozen=True)
class Case:
    """A run, and the class of transformers that its base is loaded with.

    Attributes:
        options: keys of the config, dotted.
    """

    config: Callable[..., dict[str, Any]]
    model_type: str
    tuner: dict[str, Any]
    auto_class: str
    options: dict[str, Any]


CLASSIFIER, TAGGER = "SequenceClassification", "TokenClassification"
CASES = {
    "classify bert lora": Case(run_config, "bert", {"method": "lora", "rank": 4}, CLASSIFIER, {}),
    "classify distilbert dora": Case(run_config, "distilbert", {"method": "dora", "rank": 4}, CLASSIFIER, {}),
    "classify t5 lora": Case(run_config, "t5", {"method": "lora", "rank": 4}, CLASSIFIER, {}),
    "classify bart bitfit": Case(run_config, "bart", {"method": "bitfit"}, CLASSIFIER, {}),
    "classify gpt2 head-only": Case(run_config, "gpt2", {"method": "head-only"}, CLASSIFIER, {}),
    "classify bert pissa": Case(run_config, "bert", {"method": "pissa", "rank": 4}, CLASSIFIER, {}),
    "classify bert adalora": Case(run_config, "bert", {"method": "adalora", "rank": 2}, CLASSIFIER, {}),
    "tag bert lora": Case(tagging_config, "bert", {"method": "lora", "rank": 4}, TAGGER, {}),
    "tag modernbert p-tuning": Case(tagging_config, "modernbert", {"method": "p-tuning"}, TAGGER, {}),
    "translate marian lora": Case(translation_config, "marian", {"method": "lora", "rank": 4}, "Seq2SeqLM", {}),
    "translate gpt2 prefix": Case(
        translation_config,
        "gpt2",
        {"method": "prefix"},
        "CausalLM",
        {"data.prompt_template": "{source} is"},
    ),
    "translate bert2bert lora": Case(
        translation_config, "bert", {"method": "lora", "rank": 4}, "EncoderDecoder", {"model.decoder": "bert"}
    ),
}
every_case = pytest.mark.parametrize("name", CASES)
SHORT = {"train.num_train_epochs": 2, "train.eval_strategy": "no"}


@pytest.fixture(scope="module")
def runs(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every run, made by `ftkit.train`."""
    made = {}
    for name, case in CASES.items():
        options = {**case.options, **SHORT}
        if "model.decoder" in options:
            options["model.decoder"] = str(checkpoint(options["model.decoder"]))
        config = case.config(tmp_path_factory.mktemp("run"), checkpoint(case.model_type), tuner=case.tuner, **options)
        made[name] = ftkit.train(config).output_dir
    return made


@torch.inference_mode()
def read_by_ftkit(run: Path) -> tuple[dict[str, Any], np.ndarray]:
    """Returns a padded batch of the run's own rows, as lists, and the logits of the loaded run."""
    predictor = ftkit.load(run, device="cpu")
    split = predictor.labelled(predictor.config.data.train)
    encoded = predictor.adapter.preprocessor.encode(split.examples[:4], targets=True)
    inputs = tiny.batch_of(predictor.adapter, encoded).inputs
    return {name: tensor.tolist() for name, tensor in inputs.items()}, predictor.model(**inputs).logits.numpy()


PLAIN = """
import json, sys

class Forbidden:
    def find_spec(self, name, path=None, target=None):
        if name == "ftkit" or name.startswith("ftkit."):
            raise ImportError("plain peft only")

sys.meta_path.insert(0, Forbidden())
try:
    import ftkit
except ImportError:
    pass
else:
    raise SystemExit("ftkit can be imported")

import numpy as np, peft, torch, transformers

jobs, out = json.load(sys.stdin)
found = {}
for name, (auto_class, base, run, options, virtual_tokens, batch) in jobs.items():
    torch.manual_seed(1)  # whatever is not loaded is another than in training
    if auto_class == "EncoderDecoder":
        plain = transformers.EncoderDecoderModel.from_encoder_decoder_pretrained(base, base)
    else:
        plain = getattr(transformers, f"AutoModelFor{auto_class}").from_pretrained(base, **options)
    models = {"PeftModel": peft.PeftModel.from_pretrained(plain, run)}
    if auto_class != "EncoderDecoder":
        models["AutoPeftModel"] = getattr(peft, f"AutoPeftModelFor{auto_class}").from_pretrained(run, **options)
    inputs = {key: torch.tensor(value) for key, value in batch.items()}
    for way, model in models.items():
        with torch.inference_mode():
            logits = model.eval()(**inputs).logits
        # Plain peft returns logits for virtual tokens as well, which stand before the others.
        found[f"{name}/{way}"] = logits[:, virtual_tokens:].numpy() if virtual_tokens else logits.numpy()
np.savez(out, **found)
"""


@pytest.fixture(scope="module")
def plain(
    runs: dict[str, Path], checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, np.ndarray], Any]:
    """The logits of ftkit and of plain peft, by case; one process for all."""
    expected, jobs = {}, {}
    for name, case in CASES.items():
        batch, expected[name] = read_by_ftkit(runs[name])
        saved = json.loads((runs[name] / "config.json").read_text(encoding="utf-8"))
        options = {"num_labels": len(saved["id2label"])} if case.auto_class in (CLASSIFIER, TAGGER) else {}
        if case.model_type == "gpt2" and options:
            options["pad_token_id"] = saved["pad_token_id"]  # GPT-2 has none, and its classifier needs one
        virtual = 20 if case.tuner["method"] == "p-tuning" else 0
        jobs[name] = (case.auto_class, str(checkpoint(case.model_type)), str(runs[name]), options, virtual, batch)
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    given = json.dumps([jobs, str(elsewhere / "logits.npz")])
    process = fresh.python("-c", PLAIN, input=given, cwd=elsewhere)
    assert process.returncode == 0, process.stderr
    return expected, np.load(elsewhere / "logits.npz")


@every_case
def test_plain_peft_gives_the_same_logits(name: str, plain: tuple[dict[str, np.ndarray], Any]) -> None:
    expected, found = plain
    ways = ["PeftModel"] if CASES[name].auto_class == "EncoderDecoder" else ["PeftModel", "AutoPeftModel"]
    for way in ways:
        # ftkit picks other kernels than torch does by itself: they sum in another order.
        np.testing.assert_allclose(found[f"{name}/{way}"], expected[name], atol=1e-5, rtol=0)
