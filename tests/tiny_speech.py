"""Tiny untrained checkpoints that hear and write, and recordings with transcripts for them."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import tiny
import tiny_audio
from ftkit.data.speech import SpeechExample

TEXTS = ("low rain", "the middle", "high sun", "top")
"""What is said in a recording of each of the tones of tiny_audio."""

LANGUAGES = {"<|en|>": "en", "<|de|>": "de"}
TASKS = ("translate", "transcribe")


def make_whisper(folder: Path, *, languages: bool = False, **config: Any) -> Path:
    """Writes a Whisper that hears 2 s at once, with its processor and generation config, and returns its folder.

    Args:
        languages: a multilingual one, which is told a language and a task.
        config: what its config says beside or instead of tiny_audio's recipe.
    """
    import transformers

    told = ["<|startoftranscript|>", *(LANGUAGES if languages else ()), *(f"<|{task}|>" for task in TASKS)]
    tokens = tiny._byte_pairs([], ["<|endoftext|>", *told, "<|notimestamps|>"])
    tokenizer = transformers.WhisperTokenizer(**tokens, language="en" if languages else None)
    tokenizer.add_special_tokens({"additional_special_tokens": [*told, "<|notimestamps|>"]})
    tokenizer.pad_token = "<|endoftext|>"
    ids = tokens["vocab"]
    special = {"pad_token_id": ids["<|endoftext|>"], "bos_token_id": ids["<|endoftext|>"]}
    special |= {"eos_token_id": ids["<|endoftext|>"], "decoder_start_token_id": ids["<|startoftranscript|>"]}
    sizes = {"vocab_size": len(tokenizer), "max_target_positions": 24, **special, **config}
    tiny_audio.make_checkpoint("whisper", folder, **sizes)
    generation = transformers.GenerationConfig(**special)
    generation.is_multilingual = languages
    generation.no_timestamps_token_id = ids["<|notimestamps|>"]
    if languages:
        generation.lang_to_id = {token: ids[token] for token in LANGUAGES}
        generation.task_to_id = {task: ids[f"<|{task}|>"] for task in TASKS}
    generation.save_pretrained(folder)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    transformers.WhisperProcessor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def make_moonshine(folder: Path, **config: Any) -> Path:
    """Writes a Moonshine, which hears samples of any length and is told a start alone, and returns its folder."""
    from transformers import LlamaTokenizer

    tokenizer = LlamaTokenizer(**tiny._byte_fallback_pairs(["<unk>", "<s>", "</s>"]), pad_token="</s>")
    sizes = {
        **{"hidden_size": 32, "intermediate_size": 64, "encoder_num_hidden_layers": 2, "decoder_num_hidden_layers": 2},
        **{"encoder_num_attention_heads": 2, "decoder_num_attention_heads": 2, "max_position_embeddings": 32},
        **{"decoder_start_token_id": 1, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2},
    }
    return _make_writer(
        folder, "Moonshine", "Wav2Vec2", tokenizer, {**sizes, **config}, do_normalize=False, return_attention_mask=True
    )


def make_speech2text(folder: Path, **config: Any) -> Path:
    """Writes a Speech2Text, which hears spectrograms of any length, and returns its folder.

    Its tokenizer is of a class of no checkpoint's own: Speech2Text's needs the package sentencepiece.
    """
    from transformers import XLMRobertaTokenizer

    tokenizer = XLMRobertaTokenizer(vocab=tiny._unigrams(["<s>", "<pad>", "</s>", "<unk>"], ["<mask>"]))
    sizes = {
        **{"d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 2},
        **{"decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "conv_channels": 32},
        **{"input_feat_per_channel": 16, "max_source_positions": 600, "max_target_positions": 32},
        **{"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2},
    }
    return _make_writer(folder, "Speech2Text", "Speech2Text", tokenizer, {**sizes, **config}, num_mel_bins=16)


def _make_writer(
    folder: Path, name: str, reader: str, tokenizer: Any, config: dict[str, Any], **extracts: Any
) -> Path:
    import torch
    import transformers

    config = getattr(transformers, f"{name}Config")(vocab_size=len(tokenizer), **config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        getattr(transformers, f"{name}ForConditionalGeneration")(config).save_pretrained(folder)
    extractor = getattr(transformers, f"{reader}FeatureExtractor")(**extracts)
    processor = getattr(transformers, f"{reader}Processor")
    processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def make_ctc(folder: Path, name: str = "wav2vec2", *, characters: str = "LOWRAINTHEMDGSUP") -> Path:
    """Writes a checkpoint that was trained by CTC to write capital letters, with its processor; returns its folder.

    Args:
        name: one of tiny_audio's recipes.
    """
    import torch
    import transformers

    from ftkit.models.ctc_vocabulary import ctc_tokenizer

    tokenizer = ctc_tokenizer(sorted(set(characters)))
    tiny_audio.make_checkpoint(name, folder)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = transformers.AutoModelForCTC.from_pretrained(
            folder, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, ignore_mismatched_sizes=True
        )
    model.save_pretrained(folder)
    extractor = transformers.AutoFeatureExtractor.from_pretrained(folder)
    transformers.Wav2Vec2Processor(feature_extractor=extractor, tokenizer=tokenizer).save_pretrained(folder)
    return folder


MAKERS: dict[str, Callable[[Path], Path]] = {
    "whisper": make_whisper,
    "whisper-languages": lambda folder: make_whisper(folder, languages=True),
    "moonshine": make_moonshine,
    "speech2text": make_speech2text,
    "ctc": make_ctc,
    **{name: partial(tiny_audio.make_checkpoint, name) for name in ("wav2vec2", "wav2vec2-layer", "hubert", "wavlm")},
}
"""Name -> writes a checkpoint."""


def maker(root: Path) -> Callable[[str], Path]:
    return tiny.made_once(lambda name, folder: MAKERS[name](folder), root)


def write_speech(
    folder: Path, count: int, *, seconds: Sequence[float] = (0.4, 0.7, 0.5), rate: int = tiny_audio.RATE
) -> Path:
    """Writes recordings and metadata.csv beside them, and returns the folder.

    Args:
        count: recordings of each tone.
        seconds: their lengths, by turns.
    """
    import soundfile

    folder.mkdir(parents=True)
    rows = [("file_name", "text")]
    for label, text in zip(tiny_audio.HERTZ, TEXTS, strict=True):
        for number in range(count):
            samples = tiny_audio.tone(label, seconds[number % len(seconds)], rate=rate, seed=number)
            rows.append((f"{label}{number}.wav", text))
            soundfile.write(folder / rows[-1][0], samples, rate)
    with open(folder / "metadata.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return folder


def speech(text: str | None, seconds: float, *, label: str = "low", **fields: Any) -> SpeechExample:
    """Returns a recording in memory of so many seconds."""
    from ftkit.data.audio import wav_bytes

    content = wav_bytes(tiny_audio.tone(label, seconds), tiny_audio.RATE)
    return SpeechExample(**{"id": 0, "name": f"{label} {seconds} s", "content": content, "text": text, **fields})
