"""The plain baseline: text classification with the Trainer, after the Hugging Face documentation's recipe.

https://huggingface.co/docs/transformers/tasks/sequence_classification, with the data read from local CSV
files and the hyperparameters as flags. It knows nothing of ftkit: the benchmarks compare against it.
"""

import argparse

import numpy as np
from datasets import load_dataset
from peft import LoraConfig, TaskType, get_peft_model
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from plain_parts import CountingCollator, FirstStep
from sides import add_text_flags, add_training_flags, write_results

RUN_GLUE_LENGTH = 128  # the default --max_seq_length of transformers' run_glue.py


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add_training_flags(parser, epochs=3, batch_size=32, learning_rate=2e-4)
    parser.add_argument("--train", required=True)
    parser.add_argument("--test", required=True)
    add_text_flags(parser)
    parser.add_argument("--pad-to-max-length", action="store_true", help="fill every text up to 128, as run_glue does")
    parser.add_argument("--lora-rank", type=int, help="train adapters of all linear layers and the head, and no more")
    parser.add_argument("--precision", choices=["fp32", "bf16"], default="fp32")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    set_seed(arguments.seed)  # the new head is drawn before the Trainer sets it
    data = load_dataset("csv", data_files={"train": arguments.train, "test": arguments.test}, keep_default_na=False)
    names = sorted(set(data["train"][arguments.label]))
    label2id = {name: index for index, name in enumerate(names)}
    tokenizer = AutoTokenizer.from_pretrained(arguments.checkpoint)
    padding = {"padding": "max_length", "max_length": RUN_GLUE_LENGTH} if arguments.pad_to_max_length else {}

    def preprocess(batch):
        encoded = tokenizer(batch[arguments.text], truncation=True, **padding)
        encoded["labels"] = [label2id[name] for name in batch[arguments.label]]
        return encoded

    encoded = data.map(preprocess, batched=True, remove_columns=data["train"].column_names)
    model = AutoModelForSequenceClassification.from_pretrained(
        arguments.checkpoint, num_labels=len(names), id2label=dict(enumerate(names)), label2id=label2id
    )
    if arguments.lora_rank is not None:
        adapters = {"r": arguments.lora_rank, "lora_alpha": 2 * arguments.lora_rank, "target_modules": "all-linear"}
        model = get_peft_model(model, LoraConfig(task_type=TaskType.SEQ_CLS, **adapters))
    first_step, collator = FirstStep(), CountingCollator(DataCollatorWithPadding(tokenizer=tokenizer))
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
            bf16=arguments.precision == "bf16",
            save_strategy="no",
            seed=arguments.seed,
            disable_tqdm=True,
            logging_steps=100,
        ),
        train_dataset=encoded["train"],
        eval_dataset=encoded["test"],
        processing_class=tokenizer,
        data_collator=collator,
        compute_metrics=lambda p: {"accuracy": float((np.argmax(p.predictions, axis=1) == p.label_ids).mean())},
        callbacks=[first_step],
    )
    results = trainer.train().metrics | {"padding_share": collator.padding_share}
    results |= trainer.evaluate(metric_key_prefix="test")
    results |= {"first_step_seconds": first_step.seconds, "seed": arguments.seed}
    results["precision"] = arguments.precision
    write_results(arguments.output, results)


if __name__ == "__main__":
    main()
