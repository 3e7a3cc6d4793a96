"""The benchmarks: how they count and show, that all sides run, and that the bare loop has ftkit's own batches."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

import demo_data
import fresh
import ftkit
import slices
from ftkit.errors import RunError, UserError
from measure import Benchmark, Outcome, Variant, Work, run_process, run_variant, speedups, spread
from runs import run_config
from settings import Training
from sides import read_csv
from table import as_json, render, render_all
from work import Stack, forward_flops, forward_pair_flops, stacks_of, training_flops

BENCH = Path(__file__).resolve().parent.parent / "scripts" / "bench"
MACHINE = {
    "device": "a CPU",
    "num_cores": 2,
    "num_threads": 2,
    "platform": "Linux",
    "python": "3",
    "torch": "2",
    "busy_share": 0.02,
    "fp32_gflops": 100.0,
    "bf16_gflops": 400.0,
}


# --- counting ---


def test_a_weight_costs_two_operations_a_token_and_attention_four_a_pair_and_component():
    stack = Stack(parameters=10, layers=2, width=4)
    assert forward_flops(stack, [1, 3]) == 2 * 10 * (1 + 3) + 4 * 2 * 4 * (1 + 9)
    assert training_flops(400) == 1200


def test_a_decoder_looks_at_itself_and_at_the_source():
    encoder, decoder = Stack(10, 1, 4), Stack(20, 2, 4)
    expected = forward_flops(encoder, [3]) + forward_flops(decoder, [5]) + 4 * 2 * 4 * 3 * 5
    assert forward_pair_flops(encoder, decoder, [3], [5]) == expected


@pytest.mark.parametrize("model_type", ["bert", "marian"])
def test_the_formula_is_what_torch_counts(model_type, checkpoint):
    """Without biases and layer norms, which are no products but so few that the formula takes them along."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    from transformers import AutoModel, AutoModelForSeq2SeqLM

    folder = str(demo_data.CHECKPOINT if model_type == "bert" else checkpoint(model_type))
    source, target = torch.ones(1, 20, dtype=torch.long), torch.ones(1, 12, dtype=torch.long)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        if model_type == "bert":
            AutoModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False)(source)
            found = forward_flops(*stacks_of(folder), [20])
        else:
            model = AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
            model(input_ids=source, decoder_input_ids=target, use_cache=False)
            found = forward_pair_flops(*stacks_of(folder), [20], [12])
    # A decoder's keys and values of the source are counted as if the source were as long as the target.
    assert found == pytest.approx(counter.get_total_flops(), rel=0.03 if model_type == "bert" else 0.1)


@pytest.mark.parametrize(("flops", "size"), [(1e12, 2048), (1e10, 1024), (1e9, 512)])
def test_what_a_machine_is_slow_at_is_measured_on_smaller_products(flops, size, monkeypatch):
    import torch

    import machine

    clock, sizes = [0.0], []

    def product(one, other):
        sizes.append(len(one))
        clock[0] += 2 * len(one) ** 3 / flops
        return one

    monkeypatch.setattr(machine.time, "perf_counter", lambda: clock[0])
    found = machine.gflops(product, torch.float32, seconds=1, device=torch.device("cpu"))
    assert found == pytest.approx(flops / 1e9)
    assert sizes[-3:] == [size] * 3
    assert clock[0] < 2


# --- showing ---


def outcome(**changes) -> Outcome:
    variants = [Variant(name, name.title(), lambda seed, folder: []) for name in ("ftkit", "plain")]
    work = Work(items=100, tokens=1000, flops=5e9)
    benchmark = Benchmark("toy", "A toy", "Made up.", variants, "train_runtime", work=work, **changes)
    samples = {
        name: [
            {"seconds": s, "rate": 100 / s, "gflops": 5 / s, "wall_seconds": s + 1, "peak_mib": 1.0} for s in seconds
        ]
        for name, seconds in (("ftkit", (1.0, 2.0, 1.0)), ("plain", (2.0, 2.0, 4.0)))
    }
    return Outcome(benchmark, samples, [MACHINE] * 3)


def test_sides_are_compared_repeat_by_repeat():
    assert speedups(outcome(), "ftkit", "plain") == [2.0, 1.0, 4.0]
    assert spread([2.0, 1.0, 4.0]) == (2.0, 1.0, 4.0)


def test_a_table_shows_medians_ranges_ratios_and_shares_of_the_peak():
    *_, ours, plain, _, told = render(outcome(comparisons=[("ftkit", "plain")])).splitlines()
    assert ours.startswith("| Ftkit | 100.0 (50.0 to 100.0) | 1.00x (1.00x to 1.00x) |")
    assert plain.startswith("| Plain | 50.0 (25.0 to 50.0) | 2.00x (1.00x to 4.00x) |")
    assert "| 5.0 (2.5 to 5.0) | 5% (2% to 5%) | 1% (1% to 1%) |" in ours
    assert told == "Speed of Ftkit against Plain: 2.00x (1.00x to 4.00x)."


