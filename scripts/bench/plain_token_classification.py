"""The plain baseline: token classification with the Trainer, after the Hugging Face documentation's recipe.

https://huggingface.co/docs/transformers/tasks/token_classification, with the data read from local CoNLL files and
the hyperparameters as flags. The score is seqeval's, strict, over every word of the file: a word that was cut off
counts as O. It knows nothing of ftkit: the benchmarks compare against it.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from datasets import Dataset
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from seqeval.scheme import IOB2
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    DataCollatorForTokenClassification,
    Trainer,
    TrainingArguments,
)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--best-by", default="f1", help="what picks the best epoch: f1 or loss (the recipe's default)")
    parser.add_argument("--output", required=True, help="folder for the results")
    return parser.parse_args()


def read_conll(path: str) -> Dataset:
    rows, words, tags = [], [], []
    for line in [*Path(path).read_text(encoding="utf-8").split("\n"), ""]:
        cells = line.split("\t")
        if len(cells) > 1 and cells[0]:
            words.append(cells[0])
            tags.append(cells[1])
        elif words:
            rows.append({"tokens": words, "tags": tags})
            words, tags = [], []
    return Dataset.from_list(rows)


def main() -> None:
    arguments = parse_arguments()
    data = {name: read_conll(getattr(arguments, name)) for name in ("train", "validation", "test")}
    names = sorted({tag for tags in data["train"]["tags"] for tag in tags})
    label2id = {name: index for index, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)

    def tokenize_and_align_labels(examples):
        tokenized = tokenizer(examples["tokens"], truncation=True, is_split_into_words=True)
        tokenized["labels"] = []
        for row, tags in enumerate(examples["tags"]):
            previous, labels = None, []
            for word in tokenized.word_ids(batch_index=row):
                labels.append(-100 if word is None or word == previous else label2id[tags[word]])
                previous = word
            tokenized["labels"].append(labels)
        return tokenized

    encoded = {name: rows.map(tokenize_and_align_labels, batched=True) for name, rows in data.items()}

    def tags_of(rows, encodings, predictions):
        """One tag for each word of the file, whatever was cut off."""
        found = []
        for words, row, prediction in zip(rows["tokens"], encodings, predictions, strict=True):
            tags = ["O"] * len(words)
            word_ids = tokenizer(words, truncation=True, is_split_into_words=True).word_ids()
            for position, word in enumerate(word_ids):
                if row["labels"][position] != -100:
                    tags[word] = names[prediction[position]]
            found.append(tags)
        return found

    def scores(name, predictions):
        expected, found = data[name]["tags"], tags_of(data[name], encoded[name], np.argmax(predictions, axis=2))
        expected = [list(tags) for tags in expected]
        strict = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
        return {
            "f1": f1_score(expected, found, **strict),
            "precision": precision_score(expected, found, **strict),
            "recall": recall_score(expected, found, **strict),
            "conlleval_f1": f1_score(expected, found, zero_division=0),
            "accuracy": accuracy_score(expected, found),
        }

    trainer = Trainer(
        model=AutoModelForTokenClassification.from_pretrained(
            arguments.checkpoint, num_labels=len(names), id2label=dict(enumerate(names)), label2id=label2id
        ),
        args=TrainingArguments(
            output_dir=arguments.output,
            learning_rate=arguments.learning_rate,
            per_device_train_batch_size=arguments.batch_size,
            per_device_eval_batch_size=arguments.batch_size,
            num_train_epochs=arguments.epochs,
            weight_decay=0.01,
            eval_strategy="epoch",
            save_strategy="epoch",
            save_total_limit=1,
            load_best_model_at_end=True,
            metric_for_best_model=arguments.best_by,
            seed=arguments.seed,
            disable_tqdm=True,
            logging_steps=100,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorForTokenClassification(tokenizer=tokenizer),
        compute_metrics=lambda found: scores("validation", found.predictions),
    )
    results = dict(trainer.train().metrics)
    results |= {f"validation_{key.removeprefix('eval_')}": value for key, value in trainer.evaluate().items()}
    trainer.compute_metrics = None  # it knows the validation rows only
    found = scores("test", trainer.predict(encoded["test"]).predictions)
    results |= {f"test_{key}": value for key, value in found.items()}
    results |= {"seed": arguments.seed}
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=2), encoding="utf-8")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
