"""What a decoder of speech reads before it writes: Whisper is told a language and a task by tokens.

| checkpoint | decoder reads first | is to write |
|---|---|---|
| Whisper, English only | `<|startoftranscript|><|notimestamps|>` | ` Seven<|endoftext|>` |
| Whisper, multilingual | `<|startoftranscript|><|de|><|transcribe|><|notimestamps|>` | ` Sieben<|endoftext|>` |
| Speech2Text, multilingual | `</s><lang:de>` | `sieben</s>` |
| Speech2Text, Moonshine, joined checkpoints | its start token | `seven</s>` |

The same tokens are read in training and in prediction: they are made of `generation_config.json`, as `generate` makes
them, and never of `forced_decoder_ids`. What is told bears no loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ftkit.errors import CheckpointError, ConfigError, did_you_mean, name_list
from ftkit.models.spec import CheckpointSpec

SpeechTask = Literal["transcribe", "translate"]

# Whisper writes them without a space before the first word, as its own tokenizer splits them.
_UNSPACED = ("zh", "ja", "th", "lo", "my", "yue")


@dataclass(frozen=True)
class DecoderPrompt:
    """What a decoder is told before it writes.

    Attributes:
        ids: the tokens that it reads first; at least the start token.
        generation: what the generation config has to say for `generate` to tell it the same.
        before: what a transcript begins with, as the checkpoint writes it: Whisper begins with a space.
        is_returned: whether `generate` returns the start token before what was written.
    """

    ids: tuple[int, ...]
    generation: Mapping[str, Any]
    before: str = ""
    is_returned: bool = True


def decoder_prompt(
    spec: CheckpointSpec,
    stated: Any,
    *,
    language: str | None,
    task: SpeechTask | None,
    codes: Mapping[str, int] | None = None,
) -> DecoderPrompt:
    """Returns what the decoder of a checkpoint is told.

    Args:
        stated: the checkpoint's own `transformers.GenerationConfig`; Whisper's has attributes that others lack.
        language: as the user wrote it: `de`, `german` or `<|de|>`.
        task: what is to be written: what is said, or its English translation; None: what is said.
        codes: tokens of languages that the tokenizer has by itself: a multilingual Speech2Text writes in one of them.

    Raises:
        ConfigError: a language that is missing, unknown, or of no use.
        CheckpointError: nothing says what the decoder reads first.
    """
    start = stated.decoder_start_token_id
    start = spec.decoder_start_token_id if start is None else start
    if start is None:
        raise CheckpointError(
            f"model.checkpoint: {spec.name!r} does not say what its decoder reads first. "
            "Set decoder_start_token_id in its generation_config.json."
        )
    if codes and spec.model_type == "speech_to_text":
        _refuse_language(spec, None, task, "is told a language, and no task")
        code_id = int(codes[_language_code(spec, tuple(codes), language)])
        ids = (int(start), code_id)
        return DecoderPrompt(ids, {"decoder_start_token_id": int(start), "forced_bos_token_id": code_id})
    if spec.model_type != "whisper":
        _refuse_language(spec, language, task, "is told no language")
        return DecoderPrompt((int(start),), {"decoder_start_token_id": int(start)})
    told: dict[str, Any] = {"decoder_start_token_id": int(start), "forced_decoder_ids": None}
    quiet = getattr(stated, "no_timestamps_token_id", None)
    without_times = () if quiet is None else (int(quiet),)
    if not getattr(stated, "lang_to_id", None) or getattr(stated, "is_multilingual", True) is False:
        _refuse_language(spec, language, task, "hears English alone")
        return DecoderPrompt((int(start), *without_times), told, before=" ", is_returned=False)
    code = _language_code(spec, [token.removeprefix("<|").removesuffix("|>") for token in stated.lang_to_id], language)
    task = task or "transcribe"
    ids = (int(start), stated.lang_to_id[f"<|{code}|>"], stated.task_to_id[task], *without_times)
    before = "" if code in _UNSPACED and task == "transcribe" else " "
    return DecoderPrompt(ids, {**told, "language": code, "task": task}, before=before, is_returned=False)


def _refuse_language(spec: CheckpointSpec, language: str | None, task: str | None, why: str) -> None:
    for key, value in (("language", language), ("speech_task", task)):
        if value is not None:
            raise ConfigError(f"data.{key}: {spec.name!r} {why}, got {value!r}. Leave the key out.")


def _language_code(spec: CheckpointSpec, known: Sequence[str], language: str | None) -> str:
    """Returns the code of a language, one of those that the checkpoint knows.

    Raises:
        ConfigError: none is named, or one that the checkpoint does not know.
    """
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    if language is None:
        raise ConfigError(
            f"data.language: {spec.name!r} is told one of {len(known)} languages; say which: "
            f"{name_list(known, limit=12)}."
        )
    wanted = language.lower().removeprefix("<|").removesuffix("|>")
    code = TO_LANGUAGE_CODE.get(wanted, wanted)
    if code not in known:
        names = [*known, *(name for name, of_name in TO_LANGUAGE_CODE.items() if of_name in known)]
        raise ConfigError(
            f"data.language: {spec.name!r} knows no language {language!r}.{did_you_mean(wanted, names)} "
            f"It knows {name_list(known, limit=12)}."
        )
    return code
