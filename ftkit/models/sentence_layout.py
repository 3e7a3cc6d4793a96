"""How a checkpoint turns a text into one vector, in the files of sentence-transformers: modules.json and the others.

modules.json                        which modules there are, in order
sentence_bert_config.json           how many tokens are read
1_Pooling/config.json               how the tokens' vectors become one
2_Normalize                         whether its length is made 1
config_sentence_transformers.json   prompts, and how vectors are compared
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ftkit.data.files import atomic_write_json
from ftkit.errors import CheckpointError, name_list
from ftkit.json_file import read_json
from ftkit.models.spec import CheckpointSpec

Pooling = Literal["mean", "cls", "max", "last"]
"""Of the tokens' vectors: their mean, that of the first one, the largest of each dimension, that of the last one."""

MODULES_FILE, TOKENS_FILE = "modules.json", "sentence_bert_config.json"
POOLING_FOLDER, NORMALIZE_FOLDER, PROMPTS_FILE = "1_Pooling", "2_Normalize", "config_sentence_transformers.json"

# Their name of a pooling -> ours. Releases before 6 have a switch for each, later ones one key.
_MODES: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "max": "max", "lasttoken": "last"}
_SWITCHES: Mapping[str, str] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
_QUERY, _DOCUMENT = ("query",), ("document", "passage", "corpus")


@dataclass(frozen=True)
class SentenceLayout:
    """How a text becomes a vector.

    Attributes:
        pooling: how the tokens' vectors become one; None: the checkpoint does not say it.
        normalize: whether its length is made 1.
        max_length: tokens that are read; None: the checkpoint does not say it.
        prompts: what stands before a text, by role, `text` or `text_pair`.
        similarity: what the authors compare vectors by, such as cosine.
    """

    pooling: Pooling | None = None
    normalize: bool = False
    max_length: int | None = None
    prompts: Mapping[str, str] = field(default_factory=dict)
    similarity: str = "cosine"


def read_layout(spec: CheckpointSpec) -> SentenceLayout:
    """Reads the files of sentence-transformers beside a checkpoint; of one without any, an empty layout.

    Raises:
        CheckpointError: it has modules that are not computed here, or a file that cannot be read.
    """
    modules = _read(spec, MODULES_FILE)
    if modules is None:
        return SentenceLayout()
    paths = _module_paths(modules, spec)
    layout = SentenceLayout(normalize="Normalize" in paths, max_length=_max_length(spec, paths["Transformer"]))
    if "Pooling" in paths:
        layout = dataclasses.replace(layout, pooling=_pooling(spec, paths["Pooling"]))
    return _with_prompts(layout, _read(spec, PROMPTS_FILE) or {})


def _module_paths(modules: Any, spec: CheckpointSpec) -> dict[str, str]:
    """Returns the name of each module's class -> its folder."""
    try:
        paths = {str(one["type"]).rpartition(".")[2]: str(one["path"]) for one in modules}
    except (TypeError, KeyError):
        raise _unreadable(spec, MODULES_FILE) from None
    others = [name for name in paths if name not in ("Transformer", "Pooling", "Normalize")]
    if others or "Transformer" not in paths:
        raise CheckpointError(
            f"model.checkpoint: {MODULES_FILE} of {spec.name!r} names modules that ftkit does not compute: "
            f"{name_list(others or paths)}. It computes a Transformer, a Pooling of its tokens and a Normalize. "
            "Choose another checkpoint."
        )
    return paths


def _max_length(spec: CheckpointSpec, folder: str) -> int | None:
    found = (_read(spec, _inside(folder, TOKENS_FILE)) or {}).get("max_seq_length")
    return found if type(found) is int and found > 1 else None


