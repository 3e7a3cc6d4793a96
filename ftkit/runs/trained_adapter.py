"""A trained adapter: the run that left it, and the base whose weights it was trained on."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from ftkit.config.run_config import BaseFacts, RunConfig, RunFacts
from ftkit.console import warn
from ftkit.errors import CheckpointError, UserError
from ftkit.foreign_code import TRUST_WHEN_OPENED
from ftkit.models.checkpoint import BUILT_IN, inspect_checkpoint
from ftkit.models.fingerprint import checkpoint_fingerprint, file_fingerprint
from ftkit.models.repository import with_revision
from ftkit.models.row_match import SavedHead, saved_head
from ftkit.models.spec import CheckpointSpec, ModelSpec
from ftkit.runs.open_run import open_run, saved_config

WEIGHTS_FILE = "adapter_model.safetensors"
_NAME_IT = "Fix: bring it back, or say where it is: --base PATH_OR_ID (in Python base=PATH_OR_ID)."


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
        saved = saved_config(self.folder)
        return saved_head(saved.get("id2label") or {}, saved.get("problem_type"))

    def base_spec(self, named: str | Path | None = None) -> CheckpointSpec:
        """Returns the base, found and recognised.

        Args:
            named: where the user says it is, a folder or Hub id; by default it is looked for where the run knows it.

        Raises:
            CheckpointError: it is not there, or is another checkpoint than the adapter was trained on.
        """
        if named is not None:
            return self._named_base(str(named))
        if self.base.fingerprint is None:
            return self._base_on_hub()
        places = self.base_folders
        if not places:
            raise CheckpointError(self._base_is_missing)
        refused: list[CheckpointError] = []
        for place in places:
            spec = self._inspected(self._at(place))
            try:
                check_base(spec, self.base, self.folder)
            except CheckpointError as error:  # other weights lie there by now
                refused.append(error)
            else:
                return spec
        raise refused[0]

    @property
    def base_folders(self) -> list[str]:
        """Where the base of an adapter on a local checkpoint may be: where config and run have it, and beside the run.

        A run and its base that were moved together are found by the way from one to the other.
        """
        model, beside = self.config.model, self.base.from_run
        places = [model.checkpoint, self.base.path]
        if beside is not None:
            places.append(os.path.normpath(Path(os.path.realpath(self.folder), beside)))
        return [
            place for place in dict.fromkeys(places) if place.startswith(BUILT_IN) or Path(place).expanduser().is_dir()
        ]

    @property
    def _base_is_missing(self) -> str:
        return (
            f"The base of the trained adapter in {self.folder} is not there: an adapter holds only what it changes of "
            f"a checkpoint, and this one was trained on {self.base.path}.\n{_NAME_IT}"
        )

    def _named_base(self, named: str) -> CheckpointSpec:
        checkpoint, revision = with_revision(named, None)
        if revision is None and checkpoint == self.base.path:
            revision = self.base.commit
        try:
            spec = self._checked(self._at(checkpoint, revision))
        except CheckpointError as error:
            raise CheckpointError(f"--base: {str(error).removeprefix('model.checkpoint: ')}") from None
        is_local = Path(spec.path).is_dir()
        if is_local == (self.base.fingerprint is None):
            warn(
                f"--base {named}: whether its weights are those that the adapter in {self.folder} was trained on "
                f"({self.base.path}) cannot be told: one is a folder, the other on the Hub."
            )
        return spec

    def _base_on_hub(self) -> CheckpointSpec:
        """Returns the base at the commit that was trained on: a branch of the Hub moves on."""
        model = self.config.model
        if self.base.commit is not None and model.checkpoint.partition("@")[0] == self.base.path:
            model = self._at(self.base.path, self.base.commit)
        try:
            return self._checked(model)
        except CheckpointError as error:
            raise CheckpointError(
                f"{error}\nThe trained adapter in {self.folder} needs {self.base.path}, its base. {_NAME_IT}"
            ) from None

    def _checked(self, model: ModelSpec) -> CheckpointSpec:
        spec = self._inspected(model)
        check_base(spec, self.base, self.folder)
        return spec

    def _inspected(self, model: ModelSpec) -> CheckpointSpec:
        return inspect_checkpoint(model, trust_key=TRUST_WHEN_OPENED)

    def _at(self, checkpoint: str, revision: str | None = None) -> ModelSpec:
        """Returns the run's model with the base at another place; also where one checkpoint reads and writes."""
        model = self.config.model
        decoder = checkpoint if model.decoder == model.checkpoint else model.decoder
        return model.model_copy(update={"checkpoint": checkpoint, "revision": revision, "decoder": decoder})


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


def base_facts(spec: CheckpointSpec, folder: Path, *, run: Path | None = None) -> BaseFacts:
    """Returns which base a saved adapter belongs to.

    Args:
        folder: where the adapter was saved.
        run: where its run will lie, if not there.
    """
    fingerprint = checkpoint_fingerprint(spec)
    return BaseFacts(
        path=spec.path if fingerprint is None else str(Path(spec.path).absolute()),
        from_run=None if fingerprint is None else _from_run(spec, run or folder),
        commit=spec.commit,
        fingerprint=fingerprint,
        adapter_sha256=file_fingerprint(folder / WEIGHTS_FILE),
    )


def _from_run(spec: CheckpointSpec, run: Path) -> str | None:
    """Returns the way from a run to its base, such as `../bases/bert`; None for one that comes with ftkit."""
    if spec.name.startswith(BUILT_IN):
        return None
    try:
        return Path(os.path.relpath(os.path.realpath(spec.path), os.path.realpath(run))).as_posix()
    except ValueError:  # on another drive of Windows
        return None


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
