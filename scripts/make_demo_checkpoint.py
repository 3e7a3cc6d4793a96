"""Make the small BERT checkpoint that ships with ftkit as its offline demo model.

The script writes its own text with the grammar in ``demo_grammar.py``, trains a WordPiece tokenizer on it,
and pretrains a two-layer lower-cased BERT by masked language modelling. Nothing is downloaded.

    python scripts/make_demo_checkpoint.py [--output DIR] [--steps N]
"""

from __future__ import annotations

import argparse
import math
import random
import string
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from demo_grammar import messages
from tokenizers import Tokenizer
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import BertConfig, BertForMaskedLM, BertTokenizerFast, get_cosine_schedule_with_warmup
from transformers.utils import logging

DEFAULT_OUTPUT = Path(__file__).resolve().parents[1] / "ftkit" / "demo" / "bert"
SIZE_LIMIT = 3_000_000  # bytes of the whole folder, so that the package stays small
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
VOCAB_SIZE = 4200
MAX_TOKENS = 64  # of a pretraining message; the model itself reads up to MAX_POSITIONS
MAX_POSITIONS = 128
MASKED_SHARES = (0.15, 0.15, 0.5)  # drawn per message; the high one leaves only its topic to go by
HELD_OUT = 1000  # messages that are kept for measuring the loss
IGNORED = -100  # label of a position that does not count
SUMMARY_WEIGHT = 1.0  # of the loss at [CLS]
SORTED_TOGETHER = 20  # batches whose messages are sorted by length among themselves
REPORT_EVERY = 100  # steps
CARD = """\
---
license: apache-2.0
language: en
pipeline_tag: fill-mask
---
# Demo BERT

A tiny lower-cased BERT (2 layers, width 96, 4 heads, {pieces} word pieces, {weights:,} weights) that lets
the examples and tests of ftkit run offline. It is a teaching aid; take a full-sized checkpoint for work.

- **Made by** `python scripts/make_demo_checkpoint.py --steps {steps} --seed {seed}` from random weights, by
  masked language modelling ({masked} of the tokens; batches of {batch_size}; top learning rate {lr}). The
  hidden tokens are also guessed from `[CLS]` (weight {summary}), so that it sums up a message.
- **Text:** {messages:,} messages about shopping and the household, written by `scripts/demo_grammar.py`.
  Nothing was downloaded and no row of the demo data set was used; but the same authors wrote both, about the
  same eight concerns, so scores on that data set are far better than this model would reach on other text.
- **Measured:** loss {loss:.3f} nats per hidden token on {held_out:,} further messages, hidden alike
  (guessing blindly gives ln {pieces} = {blind:.2f}). It says nothing about other English text.
- **Limits:** English customer messages up to 128 tokens; the head for a new task starts untrained.
"""


def train_tokenizer(texts: list[str]) -> BertTokenizerFast:
    """Train a lower-casing WordPiece tokenizer that knows every printable ASCII character.

    Args:
        texts: Messages to learn the word pieces from.

    Returns:
        A fast tokenizer that frames each text with ``[CLS]`` and ``[SEP]``.
    """
    trained = Tokenizer(WordPiece(unk_token="[UNK]"))
    trained.normalizer = BertNormalizer(lowercase=True)
    trained.pre_tokenizer = BertPreTokenizer()
    # Naming the characters beforehand fixes their ids; without that, ties are broken anew on every run.
    trainer = WordPieceTrainer(
        vocab_size=VOCAB_SIZE, min_frequency=5, special_tokens=_basic_pieces(), show_progress=False
    )
    trained.train_from_iterator(texts, trainer)
    vocab = dict(sorted(trained.get_vocab().items(), key=lambda entry: entry[1]))
    return BertTokenizerFast(vocab=vocab, do_lower_case=True, model_max_length=MAX_POSITIONS)


def _basic_pieces() -> list[str]:
    """List the special tokens and single characters, so that no ordinary word becomes ``[UNK]``."""
    inner = string.ascii_lowercase + string.digits
    # Punctuation is always split off as a word of its own and so needs no "##" form.
    return [*SPECIAL_TOKENS, *inner, *string.punctuation, *"£€’‘“”–—…", *(f"##{char}" for char in inner)]


