"""Whether a model keeps texts apart that are laid into one row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedModel

TOLERANCE = 1e-3  # of the largest logit: float32 rounds a hundredth of it; a leak changes them by its size


def leak_of_packed_rows(model: PreTrainedModel) -> str | None:
    """Returns why two texts in one row do not give the logits that they give alone; None if they do.

    transformers' models tell by positions that begin anew where a text begins, where they are given no mask and keep
    no keys and values (transformers.masking_utils.find_packed_sequence_indices). Some read neither.
    """
    import torch

    lengths = (5, 3)
    config = model.config.get_text_config()
    ids_1T = torch.arange(1, 1 + sum(lengths), device=model.device)[None] % config.vocab_size
    positions_1T = torch.cat([torch.arange(length, device=model.device) for length in lengths])[None]
    was_training = model.training
    model.eval()
    try:
        with torch.no_grad():
            packed: Any = model(input_ids=ids_1T, position_ids=positions_1T, use_cache=False).logits
            alone = [model(input_ids=ids, use_cache=False).logits for ids in ids_1T.split(lengths, dim=1)]
    except (TypeError, ValueError, RuntimeError, NotImplementedError) as error:
        return str(error).strip().split("\n")[0].rstrip(".") or type(error).__name__
    finally:
        model.train(was_training)
    expected = torch.cat(alone, dim=1)
    difference = float((packed - expected).abs().max())
    if difference <= TOLERANCE * float(expected.abs().max()):
        return None
    return f"the second of two texts sees the first, which changes its logits by {difference:.2g}"