def test_a_busy_machine_is_told():
    quiet = outcome()
    assert "do not hold" not in render_all([quiet])
    quiet.machine[1] = {**MACHINE, "busy_share": 0.4}
    assert "up to 40% of the processor. These figures do not hold" in render_all([quiet])


def test_results_hold_every_process():
    found = as_json([outcome()])["toy"]
    assert found["work"] == {"items": 100, "tokens": 1000, "flops": 5e9}
    assert [sample["seconds"] for sample in found["variants"]["plain"]["samples"]] == [2.0, 2.0, 4.0]
    assert found["variants"]["plain"]["spread"]["rate"] == {"median": 50.0, "low": 25.0, "high": 50.0}


# --- processes ---


MEASURE_TWO = """
import sys
from pathlib import Path
import run  # the whole command; its memory would count as its children's
from measure import run_process
for code in ("", "data = b'x' * (150 * 2**20)"):
    print(run_process([sys.executable, "-c", code], Path(sys.argv[1]), {})["peak_mib"])
"""


def test_memory_is_the_child_s_own(tmp_path):
    code = [sys.executable, "-c", MEASURE_TWO, tmp_path / "log"]
    small, large = map(float, subprocess.run(code, capture_output=True, check=True, cwd=BENCH).stdout.split())
    assert small < 60
    assert large - small == pytest.approx(150, abs=20)


def test_a_failed_process_is_shown(tmp_path):
    with pytest.raises(RunError, match=r"code 3; its log is .*log:\nno such thing"):
        run_process([sys.executable, "-c", "import sys; print('no such thing'); sys.exit(3)"], tmp_path / "log", {})


@pytest.mark.parametrize("kept", [False, True])
def test_caches_of_data_are_new_unless_kept(kept, tmp_path):
    code = "import json, os, sys; json.dump({'path': os.environ['HF_DATASETS_CACHE']}, open(sys.argv[1], 'w'))"
    variant = Variant("toy", "A toy", lambda seed, folder: [sys.executable, "-c", code, f"{folder}/results.json"])
    cache = tmp_path / "kept" if kept else None
    found = [run_variant(variant, 1, tmp_path / "log", cache)["path"] for _ in range(2)]
    assert (found[0] == found[1] == str(tmp_path / "kept" / "datasets")) is kept


# --- data ---


def test_test_rows_have_labels_that_were_drawn(tmp_path):
    drawn = slices.read_texts(demo_data.MESSAGES, ("text", None), slices.Size(3, 10), tmp_path)
    train, test = (read_csv(str(path), "text", "intent") for path in (drawn.train, drawn.test))
    assert len(train[0]) == 3
    assert set(test[1]) <= set(train[1])
    assert drawn.columns == ("text", "intent")
    assert drawn.texts == train[0]


def test_drawn_pairs_stay_pairs(tmp_path):
    folder = demo_data.pairs(tmp_path / "all", ("en", "de"))
    drawn = slices.read_pairs(folder, ("en", "de"), slices.Size(5, 2), tmp_path / "drawn")
    sources, targets = (path.read_text().splitlines() for path in drawn.train)
    assert len(sources) == 5
    assert [[f"x{word}" for word in source.split()] for source in sources] == [target.split() for target in targets]


def test_missing_data_is_named(tmp_path):
    with pytest.raises(UserError, match=r"No file .*train.conll"):
        slices.read_tagged_words(tmp_path, slices.Size(1, 1), tmp_path / "out")


# --- whole runs ---


# As `python run.py ...`, but that what it starts is forked, too.
FORKING_RUN = f"""
import runpy, sys
sys.executable = {str(fresh.CLIENT)!r}
sys.path.insert(0, {str(BENCH)!r})
runpy.run_path({str(BENCH / "run.py")!r}, run_name="__main__")
"""


@pytest.fixture(scope="module")
def quick(tmp_path_factory) -> Path:
    """What the command leaves behind; its data serve the other sides."""
    output = tmp_path_factory.mktemp("bench")
    flags = ["classification", "--quick", "--rows", "40", "--variants", "ftkit", "plain", "--output", output]
    done = fresh.python("-c", FORKING_RUN, *flags)
    assert done.returncode == 0, done.stderr
    return output


