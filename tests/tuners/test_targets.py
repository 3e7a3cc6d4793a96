"""What a method attaches to, on every architecture."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import cells
import tiny
from ftkit.errors import ConfigError
from ftkit.tuners import targets
from ftkit.tuners.apply import apply_tuner, base_prefix
from ftkit.tuners.heads import new_modules
from ftkit.tuners.spec import TunerSpec

BERT = "attention.self.query attention.self.key attention.self.value attention.output.dense"
BERT += " intermediate.dense output.dense"
ALBERT = "query", "key", "value", "dense"
LLAMA = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.o_proj mlp.gate_proj mlp.up_proj mlp.down_proj"
OPT = "self_attn.q_proj self_attn.k_proj self_attn.v_proj self_attn.out_proj fc1 fc2"
T5 = ["layer.0.SelfAttention.q layer.0.SelfAttention.k layer.0.SelfAttention.v layer.0.SelfAttention.o"]
T5 += [T5[0].replace("0.SelfAttention", "1.EncDecAttention")]
T5 += [f"layer.{index}.DenseReluDense.wi layer.{index}.DenseReluDense.wo" for index in (1, 2)]
BART = ("encoder.layers", OPT), ("decoder.layers", f"{OPT} {OPT[: OPT.index(' fc1')].replace('self', 'encoder')}")
GPT2 = "attn.c_attn attn.c_proj mlp.c_fc mlp.c_proj"

LINEAR: dict[str, tuple[tuple[str, str], ...]] = {
    "bert": (("encoder.layer", BERT),),
    "roberta": (("encoder.layer", BERT),),
    "electra": (("encoder.layer", BERT),),
    "xlm-roberta": (("encoder.layer", BERT),),
    "deberta-v2": (("encoder.layer", re.sub(r"(query|key|value)", r"\1_proj", BERT)),),
    "distilbert": (
        (
            "transformer.layer",
            "attention.q_lin attention.k_lin attention.v_lin attention.out_lin ffn.lin1 ffn.lin2",
        ),
    ),
    "modernbert": (("layers", "attn.Wqkv attn.Wo mlp.Wi mlp.Wo"),),
    "albert": (
        (
            "encoder.albert_layer_groups",
            " ".join(
                f"albert_layers.0.{name}" for name in (*(f"attention.{part}" for part in ALBERT), "ffn", "ffn_output")
            ),
        ),
    ),
    "gpt2": (("h", GPT2),),
    "llama": (("layers", LLAMA),),
    "qwen2": (("layers", LLAMA),),
    "gpt_neox": (
        ("layers", "attention.query_key_value attention.dense mlp.dense_h_to_4h mlp.dense_4h_to_h"),
    ),
    "opt": (("decoder.layers", OPT),),
    "t5": (("encoder.block", f"{T5[0]} {T5[2]}"), ("decoder.block", f"{T5[0]} {T5[1]} {T5[3]}")),
    **dict.fromkeys(("bart", "mbart", "marian", "nllb", "pegasus"), BART),
    "bert2bert": (("encoder.encoder.layer", BERT), ("decoder.bert.encoder.layer", BERT)),
    "bert2gpt": (("encoder.encoder.layer", BERT), ("decoder.transformer.h", GPT2)),
}  # fmt: skip
"""Every stack of layers, and all linear layers in each of its layers."""

OUTSIDE = {
    "modernbert": {"head.dense"},
    "electra": {"electra.embeddings_project"},
    "albert": {"albert.encoder.embedding_hidden_mapping_in"},
    "bert2bert": {"decoder.cls.predictions.transform.dense"},
}
"""Linear layers before and after the stacks that the checkpoint provides."""

NAMES = [*tiny.MODEL_TYPES, *tiny.WRITERS, *cells.DECODERS]
every_model = pytest.mark.parametrize("name", NAMES)
Loaded = tuple[Any, list[str], frozenset[str], str]


@pytest.fixture(scope="module")
def loaded(checkpoint: Callable[[str], Path]) -> Callable[[str], Loaded]:
    """`loaded("bert")` is a model, its new modules, its new parameters and its kind of task; made once."""
    made: dict[str, Loaded] = {}

    def load(name: str) -> Loaded:
        if name not in made:
            kind = "text-classification" if name in tiny.MODEL_TYPES else "translation"
            built = cells.make_adapter(kind, name, checkpoint).objective.build()
            made[name] = (built.model, new_modules(built.model, built.new_parameters), built.new_parameters, kind)
        return made[name]

    return load


def expected_linear(model: Any, name: str) -> set[str]:
    stacks = {
        stack: (next(full for full in targets.layer_stacks(model) if f".{full}".endswith(f".{stack}")), names)
        for stack, names in LINEAR[name]
    }
    num_layers = 1 if name == "albert" else tiny.LAYERS
    inside = {
        f"{full}.{layer}.{inner}"
        for full, names in stacks.values()
        for layer in range(num_layers)
        for inner in names.split()
    }
    return inside | OUTSIDE.get(name, set())


def test_a_pooler_that_the_checkpoint_provides_is_a_target(tmp_path: Path) -> None:
    """A sentence encoder was trained without its pooler, which is far from what a classifier needs."""
    from transformers import AutoModelForSequenceClassification, BertConfig, BertModel

    BertModel(BertConfig(vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)).save_pretrained(
        tmp_path
    )
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    assert "bert.pooler.dense" in targets.linear_layers(model, ["classifier"])
    assert "bert.pooler.dense" not in targets.linear_layers(model, ["classifier", "bert.pooler"])


def test_a_body_with_nothing_to_tune_is_refused_before_its_weights_are_read() -> None:
    """I-BERT's layers are of a class of its own; those of its head are linear, and peft would take them."""
    import torch
    from transformers import AutoModelForSequenceClassification, IBertConfig

    with torch.device("meta"):
        model = AutoModelForSequenceClassification.from_config(
            IBertConfig(vocab_size=32, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        )
    assert targets.linear_layers(model, ()) == ["classifier.dense", "classifier.out_proj"]
    with pytest.raises(ConfigError, match="nothing was found in this checkpoint for lora to tune"):
        targets.check_layers(model, TunerSpec(method="lora"))
    targets.check_layers(model, TunerSpec(method="lora", target_modules=["dense"]))
    targets.check_layers(model, TunerSpec(method="head-only"))


@every_model
def test_all_linear_layers_of_the_body_and_nothing_else(name: str, loaded: Callable[[str], Loaded]) -> None:
    model, new, _, _ = loaded(name)
    found = targets.linear_layers(model, new)
    assert len(found) == len(set(found))
    assert set(found) == expected_linear(model, name)
    assert len(targets.layer_stacks(model)) == len(LINEAR[name])


MIXERS = {
    **{"mamba": "MambaMixer", "falcon_mamba": "FalconMambaMixer", "jamba": "JambaMambaMixer", "mamba2": "Mamba2Mixer"},
    **{"bamba": "BambaMixer", "zamba2": "Zamba2MambaMixer", "falcon_h1": "FalconH1Mixer"},
    **{"nemotron_h": "NemotronHMamba2Mixer", "granitemoehybrid": "GraniteMoeHybridMambaLayer"},
    **{"wavlm": "WavLMAttention", "mobilebert": "MobileBertLMPredictionHead"},
}
"""Type of a checkpoint -> a class that reads the weights of some of its layers itself."""


@pytest.mark.parametrize("model_type", MIXERS)
def test_layers_whose_weights_are_read_from_outside_are_known(model_type: str) -> None:
    module = importlib.import_module(f"transformers.models.{model_type}.modeling_{model_type}")
    source = inspect.getsource(getattr(module, MIXERS[model_type]))
    layers = set(re.findall(r"self\.(\w+) = nn\.Linear", source))
    read = {name for name in layers if re.search(rf"self\.{name}\.weight(?!\.device)", source)}
    assert read - {"decoder"} == set(targets.READ_FROM_OUTSIDE[MIXERS[model_type]]), "decoder: the output embeddings"


def test_nothing_is_attached_to_what_a_kernel_reads() -> None:
    import torch
    import transformers

    config = transformers.MambaConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, state_size=2)
    with torch.device("meta"):
        model = transformers.MambaForCausalLM(config)
    assert targets.linear_layers(model, []) == ["backbone.layers.0.mixer.in_proj"]
    with pytest.raises(ConfigError, match="reads the weights or settings of 'out_proj' itself"):
        targets.named_layers(model, ["out_proj"], [])


