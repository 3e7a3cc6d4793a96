"""What `ftkit check` passes, `ftkit train` starts; what one refuses, the other refuses in the same words.

Each case also follows what its message advises: the run is possible then, in the same folder.
"""

import copy
import shlex
import shutil

import pytest

from adapter_runs import write_adapter_run
from ftkit.config import yaml as strict_yaml
from runs import run_config, translation_config

NO_VALIDATION = {"data.validation": None}
STEPS = {"train.eval_strategy": "steps"}


def train(**settings):
    return {f"train.{key}": value for key, value in settings.items()}


# name: what is wrong, words of the message, what its advice comes to
CASES = {
    "checkpoints between evaluations": (
        {**STEPS, **train(eval_steps=20, save_steps=30)},
        ["train.save_steps: 30 is no multiple of train.eval_steps: 20", "train.save_steps: 40"],
        train(save_steps=40),
    ),
    "more checkpoints than evaluations": (
        {**STEPS, **train(eval_steps=20, save_steps=5)},
        ["train.save_steps: 5", "Say train.save_steps: 20"],
        train(save_steps=20),
    ),
    "a share and a number of steps": (
        {**STEPS, **train(eval_steps=0.25, save_steps=5)},
        ["train.save_steps: 5", "Say train.save_steps: 0.25"],
        train(save_steps=0.25),
    ),
    "steps of a whole and a half": (
        {**STEPS, **train(eval_steps=1.5)},
        ["train.eval_steps", "whole number of steps"],
        train(eval_steps=2),
    ),
    "saved by other strategies": (
        train(load_best_model_at_end=True, save_strategy="no"),
        ["train.load_best_model_at_end", "train.save_strategy no", "leave train.save_strategy out"],
        train(save_strategy=None),
    ),
    "patience without validation": (
        {**NO_VALIDATION, **train(early_stopping_patience=2)},
        ["train.early_stopping_patience: 2", "give data.validation, such as 0.1"],
        {"data.validation": 0.25},
    ),
    "patience without evaluations": (
        train(early_stopping_patience=2, eval_strategy="no"),
        ["train.early_stopping_patience: 2", "leave train.eval_strategy out"],
        train(eval_strategy=None),
    ),
    "patience without checkpoints": (
        train(early_stopping_patience=2, save_strategy="no"),
        ["train.early_stopping_patience: 2", "leave train.save_strategy out"],
        train(save_strategy=None),
    ),
    "the best of none": (
        {**NO_VALIDATION, **train(save_strategy="best")},
        ["train.save_strategy: best", "data.validation"],
        {"data.validation": 0.25},
    ),
    "nothing to evaluate on": (
        {**NO_VALIDATION, **train(eval_strategy="epoch")},
        ["train.eval_strategy", "or say no"],
        train(eval_strategy="no"),
    ),
    "the highest loss": (
        train(metric_for_best_model="loss", greater_is_better=True),
        ["train.greater_is_better: true would keep the worst", "a smaller loss is better", "Leave the key out"],
        train(greater_is_better=None),
    ),
    "the lowest accuracy": (
        train(greater_is_better=False),
        ["train.greater_is_better: false would keep the worst", "a larger accuracy is better"],
        train(greater_is_better=None),
    ),
    "fp16 on a CPU": (train(fp16=True), ["train.precision: fp16 needs a GPU", "auto"], train(fp16=None)),
    "a layer that the checkpoint does not have": (
        {"tuner.method": "lora", "tuner.target_modules": ["querry"]},
        ["tuner.target_modules: no layer 'querry'", "Did you mean 'query'?"],
        {"tuner.target_modules": ["query"]},
    ),
    "more layers than there are": (
        {"tuner.method": "last-layers", "tuner.num_layers": 9},
        ["tuner.num_layers: the last 9 layers", "but the checkpoint has 2"],
        {"tuner.num_layers": 2},
    ),
    "misspelt optimizer": (
        train(optim="adamm"),
        ["train.optim", "'adamm'", "Did you mean 'adamw_torch'?"],
        train(optim="adamw_torch"),
    ),
    "LOMO": (train(optim="adalomo"), ["train.optim", "such as adafactor"], train(optim="adafactor")),
    "misspelt schedule": (
        train(lr_scheduler_type="cosin"),
        ["train.lr_scheduler_type", "Did you mean 'cosine'?"],
        train(lr_scheduler_type="cosine"),
    ),
    "package of an optimizer": (
        train(optim="galore_adamw"),
        ["train.optim: galore_adamw", "galore_torch", "such as adamw_torch"],
        train(optim="adamw_torch"),
    ),
    "options that an optimizer cannot read": (
        train(optim="sgd", optim_args="momentum"),
        ["train.optim: sgd", "train.optim_args: momentum"],
        train(optim_args="momentum=0.9"),
    ),
    "options that a schedule needs": (
        train(lr_scheduler_type="warmup_stable_decay"),
        ["warmup_stable_decay", "num_decay_steps", "train.lr_scheduler_kwargs"],
        train(lr_scheduler_kwargs={"num_decay_steps": 2}),
    ),
    "no compiler of that name": (
        train(torch_compile_backend="inducter"),
        ["train.torch_compile_backend", "Did you mean 'inductor'?"],
        train(torch_compile_backend="inductor"),
    ),
    "fetching ahead without workers": (
        train(dataloader_prefetch_factor=2),
        ["train.dataloader_prefetch_factor", "train.dataloader_num_workers: 1"],
        train(dataloader_num_workers=1),
    ),
    "workers that stay where there are none": (
        train(dataloader_persistent_workers=True),
        ["train.dataloader_persistent_workers", "train.dataloader_num_workers: 1"],
        train(dataloader_num_workers=1),
    ),
    "sharded on one process": (train(fsdp="full_shard"), ["train.fsdp", "accelerate launch"], train(fsdp=None)),
    "no epochs": (
        train(num_train_epochs=0),
        ["train.num_train_epochs: expected a number above 0", "ftkit evaluate"],
        train(num_train_epochs=1),
    ),
    "no steps": (train(max_steps=0), ["train.max_steps", "ftkit evaluate"], train(max_steps=1)),
    "negative rate": (train(learning_rate=-1), ["train.learning_rate: expected a number at least 0"], {}),
    "rate that is no number": (train(learning_rate=float("nan")), ["train.learning_rate: expected a finite"], {}),
    "no accumulation": (train(gradient_accumulation_steps=0), ["train.gradient_accumulation_steps", "at least 1"], {}),
    "workers below none": (train(dataloader_num_workers=-1), ["train.dataloader_num_workers", "at least 0"], {}),
    "negative seed": (train(seed=-1), ["train.seed: expected a number at least 0"], {}),
    "seed too large": (train(seed=2**32), ["train.seed: expected a number at most 4294967295"], {}),
}

