"""The plain baseline: translation with the Seq2SeqTrainer, after the Hugging Face documentation's recipe.

https://huggingface.co/docs/transformers/tasks/translation, with the data read from parallel text files, the
hyperparameters as flags, and sacreBLEU called directly, since `evaluate.load` needs a network. It knows nothing of
ftkit: the benchmarks compare against it.
"""

import argparse
from pathlib import Path

import numpy as np
import sacrebleu
from datasets import Dataset
from transformers import (
    AutoModelForSeq2SeqLM,
    AutoTokenizer,
    DataCollatorForSeq2Seq,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
)

from plain_parts import CountingCollator, FirstStep
from sides import add_training_flags, write_results

MAX_LENGTH = 128  # the recipe's, of sources and targets


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_training_flags(parser, epochs=2, batch_size=32, learning_rate=2e-5)
    for name in ("train", "test"):
        parser.add_argument(f"--{name}", required=True, nargs=2, metavar=("SOURCE", "TARGET"))
    parser.add_argument("--max-new-tokens", type=int, default=64, help="of a translation, greedily written")
    return parser.parse_args()


def read_pairs(source: str, target: str) -> Dataset:
    sides = [Path(path).read_text(encoding="utf-8").removesuffix("\n").split("\n") for path in (source, target)]
    return Dataset.from_dict({"source": sides[0], "target": sides[1]})


def main() -> None:
    arguments = parse_arguments()
    data = {"train": read_pairs(*arguments.train), "test": read_pairs(*arguments.test)}
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)

    def preprocess(examples):
        return tokenizer(examples["source"], text_target=examples["target"], max_length=MAX_LENGTH, truncation=True)

    encoded = {name: pairs.map(preprocess, batched=True) for name, pairs in data.items()}
    model = AutoModelForSeq2SeqLM.from_pretrained(arguments.checkpoint)
    first_step = FirstStep()
    collator = CountingCollator(DataCollatorForSeq2Seq(tokenizer=tokenizer, model=model), both_sides=True)

    def compute_metrics(found):
        written = np.where(found.predictions != -100, found.predictions, tokenizer.pad_token_id)
        texts = [text.strip() for text in tokenizer.batch_decode(written, skip_special_tokens=True)]
        return {"bleu": sacrebleu.corpus_bleu(texts, [list(data["test"]["target"])]).score}

    trainer = Seq2SeqTrainer(
        model=model,
        args=Seq2SeqTrainingArguments(
            output_dir=arguments.output,
            learning_rate=arguments.learning_rate,
            per_device_train_batch_size=arguments.batch_size,
            per_device_eval_batch_size=arguments.batch_size,
            num_train_epochs=arguments.epochs,
            max_steps=arguments.max_steps,
            weight_decay=0.01,
            save_strategy="no",
            predict_with_generate=True,
            generation_num_beams=1,
            seed=arguments.seed,
            disable_tqdm=True,
            logging_steps=100,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["test"],
        processing_class=tokenizer,
        data_collator=collator,
        compute_metrics=compute_metrics,
        callbacks=[first_step],
    )
    results = trainer.train().metrics | {"padding_share": collator.padding_share}
    results |= trainer.evaluate(metric_key_prefix="test", max_new_tokens=arguments.max_new_tokens)
    results |= {"first_step_seconds": first_step.seconds, "seed": arguments.seed, "precision": "fp32"}
    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
