"""What a message advises helps: each case is broken, told what to do, and possible once that is done."""

import copy
import re

import pytest

from ftkit.config import yaml as strict_yaml
from runs import TEXTS, run_config, write_csv

GOOD_ROWS = "".join(f"text number {index},{'ab'[index % 2]}\n" for index in range(20))
HALF = "".join(f"text number {index},{index % 3 if index % 3 else 'word'}\n" for index in range(20))
NUMBERS = "".join(f"text number {index},{index / 7:.3f}\n" for index in range(20))
HEADER = "text,label\n"
TOPICS = ["card", "food", "sport", "weather"]


def only(content, name="train.csv"):
    """Returns what replaces the data: one file of training rows with the columns text and label."""
    return {name: content, "data": {"train": "{folder}/" + name}}


# name: the change that breaks, words of the message, the change that it advises. Keys are files, or dotted keys of the
# config; None removes one.
CASES = {
    "misspelt file": (
        {"data.train": "{folder}/trian.csv"},
        "Did you mean 'train.csv'?",
        {"data.train": "{folder}/train.csv"},
    ),
    "a folder of files": (
        {"data.train": "{folder}"},
        "such as one of those inside",
        {"data.train": "{folder}/train.csv"},
    ),
    "misspelt column": ({"data.columns.label": "tpoic"}, "Did you mean 'topic'?", {"data.columns.label": "topic"}),
    "misspelt role": (
        {"data.columns": {"lable": "topic"}},
        "Did you mean 'label'?",
        {"data.columns": {"label": "topic"}},
    ),
    "semicolons": (only((HEADER + GOOD_ROWS).replace(",", ";")), 'Fix: data.delimiter: ";"', {"data.delimiter": ";"}),
    "tabs": (only((HEADER + GOOD_ROWS).replace(",", "\t")), 'Fix: data.delimiter: "\\t"', {"data.delimiter": "\t"}),
    "bytes of latin-1": (
        only(b"text,label\ncaf\xe9,a\n" + GOOD_ROWS.encode()),
        "Fix: data.encoding: ",
        {"data.encoding": "{encoding}"},
    ),
    "a comma in a text": (
        only(HEADER + GOOD_ROWS + "one, two,b\n"),
        'quote the cell that holds the delimiter ",": "one, two"',
        {"train.csv": HEADER + GOOD_ROWS + '"one, two",b\n'},
    ),
    "a quote that begins a text": (
        only(HEADER + GOOD_ROWS + '"yes" they said and left,b\n"no, never,a\n'),
        'write it as """text"" more"',
        {"train.csv": HEADER + GOOD_ROWS + '"""yes"" they said and left",b\n"""no, never",a\n'},
    ),
    "a list named jsonl": (
        only('[{"text": "one", "label": "a"},\n {"text": "two", "label": "b"}]\n', "rows.jsonl"),
        "name a file that is one JSON list .json",
        only('[{"text": "one", "label": "a"},\n {"text": "two", "label": "b"}]\n', "rows.json"),
    ),
    "a label that train lacks": (
        {"test.csv": [*TEXTS[24:], ("a new text", "crad")]},
        "list all names under data.labels",
        {"data.labels": [*TOPICS, "crad"]},
    ),
    "declared labels miss one": (
        {"data.labels": TOPICS[:3]},
        "list all names under data.labels",
        {"data.labels": TOPICS},
    ),
    "labels half numbers": (
        only(HEADER + HALF),
        "list all names under data.labels",
        {"data.labels": ["1", "2", "word"]},
    ),
    "measurements": (only(HEADER + NUMBERS), "data.problem_type: regression", {"data.problem_type": "regression"}),
    "words in a regression": (
        {"data.problem_type": "regression"},
        "remove data.problem_type: regression",
        {"data.problem_type": None},
    ),
    "labels that are numbers in YAML": (
        {"data.labels": [1, 2]},
        "Put it in quotes",
        only(HEADER + GOOD_ROWS.replace(",a", ",1").replace(",b", ",2"))
        | {"data": {"train": "{folder}/train.csv", "labels": ["1", "2"]}},
    ),
    "misspelt task": (
        {"task": "text-clasification"},
        "Did you mean 'text-classification'?",
        {"task": "text-classification"},
    ),
    "no such demo": ({"model.checkpoint": "ftkit:nothing"}, "there is 'bert'", {"model.checkpoint": "ftkit:bert"}),
    "misspelt metric": ({"metrics": ["acuracy"]}, "Did you mean 'accuracy'?", {"metrics": ["accuracy"]}),
    "a value of a metric": ({"metrics": ["f1_macro"]}, "name 'f1' in metrics", {"metrics": ["f1"]}),
    "misspelt best metric": (
        {"train.metric_for_best_model": "f1_makro"},
        "Did you mean 'f1_macro'?",
        {"train.metric_for_best_model": "f1_macro"},
    ),
    "weight of no label": (
        {"train.class_weights": {"crad": 2.0}},
        "Did you mean 'card'?",
        {"train.class_weights": {"card": 2.0}},
    ),
    "one metric that is no list": ({"metrics": "accuracy"}, "Write [accuracy]", {"metrics": ["accuracy"]}),
    "a word for true": (
        {"train.logging_first_step": "yes"},
        "expected true or false",
        {"train.logging_first_step": True},
    ),
    "a word for auto": ({"train.unpad": "no"}, "expected true or false or one of 'auto'", {"train.unpad": False}),
    "misspelt tuner": ({"tuner.method": "lroa"}, "Did you mean 'lora'?", {"tuner.method": "lora"}),
    "a key at the wrong place": (
        {"learning_rate": 1e-4},
        "train.learning_rate",
        {"learning_rate": None, "train.learning_rate": 1e-4},
    ),
    "a key of before": (
        {"train.evaluation_strategy": "epoch"},
        "say eval_strategy",
        {"train.evaluation_strategy": None, "train.eval_strategy": "epoch"},
    ),
    "two precisions": (
        {"train.precision": "fp32", "train.bf16": True},
        "Say one",
        {"train.bf16": None},
    ),
    "resume and overwrite": ({"resume": True, "overwrite": True}, "resume=false overwrite=true", {"resume": False}),
}


def change(folder, config, changes):
    """Writes files and sets keys, the dotted ones after whole sections."""
    for key, value in changes.items():
        if "." in key and key.rpartition(".")[2] in ("csv", "jsonl", "json"):
            _write(folder / key, value)
            continue
        *sections, last = key.split(".")
        place = config
        for section in sections:
            place = place.setdefault(section, {})
        place[last] = copy.deepcopy(value)
        if value is None:
            del place[last]


def _write(path, content):
    if isinstance(content, list):
        write_csv(path, content)
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())


def save(folder, config, **words):
    text = strict_yaml.dump(config)
    for name, value in {"folder": str(folder), **words}.items():
        text = text.replace(f"{{{name}}}", value)
    (folder / "run.yaml").write_text(text, encoding="utf-8")
    return folder / "run.yaml"


@pytest.mark.parametrize("name", CASES)
def test_what_a_message_advises_helps(name, checkpoint, tmp_path, command):
    broken, advice, fix = CASES[name]
    config = run_config(tmp_path, checkpoint("bert"))
    change(tmp_path, config, broken)
    code, _, message = command("check", save(tmp_path, config))
    assert code == 2, message
    assert advice in message
    found = re.search(r"data\.encoding: ([-\w]+)", message)
    change(tmp_path, config, fix)
    code, _, message = command("check", save(tmp_path, config, encoding=found[1] if found else ""))
    assert code == 0, message
