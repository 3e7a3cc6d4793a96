"""The plain baseline: text classification with the Trainer, after the Hugging Face documentation's recipe.

https://huggingface.co/docs/transformers/tasks/sequence_classification, with the data read from local CSV
files and the hyperparameters as flags. It knows nothing of ftkit: the benchmarks compare against it.
"""

import argparse
import json
import time
from pathlib import Path

STARTED = time.perf_counter()

import numpy as np  # noqa: E402
from datasets import load_dataset  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)


class FirstStep(TrainerCallback):
    """Remembers when the first optimizer step ended, in seconds since the script started."""

    seconds: float | None = None

    def on_step_end(self, args, state, control, **kwargs):
        if self.seconds is None:
            self.seconds = time.perf_counter() - STARTED


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--text", default="text")
    parser.add_argument("--label", default="category")
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--max-steps", type=int, default=-1)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--output", required=True, help="folder for the results")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    data = load_dataset("csv", data_files={"train": arguments.train, "test": arguments.test}, keep_default_na=False)
    names = sorted(set(data["train"][arguments.label]))
    label2id = {name: index for index, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)

    def preprocess(batch):
        encoded = tokenizer(batch[arguments.text], truncation=True)
        encoded["labels"] = [label2id[name] for name in batch[arguments.label]]
        return encoded

    encoded = data.map(preprocess, batched=True, remove_columns=data["train"].column_names)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.checkpoint, num_labels=len(names), id2label=dict(enumerate(names)), label2id=label2id
    )
    first_step = FirstStep()
    trainer = Trainer(
        model=model,
        args=TrainingArguments(
            output_dir=arguments.output,
            learning_rate=arguments.learning_rate,
            per_device_train_batch_size=arguments.batch_size,
            per_device_eval_batch_size=arguments.batch_size,
            num_train_epochs=arguments.epochs,
            max_steps=arguments.max_steps,
            weight_decay=0.01,
            save_strategy="no",
            seed=arguments.seed,
            disable_tqdm=True,
            logging_steps=100,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["test"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
        compute_metrics=lambda p: {"accuracy": float((np.argmax(p.predictions, axis=1) == p.label_ids).mean())},
        callbacks=[first_step],
    )
    results = trainer.train().metrics
    results |= trainer.evaluate(metric_key_prefix="test")
    results |= {"first_step_seconds": first_step.seconds, "seed": arguments.seed}
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
