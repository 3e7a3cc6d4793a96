"""The code of a model card: complete, runs as it stands, and predicts as the run does."""

from __future__ import annotations

from collections.abc import Sequence

from ftkit.report.escape import literal, one_line, shell_word
from ftkit.report.recipe import TokenName
from ftkit.report.saved import Base, Card

PLACEHOLDER = "Write the text here."
_BUILT_IN = "ftkit:"


def python_code(card: Card, name: str, *, is_folder: bool) -> str:
    """Returns Python that loads the model with plain transformers or peft and predicts the card's example.

    Args:
        name: the run's folder, or its repository.
        is_folder: which of them.
    """
    predict = {
        "AutoModelForSequenceClassification": _classify,
        "AutoModelForTokenClassification": _tag,
        "AutoModelForImageClassification": _see,
        "AutoModelForAudioClassification": _hear,
    }.get(card.recipe.auto_class, _write)
    return "\n".join(predict(card, name, is_folder))


def commands(card: Card, name: str) -> list[str]:
    """Returns how ftkit predicts a text and a file."""
    example, word = card.example, _path_word(name)
    text = PLACEHOLDER if example is None else one_line(example.text)
    pair = "" if not card.reads_pairs else f" --text-pair {shell_word((example and example.text_pair) or PLACEHOLDER)}"
    files = ("texts.txt", "written.txt") if card.recipe.writes else ("texts.csv", "predictions.jsonl")
    return [
        f"ftkit predict {word} --text {shell_word(text)}{pair}",
        f"ftkit predict {word} --input {files[0]} --output {files[1]}",
    ]


def repeat_commands(card: Card, name: str, *, is_folder: bool) -> list[str]:
    """Returns how the run is made again."""
    folder = _path_word(name if is_folder else name.rpartition("/")[2])
    pull = [] if is_folder else [f"ftkit pull {shell_word(name)} {folder}"]
    if card.merged is not None:
        return [f"ftkit merge {_path_word(card.merged.adapter)} {folder}"]
    return [*pull, f"ftkit train {folder}/ftkit.yaml output_dir={folder}-again"]


def _path_word(name: str) -> str:
    """Returns a folder or repository as a word of bash that is taken for no option."""
    return shell_word(f"./{name}" if name.startswith("-") else name)


# --- loading ------------------------------------------------------------------------------------------------


def _named(variable: str, name: str, *, is_folder: bool) -> str:
    comment = "  # this folder: run the code beside it, or write its path" if is_folder else ""
    return f"{variable} = {literal(name)}{comment}"


