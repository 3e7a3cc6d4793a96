"""The `tuner` section of a config: which weights move."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class TunerSpec(BaseModel):
    """How the checkpoint's weights are tuned."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["full"] = Field("full", description="full: every weight is trained.")
