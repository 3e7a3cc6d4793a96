"""What a checkpoint is, from its config file alone: no weights are read to decide whether a run is possible."""

from __future__ import annotations

import dataclasses
import importlib.resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError, did_you_mean, name_list
from ftkit.foreign_code import TRUST_IN_CONFIG, check_adapter_config, check_model_config
from ftkit.json_file import read_json
from ftkit.models import encoder_decoder
from ftkit.models.generation import KEPT_SETTINGS
from ftkit.models.modality import DUAL_ENCODERS, modality_of
from ftkit.models.repository import Repository, commit_of, file_names, with_revision
from ftkit.models.spec import Attention, CheckpointSpec, ModelSpec
from ftkit.models.visual_answers import is_answering_blip
from ftkit.paths import user_path
from ftkit.types import Family

if TYPE_CHECKING:
    from transformers import PretrainedConfig

BUILT_IN = "ftkit:"

# Their position ids start at pad_token_id + 1, so that many rows of the position table are never reached.
OFFSET_POSITIONS = (
    *("roberta", "xlm-roberta", "camembert", "longformer", "roberta-prelayernorm", "data2vec-text", "xlm-roberta-xl"),
    *("xmod", "ibert", "luke", "mpnet", "esm", "lilt", "layoutlmv3", "markuplm"),
)


def inspect_checkpoint(
    model: ModelSpec, *, needs_weights: bool = True, trust_key: str = TRUST_IN_CONFIG
) -> CheckpointSpec:
    """Reads a checkpoint's config file and finds its family.

    Args:
        needs_weights: False for a folder that holds a model in another form.
        trust_key: what the user says to let code of the checkpoint run.

    Raises:
        CheckpointError: there is no such checkpoint, it holds no safetensors weights, or its family is unknown.
    """
    if model.decoder is not None:
        return _joined(model, model.decoder, trust_key)
    checkpoint, revision = with_revision(model.checkpoint, model.revision)
    model = model.model_copy(update={"checkpoint": checkpoint, "revision": revision})
    path = resolve_path(model.checkpoint)
    commit = None if Path(path).is_dir() else commit_of(Repository(path, revision))
    config = _read_config(model, path, commit or revision or "main", trust_key)
    if needs_weights and Path(path).is_dir():
        check_weights(Path(path))
    elif needs_weights:
        _check_weights_on_hub(Repository(path, commit or revision))
    try:
        return _spec(model, path, commit, config, trust_key)
    except (TypeError, ValueError, AttributeError, KeyError) as error:
        raise CheckpointError(
            f"model.checkpoint: config.json of {model.checkpoint!r} has a value that no model has: {error}. Copy the "
            "checkpoint again."
        ) from None


def _spec(model: ModelSpec, path: str, commit: str | None, config: PretrainedConfig, trust_key: str) -> CheckpointSpec:
    family, (reads, writes) = family_of(config), encoder_decoder.sides(config)
    return CheckpointSpec(
        name=model.checkpoint,
        path=path,
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        family=family,
        model_type=config.model_type,
        max_positions=_max_positions(reads),
        vocab_size=getattr(reads, "vocab_size", 0),
        reads=modality_of(config),
        architectures=tuple(config.architectures or ()),
        attention=_attention(model, config),
        decoder_start_token_id=getattr(config, "decoder_start_token_id", None),
        max_target_positions=_max_target_positions(writes) if family == "encoder-decoder" else None,
        prefixes=_prefixes(config),
        searches=_searches(config),
        add_tokens=model.add_tokens or (),
        trust_key=trust_key,
        commit=commit,
    )


