"""The `generation` section of a config: how a model that writes text searches for it."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

KEPT_SETTINGS = ("length_penalty", "no_repeat_ngram_size")
"""What of a checkpoint's own search is kept, where the config of a run says nothing."""


class GenerationSpec(BaseModel):
    """Settings of the search. Nothing is sampled: the same input gives the same text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    # 4 is the beam of the Transformer paper (arXiv 1706.03762, section 6.1) and of most Marian checkpoints.
    num_beams: int = Field(4, gt=0, description="Beams of the final scores and of prediction; 1 is greedy.")
    # Only the order of checkpoints counts there, and greedy search takes a fraction of the time.
    validation_num_beams: int = Field(1, gt=0, description="Beams while training; 1 is greedy.")
    max_new_tokens: int | None = Field(
        None,
        gt=0,
        description="Tokens written at most. Default: a quarter more than the longest target of train, and more for "
        "longer sources than those of train.",
    )
    length_penalty: float | None = Field(
        None, description="Above 1 prefers long texts in beam search, below 1 short ones. Default: the checkpoint's."
    )
    no_repeat_ngram_size: int | None = Field(
        None, ge=0, description="No so many tokens in a row twice in a text. Default: the checkpoint's."
    )