def test_one_command_compares_both_sides(quick):
    table = (quick / "table.md").read_text()
    assert "| ftkit, precision auto (fp32) |" in table
    assert "| plain Trainer (fp32) |" in table
    assert (quick / "plot.png").stat().st_size > 1000
    found = json.loads((quick / "results.json").read_text())["classification"]
    assert found["work"]["items"] == 40
    for side in ("ftkit", "plain"):
        (sample,) = found["variants"][side]["samples"]
        for name in ("seconds", "rate", "gflops", "wall_seconds", "peak_mib"):
            assert sample[name] > 0, name
        assert (sample["padding_share"] > 0) == (side == "plain")
        assert 0 <= sample["score"] <= 1
        assert 0 < found["variants"][side]["spread"]["fp32_share"]["median"] < 1


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--checkpoint is missing: a folder or a Hub id."),
        (["--checkpoint", "x"], "--data is missing: folders with data."),
        (["--checkpoint", "x", "--data", "."], "--data: ner needs a folder with train.conll; there is none in ."),
        (["--quick", "--variants", "ours"], "--variants: ner has no ours. It has ftkit, plain."),
    ],
)
def test_what_is_missing_is_told(flags, message, tmp_path, monkeypatch):
    import run

    monkeypatch.setattr(sys, "argv", ["run.py", "ner", *flags, "--output", str(tmp_path / "out")])
    monkeypatch.setattr("settings.run_json", lambda command: {"items": 1, "tokens": 1, "forward_flops": 1})
    with pytest.raises(UserError) as caught:
        run.main()
    assert message in str(caught.value)
    assert "--variants" in flags or not (tmp_path / "out").exists()


def run_script(name: str, flags: list[str], output: Path, monkeypatch) -> dict:
    """Runs one side in this process, and returns its results."""
    import importlib

    monkeypatch.setattr(sys, "argv", [name, *flags])
    importlib.import_module(name).main()
    return json.loads((output / "results.json").read_text())


def test_the_bare_loop_computes_ftkit_s_batches(quick, tmp_path, monkeypatch):
    data = quick / "data" / "classification"
    flags = Training(str(demo_data.CHECKPOINT), 1, 32, 2e-4).flags(1, tmp_path)
    flags += ["--train", f"{data}/train.csv", "--test", f"{data}/test.csv", "--label", "intent"]
    in_parts = run_script("bare_loop", flags, tmp_path, monkeypatch)
    as_ftkit = run_script("bare_loop", [*flags, "--as-ftkit"], tmp_path, monkeypatch)
    (ours,) = json.loads((quick / "results.json").read_text())["classification"]["variants"]["ftkit"]["samples"]
    assert as_ftkit["padding_share"] == ours["padding_share"] == 0
    assert 0 < in_parts["padding_share"] < 0.3
    assert min(found["train_runtime"] for found in (in_parts, as_ftkit)) > 0


@pytest.mark.filterwarnings("ignore:'pin_memory' argument is set as true")  # the recipes' default
def test_the_plain_tagger_and_translator_run(checkpoint, tmp_path, monkeypatch):
    size = slices.Size(12, 4)
    words = slices.read_tagged_words(demo_data.tagged_words(tmp_path / "words"), size, tmp_path / "drawn")
    flags = Training(str(demo_data.CHECKPOINT), 1, 4, 2e-4).flags(1, tmp_path / "ner")
    found = run_script(
        "plain_token_classification",
        [*flags, "--train", str(words.train), "--test", str(words.test)],
        tmp_path / "ner",
        monkeypatch,
    )
    assert 0 < found["padding_share"] < 1
    assert 0 <= found["test_f1"] <= 1
    pairs = slices.read_pairs(demo_data.pairs(tmp_path / "pairs", ("en", "de")), ("en", "de"), size, tmp_path / "mt")
    files = ["--train", *map(str, pairs.train), "--test", *map(str, pairs.test), "--max-new-tokens", "3"]
    flags = Training(str(checkpoint("marian")), 1, 4, 2e-4).flags(1, tmp_path / "translation")
    found = run_script("plain_translation", [*flags, *files], tmp_path / "translation", monkeypatch)
    assert 0 < found["padding_share"] < 1
    assert found["test_bleu"] >= 0


def test_both_sides_predict_the_same(checkpoint, tmp_path, monkeypatch):
    config = run_config(tmp_path, checkpoint("bert"), **{"train.num_train_epochs": 2})
    run = ftkit.train(config)
    flags = ["--model", str(run.output_dir), "--test", config["data"]["test"], "--label", "topic"]
    found = [
        run_script(name, [*flags, "--output", str(tmp_path / name)], tmp_path / name, monkeypatch)
        for name in ("ftkit_prediction", "plain_prediction")
    ]
    assert found[0]["test_accuracy"] == found[1]["test_accuracy"] == run.metrics["test_accuracy"]
    assert min(side["predict_seconds"] for side in found) > 0