def _joined(model: ModelSpec, decoder: str, trust_key: str) -> CheckpointSpec:
    """Returns an encoder and a decoder as one checkpoint of family encoder-decoder."""
    if model.add_tokens:
        raise CheckpointError("model.add_tokens: tokens cannot be added to two joined checkpoints. Leave the key out.")
    reads = inspect_checkpoint(model.model_copy(update={"decoder": None}), trust_key=trust_key)
    writes = inspect_checkpoint(
        ModelSpec(checkpoint=decoder, trust_remote_code=model.trust_remote_code)
        if decoder != model.checkpoint
        else model.model_copy(update={"decoder": None}),
        trust_key=trust_key,
    )
    encoder_decoder.check_can_be_joined(reads, writes)
    return dataclasses.replace(
        reads,
        family="encoder-decoder",
        model_type=encoder_decoder.joined_type(reads),
        max_target_positions=writes.max_positions,
        decoder=writes,
    )


def _prefixes(config: PretrainedConfig) -> dict[str, str]:
    tasks = getattr(config, "task_specific_params", None) or {}
    return {name: str(values["prefix"]) for name, values in tasks.items() if values.get("prefix")}


def _searches(config: PretrainedConfig) -> dict[str, dict[str, Any]]:
    tasks = getattr(config, "task_specific_params", None) or {}
    return {name: {key: values[key] for key in KEPT_SETTINGS if key in values} for name, values in tasks.items()}


def _attention(model: ModelSpec, config: PretrainedConfig) -> Attention:
    """Returns how the checkpoint is to read; transformers reads `is_causal` from its config.

    Raises:
        CheckpointError: the user declared it for a checkpoint that is no decoder.
    """
    family = family_of(config)
    if family != "decoder":
        if model.attention is not None:
            raise CheckpointError(
                f"model.attention: {model.checkpoint!r} is of family {family}, whose encoder reads both directions "
                "anyway; the key is for decoders. Leave it out."
            )
        return "bidirectional"
    is_causal = getattr(config.get_text_config(), "is_causal", True)
    return model.attention or ("causal" if is_causal else "bidirectional")


def resolve_path(checkpoint: str) -> str:
    """Returns the folder of a built-in or local checkpoint, or the Hub id unchanged.

    Raises:
        CheckpointError: it names a folder, and there is none.
    """
    if checkpoint.startswith(BUILT_IN):
        name = checkpoint.removeprefix(BUILT_IN)
        folder = Path(str(importlib.resources.files("ftkit"))) / "demo"
        known = sorted(entry.parent.name for entry in folder.glob("*/config.json"))
        if name not in known:
            raise CheckpointError(f"No built-in checkpoint {checkpoint!r}; there is {name_list(known)}.")
        return str(folder / name)
    path = user_path(checkpoint, "model.checkpoint")
    if path.is_dir():
        return str(path)
    if path.is_file():
        raise CheckpointError(f"model.checkpoint: {checkpoint!r} is a file; name the folder that holds config.json.")
    looks_local = checkpoint.startswith((".", "/", "~")) or checkpoint.count("/") > 1 or "\\" in checkpoint
    if looks_local:
        siblings = [entry.name for entry in path.absolute().parent.glob("*/")]
        raise CheckpointError(
            f"model.checkpoint: no folder {checkpoint!r} (looked at {path.absolute()})."
            f"{did_you_mean(path.name, siblings)}"
        )
    return checkpoint


def _read_config(model: ModelSpec, path: str, revision: str, trust_key: str) -> PretrainedConfig:
    from transformers import AutoConfig

    if Path(path).is_dir() and not (Path(path) / "config.json").is_file():
        raise CheckpointError(
            f"model.checkpoint: {model.checkpoint!r} holds no config.json, so it is not a transformers checkpoint. "
            "Name the folder that save_pretrained wrote."
        )
    _check_adapter_beside(path, revision)
    try:
        config = AutoConfig.from_pretrained(path, revision=revision, trust_remote_code=model.trust_remote_code)
    except Exception as error:  # transformers checks values by errors of many kinds
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        remedy = "Check the spelling, the network, and (for a gated repository) the HF_TOKEN environment variable."
        if Path(path).is_dir():
            remedy = "Check its config.json, or copy the checkpoint again."
        if "trust_remote_code" in str(error):
            raise _asks_for_code("config.json", model.checkpoint, trust_key) from None
        if backbone := _named_backbone(path, revision):
            raise timm_needed(model.checkpoint, f"{backbone!r}, ") from None
        about = f"model.checkpoint: {_no_folder(path)}cannot read {model.checkpoint!r}"
        raise CheckpointError(f"{about}: {reason} {remedy}") from None
    if not model.trust_remote_code:
        check_model_config(config, model.checkpoint, trust_key)
    return config


