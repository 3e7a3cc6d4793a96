"""Writes trl.json: what TRL's DPOTrainer computes of one batch, as an oracle for ftkit's own loss.

TRL is no dependency of ftkit or of its tests. To write the file anew, in an environment with TRL beside this one's
libraries, from the root of the repository:

    pip install -c constraints.txt trl==1.16.0
    PYTHONPATH=tests:. python tests/adapters/objectives/preference_cases/make_trl_cases.py
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from preferences import POLICY, REFERENCE, TEXT_PAIRS, set_weights

FILE = Path(__file__).with_name("trl.json")
CASES: dict[str, dict[str, Any]] = {
    "sigmoid": {"loss_type": ["sigmoid"], "beta": 0.1},
    "sigmoid, beta 0.5": {"loss_type": ["sigmoid"], "beta": 0.5},
    "ipo": {"loss_type": ["ipo"], "beta": 0.1},
    # Of one pair alone the two are what ftkit calls label smoothing, and the chosen answer's own loss.
    "smoothed": {"loss_type": ["aot"], "beta": 0.1, "label_smoothing": 0.1},
    "sft": {"loss_type": ["sigmoid", "sft"], "loss_weights": [1.0, 0.3], "beta": 0.1},
}
ONE_PAIR = ("smoothed", "sft")


def main() -> None:
    """Trains nothing: makes trainers, and asks each for the loss of one batch."""
    import trl
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer

    import tiny

    found: dict[str, Any] = {"made_with": f"trl {trl.__version__}", "command": (__doc__ or "").split("\n")[-2].strip()}
    folder = Path(tempfile.mkdtemp())
    checkpoint = tiny.make_checkpoint("llama", folder / "llama")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    models = {}
    for seed in (POLICY, REFERENCE):
        models[seed] = AutoModelForCausalLM.from_pretrained(checkpoint)
        set_weights(models[seed], seed)
    for name, options in CASES.items():
        pairs = TEXT_PAIRS[:1] if name in ONE_PAIR else TEXT_PAIRS
        arguments = trl.DPOConfig(
            output_dir=str(folder / "out"),
            per_device_train_batch_size=len(pairs),
            use_cpu=True,
            bf16=False,
            report_to=[],
            disable_dropout=True,
            gradient_checkpointing=False,
            **options,
        )
        trainer = trl.DPOTrainer(
            model=models[POLICY],
            ref_model=models[REFERENCE],
            args=arguments,
            train_dataset=Dataset.from_list([dict(pair) for pair in pairs]),
            processing_class=tokenizer,
        )
        batch = trainer.data_collator([trainer.train_dataset[row] for row in range(len(pairs))])
        trainer.model.eval()
        loss = trainer._compute_loss(trainer.model, dict(batch), False)
        logged = {key: values[-1] for key, values in trainer._metrics["eval"].items()}
        found[name] = {
            "options": options,
            "input_ids": batch["input_ids"].tolist(),
            "completion_mask": batch["completion_mask"].tolist(),
            "attention_mask": batch["attention_mask"].tolist(),
            "loss": loss.item(),
            "logged": {key: float(value) for key, value in logged.items()},
        }
    FILE.write_text(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