@pytest.mark.parametrize("name", ["bert", "modernbert", "albert", "gpt2", "t5", "marian", "bert2bert", "bert2gpt"])
def test_peft_attaches_to_them_and_nothing_else(name: str, checkpoint: Callable[[str], Path]) -> None:
    """With the names shortened, as they are in the saved config."""
    from peft.tuners.lora import LoraLayer

    kind = "text-classification" if name in tiny.MODEL_TYPES else "translation"
    adapter = cells.make_adapter(kind, name, checkpoint)
    built = adapter.objective.build()
    expected = expected_linear(built.model, name)
    tuned: Any = apply_tuner(
        built.model, built.new_parameters, TunerSpec(method="lora"), peft_task=cells.peft_task(kind, adapter)
    )
    attached = {inner for inner, module in tuned.named_modules() if isinstance(module, LoraLayer)}
    assert {inner.removeprefix(base_prefix(tuned)) for inner in attached} == expected


def fitting(model: Any, short: list[str], new: list[str]) -> set[str]:
    """Returns the modules that peft finds by these names."""
    return {
        name
        for name, _ in model.named_modules()
        if any(name == end or name.endswith(f".{end}") for end in short)
        and not any(name.startswith(f"{module}.") for module in new)
    }


@every_model
def test_shortened_names_mean_the_same_modules(name: str, loaded: Callable[[str], Loaded]) -> None:
    model, new, _, _ = loaded(name)
    attention_and_feedforward, feedforward = targets.ia3_layers(model, new)
    for names in (
        targets.linear_layers(model, new),
        targets.norm_layers(model, new),
        attention_and_feedforward,
        feedforward,
        targets.linear_layers(model, new)[:1],
    ):
        short = targets.shortened(names, model, new)
        assert fitting(model, short, new) == set(names)
        assert len(short) <= len(names)
    assert len(targets.shortened(targets.linear_layers(model, new), model, new)) <= 8


