"""The lines of a card's code that load a model with plain transformers or peft."""

from __future__ import annotations

from typing import NamedTuple

from ftkit.report.escape import literal
from ftkit.report.recipe import Recipe
from ftkit.report.saved import Base, Card

_BUILT_IN = "ftkit:"


class Processor(NamedTuple):
    """What turns inputs into arrays.

    Attributes:
        variable: its name in the code.
        auto_class: the transformers class that loads it.
        arguments: what else it is loaded with, with a comma before it.
        imports: further lines that the code needs.
    """

    variable: str
    auto_class: str
    arguments: str = ""
    imports: tuple[str, ...] = ()


TOKENIZER = Processor("tokenizer", "AutoTokenizer")


def named(variable: str, name: str, *, is_folder: bool) -> str:
    """Returns the line that says where the run is."""
    comment = "  # this folder: run the code beside it, or write its path" if is_folder else ""
    return f"{variable} = {literal(name)}{comment}"


def trusting(card: Card) -> str:
    """Returns the argument that a checkpoint with code of its own needs, with a comma before it."""
    return ", trust_remote_code=True" if card.recipe.trust_remote_code else ""


def cut(card: Card) -> str:
    """Returns the arguments that cut an input to what the model reads, with a comma before them."""
    return "" if card.recipe.max_length is None else f", truncation=True, max_length={card.recipe.max_length}"


def load_lines(
    card: Card, name: str, is_folder: bool, *, processor: Processor = TOKENIZER, generates: bool = False
) -> list[str]:
    """Returns the lines that load the processor and `model`.

    Args:
        name: the run's folder, or its repository.
        is_folder: which of them.
        processor: what turns inputs into arrays.
        generates: the model's own settings of the search are needed.
    """
    trust = trusting(card)
    processing = f"{processor.variable} = {processor.auto_class}.from_pretrained(run{processor.arguments}{trust})"
    if card.method == "full":
        names = sorted((card.recipe.auto_class, processor.auto_class))
        return [
            "import torch",
            f"from transformers import {', '.join(names)}",
            *processor.imports,
            "",
            named("run", name, is_folder=is_folder),
            processing,
            f"model = {card.recipe.auto_class}.from_pretrained(run{trust}).eval()",
        ]
    is_joined = card.base.decoder is not None
    imports = card.recipe.joined_class if is_joined else card.recipe.auto_class
    configs = ["AutoConfig"] if not is_joined or card.recipe.names_decoder_config else []
    # How it searches is the run's; its base brings settings of its own.
    search = "model.generation_config = GenerationConfig.from_pretrained(run)"
    bodies = ["AutoModel"] * card.recipe.has_renamed_body
    names = sorted([imports, processor.auto_class, *configs, *bodies, *(["GenerationConfig"] * generates)])
    return [
        *(["from importlib.resources import files", ""] if _is_built_in(card.base) else []),
        "import torch",
        "from peft import PeftModel",
        f"from transformers import {', '.join(names)}",
        *processor.imports,
        "",
        named("run", name, is_folder=is_folder),
        *_base_lines(card.base),
        processing,
        *_base_model(card, trust),
        *([search] * generates),
        "model = PeftModel.from_pretrained(model, run).eval()",
    ]


def _joined_model(recipe: Recipe) -> list[str]:
    """Returns the lines that join the two checkpoints."""
    call = f"model = {recipe.joined_class}.from_encoder_decoder_pretrained(base, decoder"
    if not recipe.names_decoder_config:
        return [f"{call})"]
    return [
        "config = AutoConfig.from_pretrained(run).decoder  # it looks at what the encoder sees",
        f"{call}, decoder_config=config)",
    ]


def _is_built_in(base: Base) -> bool:
    return base.on_hub is None and base.name.startswith(_BUILT_IN)


def _base_lines(base: Base) -> list[str]:
    if _is_built_in(base):
        name = literal(base.name.removeprefix(_BUILT_IN))
        lines = [f'base = str(files("ftkit") / "demo" / {name})  # it comes with ftkit']
    elif base.on_hub is None:
        lines = [f"base = {literal(base.name)}  # the folder of the checkpoint that it was trained on, or its path"]
    else:
        lines = [f"base = {literal(base.on_hub)}"]
    if base.decoder is not None:
        lines.append(f"decoder = {literal(base.decoder_on_hub or base.decoder)}  # it writes")
    return lines


def _base_model(card: Card, trust: str) -> list[str]:
    recipe = card.recipe
    quantized = recipe.quantization
    note = [f"# Trained on a base in {quantized}; in full precision it may differ a little."] if quantized else []
    if card.base.decoder is not None:
        return [*note, *_joined_model(recipe)]
    revision = f", revision={literal(card.base.revision)}" if card.base.on_hub and card.base.revision else ""
    lines = [f"config = AutoConfig.from_pretrained(run{trust})  # it knows the labels and the sizes"]
    if recipe.resizes_embeddings:
        known = f"AutoConfig.from_pretrained(base{revision}{trust}).get_text_config().vocab_size"
        lines.append(f"config.get_text_config().vocab_size = {known}")
    arguments = f'config=config, dtype="float32"{revision}{trust}'
    if recipe.has_renamed_body:
        lines += [
            f"model = {recipe.auto_class}.from_config(config{trust})",
            "# Its body has another name in the base, by which from_pretrained would not find it: it would be random.",
            f"setattr(model, model.base_model_prefix, AutoModel.from_pretrained(base, {arguments}))",
        ]
    else:
        lines.append(f"model = {recipe.auto_class}.from_pretrained(base, {arguments})")
    if recipe.resizes_embeddings:
        lines.append("model.resize_token_embeddings(len(tokenizer))  # rows for the tokens that were added")
    return [*note, *lines]