def _load(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns the lines that load `tokenizer` and `model`."""
    trust = ", trust_remote_code=True" if card.recipe.trust_remote_code else ""
    tokenizer = f"tokenizer = AutoTokenizer.from_pretrained(run{trust})"
    if card.method == "full":
        names = sorted((card.recipe.auto_class, "AutoTokenizer"))
        return [
            "import torch",
            f"from transformers import {', '.join(names)}",
            "",
            _named("run", name, is_folder=is_folder),
            tokenizer,
            f"model = {card.recipe.auto_class}.from_pretrained(run{trust}).eval()",
        ]
    imports = "EncoderDecoderModel" if card.base.decoder is not None else card.recipe.auto_class
    configs = [] if card.base.decoder is not None else ["AutoConfig"]
    # How it searches is the run's; its base brings settings of its own.
    search = "model.generation_config = GenerationConfig.from_pretrained(run)"
    writes = card.recipe.writes
    names = sorted([imports, "AutoTokenizer", *configs, *(["GenerationConfig"] * writes)])
    is_built_in = card.base.on_hub is None and card.base.name.startswith(_BUILT_IN)
    return [
        *(["from importlib.resources import files", ""] if is_built_in else []),
        "import torch",
        "from peft import PeftModel",
        f"from transformers import {', '.join(names)}",
        "",
        _named("run", name, is_folder=is_folder),
        *_base_lines(card.base),
        tokenizer,
        *_base_model(card, trust),
        *([search] * writes),
        "model = PeftModel.from_pretrained(model, run).eval()",
    ]


def _base_lines(base: Base) -> list[str]:
    if base.on_hub is None and base.name.startswith(_BUILT_IN):
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
        return [*note, "model = EncoderDecoderModel.from_encoder_decoder_pretrained(base, decoder)"]
    revision = f", revision={literal(card.base.revision)}" if card.base.on_hub and card.base.revision else ""
    lines = [f"config = AutoConfig.from_pretrained(run{trust})  # it knows the labels and the sizes"]
    if recipe.resizes_embeddings:
        known = f"AutoConfig.from_pretrained(base{revision}{trust}).get_text_config().vocab_size"
        lines.append(f"config.get_text_config().vocab_size = {known}")
    arguments = f'config=config, dtype="float32"{revision}{trust}'
    lines.append(f"model = {recipe.auto_class}.from_pretrained(base, {arguments})")
    if recipe.resizes_embeddings:
        lines.append("model.resize_token_embeddings(len(tokenizer))  # rows for the tokens that were added")
    return [*note, *lines]


# --- predicting ---------------------------------------------------------------------------------------------


def _classify(card: Card, name: str, is_folder: bool) -> list[str]:
    return (_classify_by_pipeline if card.method == "full" else _classify_by_peft)(card, name, is_folder)


def _texts(card: Card) -> tuple[str, str | None]:
    """Returns the text that the code predicts, as a literal, and the second of a pair."""
    example = card.example
    text = PLACEHOLDER if example is None else example.text
    if not card.reads_pairs:
        return literal(text), None
    return literal(text), literal((example and example.text_pair) or PLACEHOLDER)


def _cut(card: Card) -> str:
    return "" if card.recipe.max_length is None else f", truncation=True, max_length={card.recipe.max_length}"


def _classify_by_pipeline(card: Card, name: str, is_folder: bool) -> list[str]:
    text, pair = _texts(card)
    joint = card.recipe.pair_joint
    given = text
    if pair is not None:
        given = f'{{"text": {text}, "text_pair": {pair}}}' if joint is None else f"{text} + {literal(joint)} + {pair}"
    trust = ", trust_remote_code=True" if card.recipe.trust_remote_code else ""
    lines = [
        "from transformers import pipeline",
        "",
        _named("run", name, is_folder=is_folder),
        f'classify = pipeline("text-classification", model=run{_cut(card)}{trust})',
    ]
    if card.problem_type == "multi_label_classification":
        return [
            *lines,
            f"scores = classify([{given}], top_k=None)[0]",
            'print([row["label"] for row in scores if row["score"] >= 0.5])',
        ]
    return [*lines, f"print(classify([{given}])[0])"]


def _classify_by_peft(card: Card, name: str, is_folder: bool) -> list[str]:
    text, pair = _texts(card)
    joint = card.recipe.pair_joint
    given = text if pair is None else f"{text}, {pair}" if joint is None else f"{text} + {literal(joint)} + {pair}"
    answer = {
        "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
        "regression": "logits.item()",
    }.get(card.problem_type, "model.config.id2label[logits.argmax().item()]")
    return [
        *_load(card, name, is_folder),
        "",
        f'inputs = tokenizer({given}{_cut(card)}, return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({answer})",
    ]


def _see(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns the lines that open an image and label it."""
    photo = literal("photo.jpg" if card.example is None else card.example.text)
    trust = ", trust_remote_code=True" if card.recipe.trust_remote_code else ""
    processor = f'AutoImageProcessor.from_pretrained(run, backend="pil"{trust})'
    if card.method == "full" and card.problem_type == "single_label_classification":
        return [
            "from transformers import AutoImageProcessor, pipeline",
            "",
            _named("run", name, is_folder=is_folder),
            f"processor = {processor}",
            f'classify = pipeline("image-classification", model=run, image_processor=processor{trust})',
            f"print(classify({photo})[0])",
        ]
    answer = {
        "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
        "regression": "logits.item()",
    }.get(card.problem_type, "model.config.id2label[logits.argmax().item()]")
    load = [
        f"processor = {processor}"
        if line.startswith("tokenizer = ")
        else line.replace("AutoTokenizer", "AutoImageProcessor")
        for line in _load(card, name, is_folder)
    ]
    place = load.index("")
    return [
        *load[:place],
        "from transformers.image_utils import load_image",
        *load[place:],
        "",
        f'inputs = processor(load_image({photo}), return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({answer})",
    ]


def _hear(card: Card, name: str, is_folder: bool) -> list[str]:
    """Returns the lines that read a recording and label it; transformers' pipeline alone would ask for FFmpeg."""
    load = [
        line.replace("AutoTokenizer", "AutoFeatureExtractor").replace("tokenizer", "extractor")
        for line in _load(card, name, is_folder)
    ]
    answer = {
        "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
        "regression": "logits.item()",
    }.get(card.problem_type, "model.config.id2label[logits.argmax().item()]")
    recording = "recording.wav" if card.example is None else card.example.text
    place = load.index("")
    return [
        *load[:place],
        "from transformers.audio_utils import load_audio",
        *load[place:],
        "",
        "rate = extractor.sampling_rate",
        f'samples = load_audio({literal(recording)}, sampling_rate=rate, backend="soundfile")  # needs soxr, too',
        'inputs = extractor(samples, sampling_rate=rate, return_tensors="pt")',
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({answer})",
    ]


def _tag(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe, example = card.recipe, card.example
    words = (example and example.words) or PLACEHOLDER.rstrip(".").split()
    word = f"{literal(recipe.space)} + word" if recipe.space else "word"
    first = recipe.label_piece == "first"
    place = "len(ids)" if first else "len(ids) - 1"
    positions = f"    positions.append({place})  # a word's tag is read at its {recipe.label_piece} piece"
    pieces = f'    ids += tokenizer({word}, add_special_tokens=False)["input_ids"]'
    # Virtual tokens stand first.
    real = ".logits[0, -len(ids) :]" if recipe.num_virtual_tokens else ".logits[0]"
    return [
        *_load(card, name, is_folder),
        "",
        f"words = [{', '.join(map(literal, words))}]",
        f"ids, positions = [{_tokens(recipe.tokens_before)}], []",
        "for word in words:",
        *([positions, pieces] if first else [pieces, positions]),
        *([f"ids += [{_tokens(recipe.tokens_after)}]"] if recipe.tokens_after else []),
        "with torch.inference_mode():",
        f"    logits = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids))){real}",
        "print([model.config.id2label[tag] for tag in logits[positions].argmax(-1).tolist()])",
    ]


def _tokens(tokens: Sequence[TokenName | int]) -> str:
    return ", ".join(str(token) if isinstance(token, int) else f"tokenizer.{token}" for token in tokens)


def _write(card: Card, name: str, is_folder: bool) -> list[str]:
    recipe, (text, _) = card.recipe, _texts(card)
    is_decoder = recipe.auto_class == "AutoModelForCausalLM"
    parts = [literal(recipe.before)] * bool(recipe.before) + [text] + [literal(recipe.after)] * bool(recipe.after)
    cut = "" if is_decoder else _cut(card)
    special = ", add_special_tokens=False" if recipe.is_chat else ""
    lines = _load(card, name, is_folder)
    decoder = "tokenizer"
    if recipe.has_target_tokenizer:
        decoder = "writer"
        lines.append('writer = AutoTokenizer.from_pretrained(run, subfolder="target_tokenizer")')
    ids = 'written[0, inputs["input_ids"].shape[1] :]' if is_decoder else "written[0]"
    return [
        *lines,
        "",
        f'inputs = tokenizer({" + ".join(parts)}{special}{cut}, return_token_type_ids=False, return_tensors="pt")',
        *(["inputs = {name: ids[:, :-1] for name, ids in inputs.items()}  # a prompt goes on"] * recipe.drops_end),
        "with torch.inference_mode():",
        "    written = model.generate(**inputs)",
        f"print({decoder}.decode({ids}, skip_special_tokens=True).strip())",
    ]