def _pooling(spec: CheckpointSpec, folder: str) -> Pooling:
    file = _inside(folder, "config.json")
    config = _read(spec, file)
    if not isinstance(config, Mapping):
        raise _unreadable(spec, file)
    stated = config.get("pooling_mode", [mode for key, mode in _SWITCHES.items() if config.get(key)] or "mean")
    modes = [stated] if isinstance(stated, str) else list(stated)
    if len(modes) != 1 or modes[0] not in _MODES:
        raise CheckpointError(
            f"model.checkpoint: {file} of {spec.name!r} pools by {name_list(modes)}; ftkit computes one of "
            f"{name_list(_MODES)}. Choose another checkpoint, or say data.pooling, which trains it to another one."
        )
    if config.get("include_prompt") is False:
        raise CheckpointError(
            f"model.checkpoint: {file} of {spec.name!r} leaves prompts out of the pooled tokens, which ftkit does not "
            "compute. Choose another checkpoint."
        )
    return _MODES[modes[0]]


def _with_prompts(layout: SentenceLayout, config: Any) -> SentenceLayout:
    prompts = config.get("prompts") if isinstance(config, Mapping) else None
    prompts = {name: text for name, text in (prompts or {}).items() if isinstance(text, str)}
    default = prompts.get(config.get("default_prompt_name") or "", "") if isinstance(config, Mapping) else ""
    found = {
        role: next((prompts[name] for name in names if prompts.get(name)), default)
        for role, names in (("text", _QUERY), ("text_pair", _DOCUMENT))
    }
    similarity = config.get("similarity_fn_name") if isinstance(config, Mapping) else None
    return dataclasses.replace(
        layout,
        prompts={role: text for role, text in found.items() if text},
        similarity=similarity if isinstance(similarity, str) else "cosine",
    )


def write_layout(layout: SentenceLayout, folder: Path, *, dimension: int) -> None:
    """Writes the files beside a model, so that sentence-transformers opens the folder.

    Args:
        dimension: of a vector.
    """
    modules = [("", "Transformer"), (POOLING_FOLDER, "Pooling")]
    modules += [(NORMALIZE_FOLDER, "Normalize")] if layout.normalize else []
    listed = [
        {"idx": place, "name": str(place), "path": path, "type": f"sentence_transformers.models.{name}"}
        for place, (path, name) in enumerate(modules)
    ]
    (folder / POOLING_FOLDER).mkdir(exist_ok=True)
    atomic_write_json(folder / MODULES_FILE, listed)
    atomic_write_json(folder / TOKENS_FILE, {"max_seq_length": layout.max_length, "do_lower_case": False})
    switches = {key: _MODES.get(mode) == layout.pooling for key, mode in _SWITCHES.items()}
    atomic_write_json(folder / POOLING_FOLDER / "config.json", {"word_embedding_dimension": dimension, **switches})
    text, text_pair = layout.prompts.get("text", ""), layout.prompts.get("text_pair", "")
    prompts = {"query": text, "document": text_pair}
    if text and text == text_pair:  # then it stands before every text, also where nobody says which one it is
        prompts["both"] = text
    atomic_write_json(
        folder / PROMPTS_FILE,
        {
            "prompts": prompts,
            "default_prompt_name": "both" if "both" in prompts else None,
            "similarity_fn_name": "cosine",
        },
    )


def _inside(folder: str, file: str) -> str:
    return f"{folder}/{file}" if folder else file


def _read(spec: CheckpointSpec, name: str) -> Any:
    """Returns what a file beside a checkpoint holds; None where there is none.

    Raises:
        CheckpointError: it cannot be read.
    """
    path = _path(spec, name)
    if path is None:
        return None
    try:
        return read_json(path)
    except (OSError, ValueError):
        raise _unreadable(spec, name) from None


def _path(spec: CheckpointSpec, name: str) -> Path | None:
    place = Path(spec.processor_path or spec.path)
    if place.is_dir():
        return place / name if (place / name).is_file() else None
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(
            hf_hub_download(spec.path, name, revision=spec.loading_arguments["revision"], library_name="ftkit")
        )
    except EntryNotFoundError:  # also where the Hub cannot be asked, and the cache does not have it
        return None


def _unreadable(spec: CheckpointSpec, name: str) -> CheckpointError:
    return CheckpointError(
        f"model.checkpoint: {name} of {spec.name!r} cannot be read, and says how its vectors are made. Copy the "
        "checkpoint again."
    )