def build_model(tokenizer: BertTokenizerFast) -> BertForMaskedLM:
    """Make the untrained model, small enough for the folder to stay under ``SIZE_LIMIT``."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=96,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=384,
        max_position_embeddings=MAX_POSITIONS,
        initializer_range=0.05,  # BERT's 0.02 is meant for wide layers and learns slowly here
        hidden_dropout_prob=0.0,  # the text is endless, so there is nothing to overfit yet
        attention_probs_dropout_prob=0.0,
        pad_token_id=tokenizer.pad_token_id,
        tie_word_embeddings=True,
    )
    return BertForMaskedLM(config)


def encode(tokenizer: BertTokenizerFast, texts: list[str]) -> list[list[int]]:
    """Turn texts into token ids, cut to ``MAX_TOKENS``."""
    return tokenizer(texts, truncation=True, max_length=MAX_TOKENS)["input_ids"]


def pad(rows: list[list[int]]) -> Tensor:
    """Stack rows of unequal length; the padding id is 0."""
    width = max(map(len, rows))
    return torch.tensor([row + [0] * (width - len(row)) for row in rows])


def mask_tokens(ids: Tensor, vocab_size: int, mask_id: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Hide a share of the tokens in the usual BERT way: 80% masked, 10% random, 10% unchanged.

    Args:
        ids: Padded token ids.
        vocab_size: Number of tokens, for the random ones.
        mask_id: Id of ``[MASK]``.
        rng: Source of the choices.

    Returns:
        The ids to read and the labels, which are ``IGNORED`` where nothing is to be predicted.
    """
    row_kind = torch.randint(len(MASKED_SHARES), (len(ids), 1), generator=rng)
    draw = torch.rand(ids.shape, generator=rng)
    kind = torch.rand(ids.shape, generator=rng)
    other = torch.randint(len(SPECIAL_TOKENS), vocab_size, ids.shape, generator=rng)
    chosen = (draw < torch.tensor(MASKED_SHARES)[row_kind]) & (ids >= len(SPECIAL_TOKENS))
    labels = torch.where(chosen, ids, IGNORED)
    hidden = torch.where(chosen & (kind < 0.8), mask_id, ids)
    return torch.where(chosen & (kind >= 0.9), other, hidden), labels


def batches(rows: list[list[int]], size: int, rng: random.Random) -> Iterator[Tensor]:
    """Yield padded batches without end; neighbours in length go together, which saves padding."""
    while True:
        order = rng.sample(rows, len(rows))
        for start in range(0, len(order), size * SORTED_TOGETHER):
            chunk = sorted(order[start : start + size * SORTED_TOGETHER], key=len)
            starts = list(range(0, len(chunk), size))
            rng.shuffle(starts)
            yield from (pad(chunk[at : at + size]) for at in starts)