def _named_backbone(path: str, revision: str) -> str | None:
    """Returns the backbone that a config.json names instead of saying what it is, as models of timm are named."""
    from transformers import PretrainedConfig

    try:
        # The file has just been asked for: where it could not be fetched, it is not asked for again.
        config: Any = PretrainedConfig.get_config_dict(path, revision=revision, local_files_only=True)[0]
    except Exception:  # whatever else is wrong with the file is told by the caller
        return None
    if not isinstance(config, dict) or config.get("backbone_config"):
        return None
    return config.get("backbone")


def timm_needed(name: str, backbone: str = "", instead: str = "a checkpoint with another backbone") -> CheckpointError:
    """Returns the refusal of a checkpoint whose backbone is a model of timm, which need not be installed.

    Args:
        backbone: its name and a comma, where it is known.
        instead: what to start from.
    """
    return CheckpointError(
        f"model.checkpoint: the backbone of {name!r} is {backbone}a model of the package timm, and ftkit loads those "
        f"of transformers alone: config.json has to say backbone_config.\nFix: start from {instead}."
    )


def _no_folder(path: str) -> str:
    """Returns what to say first of a Hub id that could be a folder: `bases/bert`, where `bases` is one."""
    folder = Path(path).parent
    if Path(path).is_dir() or not folder.is_dir() or str(folder) == ".":
        return ""
    near = did_you_mean(path, map(str, folder.iterdir()))
    return f"no folder {path!r} (looked at {Path(path).absolute()}).{near} As a repository on the Hub: "


def _asks_for_code(file: str, checkpoint: str, trust_key: str) -> CheckpointError:
    return CheckpointError(
        f"model.checkpoint: {file} of {checkpoint!r} (auto_map) asks for the checkpoint's own Python code, which was "
        f"not run.\nFix: read that code; if you trust its authors, say {trust_key}."
    )


def _check_adapter_beside(path: str, revision: str) -> None:
    """Refuses a checkpoint with an adapter beside it that asks for code: transformers would attach it unasked.

    Raises:
        CheckpointError: it asks for code, or its weights are pickled.
    """
    from transformers.utils import find_adapter_config_file

    try:
        found = find_adapter_config_file(path, revision=revision)
    except OSError:  # no name that the Hub has: whoever reads its config tells so
        return
    if found is None:
        return
    check_adapter_config(Path(found))
    folder = Path(found).parent
    if (folder / "adapter_model.bin").is_file() and not (folder / "adapter_model.safetensors").is_file():
        raise CheckpointError(f"{folder}: adapter_model.bin is pickled, which can run code when opened. Remove it.")


def check_weights(folder: Path) -> None:
    """Refuses a local folder without complete safetensors weights.

    Raises:
        CheckpointError: naming what is missing and how to get it.
    """
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            shards = set(read_json(index)["weight_map"].values())
        except (ValueError, KeyError, TypeError, AttributeError):
            raise CheckpointError(f"{index} is damaged: it names no shards. Copy the checkpoint again.") from None
        missing = sorted(shard for shard in shards if not (folder / shard).is_file())
        if missing:
            raise CheckpointError(f"{folder}: the weights are incomplete; missing {name_list(missing)}.")
        return
    if (folder / "model.safetensors").is_file():
        return
    if (folder / "adapter_config.json").is_file():
        raise CheckpointError(_only_an_adapter(str(folder), "this folder"))
    if any(folder.glob("pytorch_model*.bin")):
        raise CheckpointError(
            f"{folder}: the weights are pickled (pytorch_model.bin), which can run code when opened. Convert them "
            "once with transformers, in a place you trust: AutoModel.from_pretrained(folder).save_pretrained(folder)."
        )
    raise CheckpointError(
        f"{folder}: there is a config.json but no model.safetensors, so there are no weights to start from. "
        "Copy the whole checkpoint folder."
    )


