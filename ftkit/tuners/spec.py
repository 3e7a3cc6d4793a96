"""The `tuner` section of a config: which weights move. The methods are data; peft is not imported here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, model_validator

Targets = Literal["linear", "ia3", "norms"]
"""What a method attaches to, found for each architecture in `targets.py`."""


@dataclass(frozen=True)
class Method:
    """One way to tune a checkpoint.

    Attributes:
        summary: what moves, in one sentence.
        options: TunerSpec's own options that the method takes, with their defaults.
        config: the name of its config class in peft; None where no weight of the checkpoint is left as it was.
        fixed: what peft's config says besides.
        targets: what is tuned when the user names no `target_modules`.
        learning_rate: used where the config states none. Few new weights, which start as a zero change, bear and need
            a higher rate than pretrained ones (about ten times for LoRA: arXiv 2106.09685, tables 9 to 13).
        reads_prompt: it puts virtual tokens before the text instead of changing weights.
        merges: its change can be added into the checkpoint's own weights.
        source: where it was published.
    """

    summary: str
    options: Mapping[str, Any] = field(default_factory=dict)
    config: str | None = "LoraConfig"
    fixed: Mapping[str, Any] = field(default_factory=dict)
    targets: Targets | None = None
    learning_rate: float = 1e-3
    reads_prompt: bool = False
    merges: bool = True
    source: str = ""


# Rank 16 on every linear layer of the body, scaled by alpha / rank = 2: adapting all layers matters more than the
# rank does (arXiv 2305.14314, section 4).
_LORA: dict[str, Any] = {"rank": 16, "alpha": 32.0, "dropout": 0.0, "target_modules": None}
_PROMPT: dict[str, Any] = {"num_virtual_tokens": 20}
# What of the body is frozen computes without dropout, cached or not: frozen features, the same in every epoch.
_FROZEN: dict[str, Any] = {"cache_frozen": True}

METHODS: Mapping[str, Method] = {
    "full": Method("every weight is trained", config=None, learning_rate=5e-5, merges=False),
    "head-only": Method(
        "only what the checkpoint lacks, such as a classifier, is trained, on frozen features",
        options=_FROZEN,
        learning_rate=1e-2,
    ),
    "last-layers": Method(
        "the last `num_layers` layers and the head are trained, on frozen features",
        options={"num_layers": 2, **_FROZEN},
        learning_rate=1e-4,
    ),
    "bitfit": Method("biases and the head are trained", fixed={"bias": "all"}, source="arXiv 2106.10199"),
    "lora": Method(
        "low-rank changes of the linear layers", options=_LORA, targets="linear", source="arXiv 2106.09685"
    ),
    "rslora": Method(
        "LoRA scaled by alpha / sqrt(rank), for high ranks",
        options={**_LORA, "alpha": 16.0},
        fixed={"use_rslora": True},
        targets="linear",
        learning_rate=5e-4,
        source="arXiv 2312.03732",
    ),
    "dora": Method(
        "LoRA that tunes magnitude and direction apart",
        options=_LORA,
        fixed={"use_dora": True},
        targets="linear",
        source="arXiv 2402.09353",
    ),
    "pissa": Method(
        "LoRA that starts from the principal components of the weights",
        options={**_LORA, "alpha": 16.0},  # the components must come back at their own size: alpha = rank
        fixed={"init_lora_weights": "pissa"},
        targets="linear",
        learning_rate=2e-4,
        source="arXiv 2404.02948",
    ),
    "adalora": Method(
        "LoRA whose ranks go where they matter most",
        options={**_LORA, "rank": 8},
        config="AdaLoraConfig",
        targets="linear",
        learning_rate=2e-3,
        source="arXiv 2303.10512",
    ),
    "ia3": Method(
        "keys, values and feed-forward activations are rescaled",
        options={"target_modules": None},
        config="IA3Config",
        targets="ia3",
        learning_rate=5e-3,
        source="arXiv 2205.05638",
    ),
    "layernorm": Method(
        "the normalisation layers and the head are trained",
        config="LNTuningConfig",
        targets="norms",
        source="arXiv 2312.11420",
    ),
    "prefix": Method(
        "virtual keys and values stand before the text in every layer",
        options=_PROMPT,
        config="PrefixTuningConfig",
        learning_rate=1e-2,
        reads_prompt=True,
        merges=False,
        source="arXiv 2101.00190",
    ),
    "prompt": Method(
        "virtual tokens stand before the text",
        options=_PROMPT,
        config="PromptTuningConfig",
        learning_rate=3e-2,
        reads_prompt=True,
        merges=False,
        source="arXiv 2104.08691",
    ),
    "p-tuning": Method(
        "virtual tokens, written by a small network, stand before the text",
        options=_PROMPT,
        config="PromptEncoderConfig",
        learning_rate=1e-3,
        reads_prompt=True,
        merges=False,
        source="arXiv 2103.10385",
    ),
}
"""Every method by its name in a config."""

MethodName = Literal[
    "full",
    "head-only",
    "last-layers",
    "bitfit",
    "lora",
    "rslora",
    "dora",
    "pissa",
    "adalora",
    "ia3",
    "layernorm",
    "prefix",
    "prompt",
    "p-tuning",
]


class TunerSpec(BaseModel):
    """How the checkpoint's weights are tuned. What the checkpoint lacks, such as a head, is always trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: MethodName = Field("full", description="full, lora, head-only ...: `ftkit tasks --tuners` lists them.")
    rank: int | None = Field(None, gt=0, description="Of the change of a layer; 16 unless set (adalora 8).")
    alpha: float | None = Field(None, gt=0, description="The change is scaled by alpha / rank; 32 unless set.")
    dropout: float | None = Field(None, ge=0, lt=1, description="On what a LoRA layer reads.")
    target_modules: tuple[str, ...] | None = Field(
        None, min_length=1, description="Names of the layers to tune, such as query. Default: all linear layers."
    )
    num_layers: int | None = Field(None, gt=0, description="How many of the last layers are trained; 2 unless set.")
    num_virtual_tokens: int | None = Field(None, gt=0, description="Length of the virtual prompt; 20 unless set.")
    cache_frozen: StrictBool | None = Field(
        None, description="Compute the frozen layers in the first epoch only; true unless set."
    )
    quantization: Literal["4bit", "8bit"] | None = Field(
        None,
        description="Keep the checkpoint's own weights in 4 or 8 bits; needs ftkit[quantization], slow without a GPU.",
    )

    @property
    def facts(self) -> Method:
        """What the method is."""
        return METHODS[self.method]

    @property
    def freezes_layers(self) -> bool:
        """Whether each layer is trained whole or not at all, so that the first layers always compute the same."""
        return "cache_frozen" in self.facts.options

    @property
    def is_full(self) -> bool:
        """Whether the run saves a whole checkpoint rather than an adapter."""
        return self.facts.config is None

    def option(self, name: str) -> Any:
        """Returns an option as set, or else the method's default."""
        value = getattr(self, name)
        return self.facts.options[name] if value is None else value

    @property
    def prompt_length(self) -> int:
        """How many positions of the checkpoint virtual tokens take up before a text."""
        return self.option("num_virtual_tokens") if self.facts.reads_prompt else 0

    @model_validator(mode="after")
    def _check_options(self) -> TunerSpec:
        method = METHODS[self.method]
        known = {*method.options, "method", *([] if self.is_full else ["quantization"])}
        unread = sorted(name for name in self.model_fields_set - known if getattr(self, name) is not None)
        if unread:
            takes = ", ".join(sorted(method.options)) or "no options"
            raise ValueError(f"{self.method} does not read {', '.join(unread)}. It takes {takes}.")
        return self