def masked_losses(model: BertForMaskedLM, ids: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the loss of guessing each hidden token from its own place, and from ``[CLS]``.

    The second one makes ``[CLS]``, which classifiers read, gather what a message is about. Plain masked
    language modelling leaves that position untrained, which costs a model this small several points.

    Args:
        model: The model to train or measure.
        ids: Token ids with some of them hidden.
        labels: The hidden ids, ``IGNORED`` elsewhere.

    Returns:
        The mean loss per hidden token of either kind.
    """
    states = model.bert(input_ids=ids, attention_mask=(ids != 0).long()).last_hidden_state
    message, place = (labels != IGNORED).nonzero(as_tuple=True)
    targets = labels[message, place]
    # Scoring only these places matters: the vocabulary layer is the costliest by far.
    in_place = cross_entropy(model.cls(states[message, place]), targets)
    summary = cross_entropy(model.cls(states[:, 0])[message], targets)
    return in_place, summary


def pretrain(model: BertForMaskedLM, rows: list[list[int]], mask_id: int, args: Namespace) -> None:
    """Train the model in place by masked language modelling, printing the in-place loss as it goes."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=args.lr, weight_decay=0.01, betas=(0.9, 0.98))
    schedule = get_cosine_schedule_with_warmup(optimizer, args.steps // 10, args.steps)
    generator = torch.Generator().manual_seed(args.seed)
    stream = batches(rows, args.batch_size, random.Random(args.seed))
    started, losses = time.perf_counter(), []
    model.train()
    for step in range(1, args.steps + 1):
        ids, labels = mask_tokens(next(stream), model.config.vocab_size, mask_id, generator)
        in_place, summary = masked_losses(model, ids, labels)
        optimizer.zero_grad()
        (in_place + SUMMARY_WEIGHT * summary).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(in_place.item())
        if step % REPORT_EVERY == 0:
            recent, seconds = fmean(losses[-REPORT_EVERY:]), time.perf_counter() - started
            print(f"step {step}/{args.steps}  loss {recent:.3f}  {seconds:.0f} s", flush=True)


@torch.no_grad()
def held_out_loss(model: BertForMaskedLM, rows: list[list[int]], mask_id: int) -> float:
    """Measure the mean loss per hidden token on messages that were not trained on."""
    model.eval()
    generator = torch.Generator().manual_seed(0)
    total, count = 0.0, 0
    for start in range(0, len(rows), 100):
        ids, labels = mask_tokens(pad(rows[start : start + 100]), model.config.vocab_size, mask_id, generator)
        hidden = int((labels != IGNORED).sum())
        total += masked_losses(model, ids, labels)[0].item() * hidden
        count += hidden
    return total / count


def save(model: BertForMaskedLM, tokenizer: BertTokenizerFast, card: str, folder: Path) -> int:
    """Write the checkpoint and its model card.

    Args:
        model: The pretrained model.
        tokenizer: Its tokenizer.
        card: Text of the model card.
        folder: Where to write; made if missing.

    Returns:
        Size of the written files in bytes.
    """
    # From here on the model is meant for small data sets, where dropout does help.
    model.config.hidden_dropout_prob = model.config.attention_probs_dropout_prob = 0.1
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "README.md").write_text(card, encoding="utf-8")
    names = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "README.md")
    for name in names:
        (folder / name).chmod(0o644)  # some of them are made readable to their owner only
    return sum((folder / name).stat().st_size for name in names)


def model_card(facts: dict[str, Any]) -> str:
    """Fill in the model card with the settings and the measured loss of this run."""
    blind = math.log(facts["pieces"])
    masked = " or ".join(f"{share:.0%}" for share in sorted(set(MASKED_SHARES)))
    return CARD.format(masked=masked, summary=SUMMARY_WEIGHT, held_out=HELD_OUT, blind=blind, **facts)


def parse_args() -> Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT, help="folder to write")
    parser.add_argument("--steps", type=int, default=2600, help="training steps")
    parser.add_argument("--batch-size", type=int, default=64, help="messages per step")
    parser.add_argument("--messages", type=int, default=80_000, help="messages to write for training")
    parser.add_argument("--lr", type=float, default=3e-3, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=0, help="seed of the text, the weights and the masks")
    # One thread is as fast as two at this size, never waits for a busy core, and adds up in a fixed order.
    parser.add_argument("--threads", type=int, default=1, help="CPU threads")
    return parser.parse_args()


def main() -> None:
    """Write the text, train the tokenizer and the model, and save both with a model card."""
    args = parse_args()
    logging.disable_progress_bar()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    texts = list(messages(args.messages + HELD_OUT, args.seed))
    tokenizer = train_tokenizer(texts[HELD_OUT:])
    rows = encode(tokenizer, texts)
    model = build_model(tokenizer)
    print(f"{len(tokenizer)} word pieces, {model.num_parameters():,} weights, {len(rows):,} messages")
    pretrain(model, rows[HELD_OUT:], tokenizer.mask_token_id, args)
    loss = held_out_loss(model, rows[:HELD_OUT], tokenizer.mask_token_id)
    facts = dict(vars(args), pieces=len(tokenizer), weights=model.num_parameters(), loss=loss)
    size = save(model, tokenizer, model_card(facts), args.output)
    print(f"held-out loss {loss:.3f}, {size:,} bytes in {args.output}")
    if size > SIZE_LIMIT:
        raise SystemExit(f"the checkpoint is over its limit of {SIZE_LIMIT:,} bytes")


if __name__ == "__main__":
    main()
