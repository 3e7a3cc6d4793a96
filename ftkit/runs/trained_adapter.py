"""A trained adapter: the run that left it, and the base whose weights it was trained on."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from ftkit.config.run_config import BaseFacts, RunConfig, RunFacts
from ftkit.errors import CheckpointError, UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.fingerprint import checkpoint_fingerprint, file_fingerprint
from ftkit.models.row_match import SavedHead, saved_head
from ftkit.models.spec import CheckpointSpec, ModelSpec
from ftkit.runs.directory import open_run

WEIGHTS_FILE = "adapter_model.safetensors"


@dataclass(frozen=True)
class TrainedAdapter:
    """A finished run that saved an adapter.

    Attributes:
        config: its ftkit.yaml.
        facts: what it found out, for inference.
        base: which checkpoint it belongs to.
    """

    folder: Path
    config: RunConfig
    facts: RunFacts
    base: BaseFacts

    @property
    def kind(self) -> str:
        """What it was trained for."""
        return self.facts.kind

    @property
    def head(self) -> SavedHead:
        """The head that it predicts with; where texts are written there is none, and this says nothing."""
        saved = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return saved_head(saved.get("id2label") or {}, saved.get("problem_type"))

    def base_spec(self, model: ModelSpec | None = None) -> CheckpointSpec:
        """Returns the base, found and recognised.

        Args:
            model: another place to look for it.

        Raises:
            CheckpointError: it is not there, or is another checkpoint than the adapter was trained on.
        """
        wanted = self._at_its_commit() if model is None else model
        spec = inspect_checkpoint(self._found(wanted), trust_key=TRUST_WHEN_OPENED)
        check_base(spec, self.base, self.folder)
        return spec

    def _at_its_commit(self) -> ModelSpec:
        """Returns the base at the commit that was trained on: a branch of the Hub moves on."""
        model = self.config.model
        if self.base.commit is None or model.checkpoint.partition("@")[0] != self.base.path:
            return model
        return model.model_copy(update={"checkpoint": self.base.path, "revision": self.base.commit})

    def _found(self, model: ModelSpec) -> ModelSpec:
        """Looks where the base was when the adapter was trained, if it is not where the config says."""
        known = Path(self.base.path)
        if not Path(model.checkpoint).expanduser().is_dir() and known.is_dir():
            return model.model_copy(update={"checkpoint": str(known)})
        return model


def open_trained_adapter(run: str | Path, *, trust_remote_code: bool = False) -> TrainedAdapter:
    """Opens the run of a trained adapter and checks its weights.

    Args:
        trust_remote_code: as `open_run`.

    Raises:
        UserError: it is not a finished run, or one that saved a whole model, or its weights have changed.
    """
    folder, config = open_run(run, trust_remote_code=trust_remote_code)
    assert config.run is not None
    if config.run.base is None:
        raise UserError(
            f"{folder} is a run that saved a whole model (tuner: {config.tuner.method}), not a trained adapter. Use "
            "it as model.checkpoint."
        )
    check_adapter_weights(folder, config.run.base)
    return TrainedAdapter(folder=folder, config=config, facts=config.run, base=config.run.base)


def check_adapter_weights(folder: Path, base: BaseFacts) -> None:
    """Refuses weights that are not those the run proved.

    Raises:
        CheckpointError: the file is missing or has changed.
    """
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise CheckpointError(f"{folder}: {WEIGHTS_FILE} is missing. Copy the whole run directory again.")
    if file_fingerprint(weights) != base.adapter_sha256:
        raise CheckpointError(
            f"{weights} is not the file that the run wrote: its SHA-256 differs from the one in ftkit.yaml, so it is "
            "damaged or was replaced. Copy the run directory again."
        )


def base_facts(spec: CheckpointSpec, folder: Path) -> BaseFacts:
    """Returns which base a saved adapter belongs to.

    Args:
        folder: where the adapter was saved.
    """
    fingerprint = checkpoint_fingerprint(spec)
    return BaseFacts(
        path=spec.path if fingerprint is None else str(Path(spec.path).absolute()),
        commit=spec.commit,
        fingerprint=fingerprint,
        adapter_sha256=file_fingerprint(folder / WEIGHTS_FILE),
    )


def check_base(spec: CheckpointSpec, base: BaseFacts, folder: Path) -> None:
    """Refuses another base than the adapter's own: its changes would be added to weights they were not made for.

    Raises:
        CheckpointError: it is another one.
    """
    found = checkpoint_fingerprint(spec)
    if found is not None and base.fingerprint is not None and found != base.fingerprint:
        raise CheckpointError(
            f"{spec.name!r} is not the base of the adapter in {folder}: its weights have the fingerprint {found}, "
            f"those of {base.path} had {base.fingerprint}. Name the checkpoint it was trained on."
        )
    if found is None and base.fingerprint is None and spec.path != base.path:
        raise CheckpointError(
            f"{spec.name!r} is not the base of the adapter in {folder}, which was trained on {base.path!r}. "
            "Name that checkpoint."
        )
