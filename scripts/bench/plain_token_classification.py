"""The plain baseline: token classification with the Trainer, after the Hugging Face documentation's recipe.

https://huggingface.co/docs/transformers/tasks/token_classification, with the data read from local CoNLL files and
the hyperparameters as flags. The score is seqeval's, strict, over every word of the file: a word that was cut off
counts as O. It knows nothing of ftkit: the benchmarks compare against it.
"""

import argparse
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
    set_seed,
)

from plain_parts import CountingCollator, FirstStep
from sides import add_training_flags, write_results


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_training_flags(parser, epochs=4, batch_size=16, learning_rate=2e-4)
    parser.add_argument("--train", required=True)
    parser.add_argument("--validation", help="scored each epoch to pick the best; left out, the last weights are kept")
    parser.add_argument("--test", required=True)
    parser.add_argument("--best-by", default="f1", help="what picks the best epoch: f1 or loss (the recipe's default)")
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
    set_seed(arguments.seed)  # the new head is drawn before the Trainer sets it
    files = {"train": arguments.train, "validation": arguments.validation, "test": arguments.test}
    data = {name: read_conll(file) for name, file in files.items() if file is not None}
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

    if arguments.validation is None:
        best = {"eval_strategy": "no", "save_strategy": "no"}
    else:
        best = {"eval_strategy": "epoch", "save_strategy": "epoch", "save_total_limit": 1}
        best |= {"load_best_model_at_end": True, "metric_for_best_model": arguments.best_by}
    first_step, collator = FirstStep(), CountingCollator(DataCollatorForTokenClassification(tokenizer=tokenizer))
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
            max_steps=arguments.max_steps,
            weight_decay=0.01,
            **best,
            seed=arguments.seed,
            disable_tqdm=True,
            logging_steps=100,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded.get("validation"),
        processing_class=tokenizer,
        data_collator=collator,
        compute_metrics=lambda found: scores("validation", found.predictions),
        callbacks=[first_step],
    )
    results = trainer.train().metrics | {"padding_share": collator.padding_share}
    if arguments.validation is not None:
        results |= {f"validation_{key.removeprefix('eval_')}": value for key, value in trainer.evaluate().items()}
    trainer.compute_metrics = None  # it knows the validation rows only
    found = scores("test", trainer.predict(encoded["test"]).predictions)
    results |= {f"test_{key}": value for key, value in found.items()}
    results |= {"first_step_seconds": first_step.seconds, "seed": arguments.seed, "precision": "fp32"}
    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
