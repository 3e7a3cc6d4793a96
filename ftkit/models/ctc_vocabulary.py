"""The characters that a CTC model writes: a vocabulary made of transcripts, or a checkpoint's own."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.errors import CheckpointError, DataError
from ftkit.models.spec import CheckpointSpec
from ftkit.models.tokenizers import load_tokenizer

if TYPE_CHECKING:
    from transformers import Wav2Vec2CTCTokenizer

BLANK, UNKNOWN, SPACE = "<pad>", "<unk>", "|"
"""What stands for no character, for one that is not in the vocabulary, and for the space between words."""


def characters_of(transcripts: Iterable[str]) -> list[str]:
    """Returns the characters of transcripts, sorted; spaces have a token of their own.

    Example: "no", "so on" have n, o, s.

    Raises:
        DataError: there are none, or one is the token of the space.
    """
    found = sorted({character for text in transcripts for character in text} - {" "})
    if not found:
        raise DataError("train: the transcripts hold no characters to make a vocabulary of. Write what is said.")
    if SPACE in found:
        raise DataError(
            f"train: transcripts hold {SPACE!r}, which stands for the space in a CTC vocabulary.\n"
            "Fix: data.target_form: basic, which leaves out what is not spoken; or take it out of the transcripts."
        )
    return found


def ctc_tokenizer(characters: Sequence[str]) -> Wav2Vec2CTCTokenizer:
    """Returns transformers' tokenizer for a vocabulary; padding is the blank, and comes first.

    Example: n, o, s give <pad> 0, <unk> 1, | 2, n 3, o 4, s 5. No token begins or ends a transcript.
    """
    from transformers import Wav2Vec2CTCTokenizer

    vocabulary = {token: index for index, token in enumerate((BLANK, UNKNOWN, SPACE, *characters))}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "vocab.json"
        file.write_text(json.dumps(vocabulary), encoding="utf-8")
        return Wav2Vec2CTCTokenizer(
            str(file), unk_token=UNKNOWN, pad_token=BLANK, word_delimiter_token=SPACE, bos_token=None, eos_token=None
        )


def own_tokenizer(spec: CheckpointSpec) -> Any | None:
    """Returns the tokenizer of a checkpoint that was trained by CTC; None where it has none, as after pretraining.

    Raises:
        CheckpointError: it was trained by CTC, and its tokenizer is missing or of another sort.
    """
    if not any(name.endswith("ForCTC") for name in spec.architectures):
        return None
    tokenizer: Any = load_tokenizer(spec)
    if tokenizer.pad_token_id is None or not hasattr(tokenizer, "word_delimiter_token"):
        raise CheckpointError(
            f"model.checkpoint: the tokenizer of {spec.name!r} is a {type(tokenizer).__name__}, and CTC needs one of "
            "characters (Wav2Vec2CTCTokenizer).\nFix: data.ctc_vocabulary: transcripts makes a new one."
        )
    return tokenizer


def spelled(tokenizer: Any, transcript: str) -> str:
    """Returns a transcript in the case of a vocabulary: that of wav2vec2-base-960h has capital letters alone."""
    letters = [token for token in tokenizer.get_vocab() if len(token) == 1 and token.isalpha()]
    if any(letter != letter.upper() for letter in letters):
        return transcript
    return transcript.upper() if any(letter != letter.lower() for letter in letters) else transcript
