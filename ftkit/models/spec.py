"""The `model` section of a config: which checkpoint to start from."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ModelSpec(BaseModel):
    """A pretrained checkpoint, by name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    checkpoint: str = Field(min_length=1, description="Hub id, local folder, or ftkit:bert (the built-in demo).")
    revision: str | None = Field(None, description="Branch, tag or commit of the checkpoint's repository.")
    trust_remote_code: bool = Field(
        False, strict=True, description="Allow the checkpoint's own Python code to run on this machine."
    )
