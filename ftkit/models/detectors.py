"""Facts about checkpoints that find things in images."""

from __future__ import annotations

from ftkit.models.spec import CheckpointSpec


def num_queries(spec: CheckpointSpec) -> int:
    """Returns how many boxes a detector answers with for each image; YOLOS calls its queries detection tokens."""
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(spec.path, **spec.loading_arguments)
    return int(getattr(config, "num_queries", None) or config.num_detection_tokens)
