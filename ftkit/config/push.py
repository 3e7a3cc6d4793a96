"""The `push` section of a config: where on the Hub a finished run goes."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, StrictBool


class PushSpec(BaseModel):
    """A repository, and what of a run is written to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    repo_id: str = Field(description="owner/name on the Hub; a name alone is a repository of the token's owner.")
    private: StrictBool = Field(False, description="Make a new repository private; one that is public is refused.")
    revision: str | None = Field(None, description="A branch that exists there. Default: main.")
    message: str | None = Field(None, description="Of the commit. Default: the run's score.")
    with_predictions: StrictBool = Field(
        False, description="Also upload predictions, and the texts in report and card. They stay at home otherwise."
    )
    base: str | None = Field(
        None,
        description="Of a trained adapter on a local base: the repository to which that base was pushed.",
    )