def check_weights_are_whole(spec: CheckpointSpec) -> None:
    """Refuses a local checkpoint whose files of weights are cut short or damaged, as far as their headers tell.

    Raises:
        CheckpointError: naming the file.
    """
    folders = [Path(part.path) for part in (spec, spec.decoder) if part is not None]
    for path in (path for folder in folders for path in sorted(folder.glob("model*.safetensors"))):
        _check_is_whole(path)


def _check_is_whole(path: Path) -> None:
    """Refuses a safetensors file whose header is damaged, or does not fit its length; no weight is read.

    Raises:
        CheckpointError: the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass
    except (OSError, SafetensorError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise CheckpointError(
            f"model.checkpoint: {path} is damaged ({reason}). Check that it is complete, or copy it again."
        ) from None


def _check_weights_on_hub(repository: Repository) -> None:
    """Refuses a repository that holds only an adapter: transformers would load its base with the adapter on it.

    Raises:
        CheckpointError: it holds no weights to start from. Nothing is said where the Hub cannot be asked.
    """
    names = file_names(repository)
    if names is None or any(name.endswith(".safetensors") and name.startswith("model") for name in names):
        return
    if "adapter_config.json" in names:
        raise CheckpointError(_only_an_adapter(str(repository), "this repository"))
    if any(name.startswith("pytorch_model") for name in names):
        raise CheckpointError(
            f"model.checkpoint: the weights of {repository} are pickled (pytorch_model.bin), which can run code when "
            "opened. Take a repository or revision with model.safetensors: the Hub's own conversion is often at "
            "the revision refs/pr/1."
        )


def _only_an_adapter(where: str, this: str) -> str:
    return (
        f"{where} holds a trained adapter, whose weights are a change of another checkpoint's. Name that one as "
        f"model.checkpoint and {this} as model.adapter; or merge both first: ftkit merge {where} OUT."
    )


def family_of(config: PretrainedConfig) -> Family:
    """Returns how a checkpoint of this config reads and writes.

    Raises:
        CheckpointError: it is of no sort that ftkit knows.
    """
    from transformers.models.auto import modeling_auto

    if config.is_encoder_decoder or is_answering_blip(config):
        return "encoder-decoder"
    if config.model_type in DUAL_ENCODERS:
        return "dual-encoder"
    if modality_of(config) in ("audio", "image"):
        return "encoder"
    if config.model_type in modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return "encoder"
    if config.model_type in modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return "decoder"
    if config.model_type in modeling_auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES:
        return "encoder-decoder"  # the encoder of a T5 alone, as its token classifier is saved
    if config.model_type in modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return "decoder"
    if modality_of(config) == "text":
        return "encoder"  # of no language model, such as CANINE
    raise CheckpointError(
        f"model.checkpoint: a {config.model_type!r} checkpoint is not a text model that ftkit knows. "
        "Known are encoders (BERT, RoBERTa ...), decoders (GPT-2, Llama ...) and encoder-decoders (T5, BART ...)."
    )


def _max_target_positions(config: PretrainedConfig) -> int | None:
    """Returns how many tokens can be written; models that hear have a table of other positions for what they read."""
    return getattr(config, "max_target_positions", None) or _max_positions(config)


def _max_positions(config: PretrainedConfig) -> int | None:
    """Returns how many tokens the position table holds; None for models without one."""
    positions = getattr(config, "max_position_embeddings", None)
    if not isinstance(positions, int) or positions <= 0:
        return None
    if config.model_type in OFFSET_POSITIONS:
        return positions - (config.pad_token_id or 0) - 1
    return positions