DECODER = 'prompt_template: "{source_lang}: {source}\\n{target_lang}:"'
TRANSLATION_CASES = {
    "decoder without a template": (
        "gpt2",
        {},
        ["data.prompt_template is missing", DECODER],
        {"data.prompt_template": "{source_lang}: {source}\n{target_lang}:", "data.source_lang": "en",
         "data.target_lang": "en"},
    ),
    "NLLB without languages": (
        "nllb",
        {"data.target_lang": "eng_Latn"},
        ["data.source_lang", "say which", "'eng_Latn'"],
        {"data.source_lang": "eng_Latn"},
    ),
    "NLLB with other tools' codes": (
        "nllb",
        {"data.source_lang": "eng_Latn", "data.target_lang": "en"},
        ["data.target_lang", "Did you mean 'eng_Latn'?"],
        {"data.target_lang": "eng_Latn"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Data for all cases; every refused run would have this folder's `run`."""
    return tmp_path_factory.mktemp("refused")


@pytest.fixture
def refused(folder, command):
    """Asserts that check and train refuse a config in the same words, that nothing is written, and what helps."""

    def call(config, wrong, parts, advice):
        path, before = folder / "run.yaml", set(folder.rglob("*")) | {folder / "run.yaml"}
        broken = changed(config, wrong)
        path.write_text(strict_yaml.dump(broken), encoding="utf-8")
        codes, _, told = zip(*(command(verb, path) for verb in ("check", "train")), strict=True)
        assert codes == (2, 2), told
        message, of_train = (text[text.rindex("error: ") :] for text in told)
        assert message == of_train
        assert "Traceback" not in message
        for part in parts:
            assert part in message
        path.write_text(strict_yaml.dump(changed(broken, advice or dict.fromkeys(wrong))), encoding="utf-8")
        code, _, message = command("check", path)
        assert code == 0, message
        assert set(folder.rglob("*")) == before

    return call


def changed(config, settings):
    """Returns a config with dotted keys set; None removes one."""
    config = copy.deepcopy(config)
    for key, value in settings.items():
        section, _, name = key.partition(".")
        place = config.setdefault(section, {})
        place[name] = value
        if value is None:
            del place[name]
    return config


@pytest.mark.parametrize("name", CASES)
def test_check_and_train_refuse_alike(name, checkpoint, folder, refused):
    refused(run_config(folder, checkpoint("bert")), *CASES[name])


@pytest.mark.parametrize("name", TRANSLATION_CASES)
def test_check_and_train_refuse_a_task_adapter_alike(name, checkpoint, folder, refused):
    model, *case = TRANSLATION_CASES[name]
    refused(translation_config(folder, checkpoint(model)), *case)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (train(learning_rate=0.0), "train.learning_rate: 0 trains nothing"),
        (train(eval_steps=5), "train.eval_steps: 5 counts nothing: train.eval_strategy is epoch"),
        ({**train(save_steps=5, eval_strategy="no")}, "train.save_steps: 5 counts nothing"),
    ],
)
def test_settings_that_change_nothing_are_told(settings, told, checkpoint, folder, command):
    path = folder / "run.yaml"
    path.write_text(strict_yaml.dump(changed(run_config(folder, checkpoint("bert")), settings)), encoding="utf-8")
    code, _, err = command("check", path)
    assert code == 0
    assert f"warning: {told}" in err


# --- a folder that holds a run ---


def overrides_after(words, message):
    """Returns the overrides that a message names after some words, up to the end of the sentence."""
    told = message[message.index(words) + len(words) :].strip().split("\n")[0]
    return [word.rstrip(".,") for word in shlex.split(told.split(". ")[0]) if "=" in word]


@pytest.mark.parametrize("settings", [{"train.num_train_epochs": 20}, {"resume": False}])
@pytest.mark.parametrize("is_adapter", [False, True])
def test_a_finished_run_says_how_to_train_on(is_adapter, settings, whole, checkpoint, tmp_path, command):
    finished = tmp_path / "a run"
    config = run_config(tmp_path, checkpoint("bert"), output_dir=str(finished), **settings)
    if is_adapter:
        write_adapter_run(finished, checkpoint("bert"), labels=("card", "food", "sport", "weather"))
        config["tuner"] = strict_yaml.load((finished / "ftkit.yaml").read_text(), "run")[0]["tuner"]
    else:
        shutil.copytree(whole, finished)
    path = tmp_path / "run.yaml"
    path.write_text(strict_yaml.dump(config), encoding="utf-8")
    for verb in ("check", "train"):
        code, _, message = command(verb, path)
        assert code == 2
        assert f"{'model.adapter' if is_adapter else 'model.checkpoint'}='{finished}'" in message
    for words in ("train further from its weights:", "output_dir; or"):
        code, _, told = command("check", path, *overrides_after(words, message))
        assert code == 0, told


def test_data_that_changed_is_told_by_check_as_by_train(whole, tmp_path, command):
    run = shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run.yaml"
    shutil.copy(run / "checkpoints" / "config.yaml", path)
    (run / "checkpoints" / "data.json").write_text('{"train": "other"}')
    for verb in ("check", "train"):
        code, _, message = command(verb, path, f"output_dir={run}")
        assert code == 2
        assert "has changed since it was" in message


# --- a run that fails before it has saved anything ---


@pytest.mark.parametrize("folder_exists", [False, True])
def test_a_run_that_failed_at_its_beginning_can_be_corrected(folder_exists, checkpoint, tmp_path, command):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.max_steps": 1})
    path, run = tmp_path / "run.yaml", tmp_path / "run"
    path.write_text(strict_yaml.dump(config), encoding="utf-8")
    if folder_exists:
        run.mkdir()
    before = set(tmp_path.rglob("*"))
    code, _, _ = command("train", path, "train.learning_rate=1e30", "train.max_grad_norm=0", "train.max_steps=9")
    assert code == 1
    assert set(tmp_path.rglob("*")) == before
    assert command("train", path)[0] == 0