@every_model
def test_ia3_rescales_keys_values_and_one_feedforward_layer_in_every_layer(
    name: str, loaded: Callable[[str], Loaded]
) -> None:
    model, new, _, _ = loaded(name)
    found, feedforward = targets.ia3_layers(model, new)
    for stack, length in targets.layer_stacks(model).items():
        for layer in range(length):
            inside = [one for one in found if one.startswith(f"{stack}.{layer}.")]
            assert len([one for one in inside if one in feedforward]) == 1
            others = [one.rpartition(".")[2] for one in inside if one not in feedforward]
            fused = {"c_attn", "Wqkv", "query_key_value"} & set(others)
            assert len(others) in ((1,) if fused else (2, 4))  # 4: of the decoder's cross-attention as well
            assert not [one for one in others if one.startswith(("q_", "query_p", "out")) or one == "query"]


@every_model
def test_every_layer_has_norms(name: str, loaded: Callable[[str], Loaded]) -> None:
    model, new, _, _ = loaded(name)
    found = targets.norm_layers(model, new)
    kinds = {type(model.get_submodule(one)).__name__ for one in found}
    assert kinds <= {"LayerNorm", "T5LayerNorm", "LlamaRMSNorm", "Qwen2RMSNorm"}
    for stack, length in targets.layer_stacks(model).items():
        for layer in range(length):
            assert [one for one in found if one.startswith(f"{stack}.{layer}.")]


# --- names that a user gives ---


def test_names_of_layers_are_found_by_their_ends(loaded: Callable[[str], Loaded]) -> None:
    model, new, _, _ = loaded("bert")
    layers = [f"bert.encoder.layer.{layer}" for layer in (0, 1)]
    assert targets.named_layers(model, ["query"], new) == [f"{layer}.attention.self.query" for layer in layers]
    assert targets.named_layers(model, ["1.attention.self.query"], new) == [f"{layers[1]}.attention.self.query"]
    assert targets.named_layers(model, ["all-linear"], new) == targets.linear_layers(model, new)
    assert targets.named_layers(model, ["query", "query", "all-linear"], new)[:2] == [
        f"{layer}.attention.self.query" for layer in layers
    ]
    assert targets.named_layers(model, ["word_embeddings"], new) == ["bert.embeddings.word_embeddings"]


@pytest.mark.parametrize(
    ("model_type", "target", "message"),
    [
        ("bert", "qeury", "no layer 'qeury' in this checkpoint. Did you mean 'query'\\? There are 'dense', 'key'"),
        ("bert", "q_proj", "no layer 'q_proj'"),
        ("bert", "classifier", "no layer 'classifier'"),  # it is new, and trained anyway
        ("bert", "LayerNorm", "no layer 'LayerNorm'"),
        ("t5", "shared", "no layer 'shared'"),
    ],
)
def test_unknown_names_offer_the_closest(
    model_type: str, target: str, message: str, loaded: Callable[[str], Loaded]
) -> None:
    model, new, _, _ = loaded(model_type)
    with pytest.raises(ConfigError, match=message):
        targets.named_layers(model, [target], new)


def test_last_layers_of_every_stack(loaded: Callable[[str], Loaded]) -> None:
    assert targets.last_layers(loaded("bert")[0], 1) == ["bert.encoder.layer.1"]
    assert targets.last_layers(loaded("t5")[0], 2) == [
        f"transformer.{side}.block.{layer}" for side in ("encoder", "decoder") for layer in (0, 1)
    ]
    with pytest.raises(ConfigError, match="last 3 layers are to be trained, but the checkpoint has 2. Say fewer"):
        targets.last_layers(loaded("bert")[0], 3)
