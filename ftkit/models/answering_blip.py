"""BLIP that answers questions, whose forward gives logits (Li et al. 2022, arXiv 2201.12086, section 5.2).

Only code that loads such a checkpoint imports this module: it imports transformers' models.
"""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers.modeling_outputs import Seq2SeqLMOutput


class BlipForQuestionAnswering(transformers.BlipForQuestionAnswering):
    """Transformers' model of this name: its parts, its weights, and its config, with two differences.

    `forward` returns the decoder's logits, where transformers' returns the mean loss of a batch alone. The decoder
    looks at a question and not at the padding behind it: transformers (5.23) makes a mask for its cross-attention and
    drops it on the way, and its `generate` masks nothing. Of a question alone both give the same. What is saved,
    transformers' class loads.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        layers: Any = self.text_decoder.bert.encoder.layer
        for layer in layers:
            layer.crossattention.self.register_forward_pre_hook(_with_mask, with_kwargs=True)

    def forward(
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor,
        decoder_input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Returns the logits of what is written, (B, T, V).

        Args:
            input_ids: of the questions, (B, S), padded on the right.
            pixel_values: of the images, (B, C, H, W).
            decoder_input_ids: of the answers, (B, T): `bos_token_id` of the config's text half, then the answer.
            attention_mask: 1 for tokens of a question, (B, S).
        """
        question_BSH = self._read(input_ids, pixel_values, attention_mask)
        written = self.text_decoder(
            input_ids=decoder_input_ids,
            encoder_hidden_states=question_BSH,
            encoder_attention_mask=attention_mask,
            use_cache=False,
        )
        return Seq2SeqLMOutput(logits=written.logits)

    @torch.no_grad()
    def generate(  # type: ignore[override]
        self,
        input_ids: torch.Tensor,
        pixel_values: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        **kwargs: Any,
    ) -> torch.Tensor:
        """Returns `bos_token_id` and the answer of each question, (B, T).

        Args:
            as of `forward`.
            kwargs: of the text decoder's own `generate`.
        """
        text: Any = self.config.text_config
        if "generation_config" not in kwargs:  # which says both
            kwargs = {"eos_token_id": text.sep_token_id, "pad_token_id": text.pad_token_id, **kwargs}
        decoder: Any = self.text_decoder
        written_BT: torch.Tensor = decoder.generate(
            input_ids=input_ids.new_full((len(input_ids), 1), text.bos_token_id),
            encoder_hidden_states=self._read(input_ids, pixel_values, attention_mask),
            encoder_attention_mask=torch.ones_like(input_ids) if attention_mask is None else attention_mask,
            **kwargs,
        )
        return written_BT

    def _read(
        self, input_ids: torch.Tensor, pixel_values: torch.Tensor, attention_mask: torch.Tensor | None
    ) -> torch.Tensor:
        """Returns the question as it is read beside its image, (B, S, H)."""
        image_BPH = self.vision_model(pixel_values=pixel_values).last_hidden_state
        return self.text_encoder(
            input_ids=input_ids, attention_mask=attention_mask, encoder_hidden_states=image_BPH
        ).last_hidden_state

    def get_output_embeddings(self) -> Any:
        """Returns what computes the logits: of the decoder, as the encoder has none."""
        return self.text_decoder.get_output_embeddings()


def _with_mask(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Gives cross-attention its mask by the name by which it is read."""
    return args, {**kwargs, "encoder_attention_mask": kwargs.get("attention_mask")}
