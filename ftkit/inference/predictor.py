"""A finished run, loaded: it predicts texts and files, and scores labelled files. Needs the run directory alone."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.adapters.adapter import Adapter, Prediction
from ftkit.adapters.table import find_adapter
from ftkit.config import RunConfig
from ftkit.data.check import Problems
from ftkit.data.readers import ReadOptions, fingerprint, open_table
from ftkit.data.spec import Source
from ftkit.errors import UserError
from ftkit.metrics import DEFAULT_METRICS
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.run_directory import open_run
from ftkit.tasks import Task, find_task, kind_module
from ftkit.types import WRITING_KINDS, Split

if TYPE_CHECKING:
    import torch

    from ftkit.engine.batching import BatchLimits

Input = str | Sequence[str]


class Predictor:
    """Predicts with a finished run. Made by `ftkit.load`.

    Attributes:
        folder: the run directory.
        config: what the run was started with, and what it found out (`config.run`).
        labels: label names in the order of the model's outputs.
    """

    def __init__(
        self,
        run: str | Path,
        *,
        device: str | torch.device | None = None,
        num_beams: int | None = None,
        max_new_tokens: int | None = None,
    ) -> None:
        """Loads a run.

        Args:
            run: a run directory.
            device: such as `cpu` or `cuda:1`; the first GPU if there is one, by default.
            num_beams: of a model that writes texts; by default as the run was scored.
            max_new_tokens: of a model that writes texts; by default what the targets of train suggested.

        Raises:
            UserError: it is not a finished run.
        """
        from ftkit.engine.quiet import quiet_libraries

        quiet_libraries()
        self.folder, self.config = open_run(run)
        search = {"num_beams": num_beams, "max_new_tokens": max_new_tokens}
        self.adapter = load_adapter(
            self.folder, self.config, {name: value for name, value in search.items() if value is not None}
        )
        self.labels = self.adapter.labels
        self.model = self.adapter.build().model.eval().to(_device(device))

    def predict(self, inputs: Sequence[Input]) -> list[Prediction]:
        """Predicts texts, pairs of texts or lists of words, whichever the task takes.

        Args:
            inputs: texts; for a task on pairs `(text, text_pair)` tuples; for token classification texts or lists of
                words.

        Returns:
            One object each: `label`, `score` and `scores`; for regression `score`; for token classification `words`,
            `tags` and `entities`.
        """
        if isinstance(inputs, str):
            raise UserError("predict expects a list of texts, got one text. Write predict([text]).")
        kind = kind_module(self._facts.kind)
        examples = [kind.input_example(position, item) for position, item in enumerate(inputs)]
        predictions = self._predict_examples(examples, "inputs")
        return [{name: value for name, value in row.items() if name != "id"} for row in predictions]

    def predict_source(self, source: Source) -> Iterator[Prediction]:
        """Predicts a file or Hub split row by row, in its order and in constant memory, each with its `id`."""
        table = open_table(source, self._read_options())
        kind = kind_module(self._facts.kind)
        columns = self._facts.columns
        examples = kind.read_examples(table, self._task(), columns, self.config.data, with_labels=False)
        yield from self._predict_examples(examples, table.source)

    def evaluate(self, source: Source) -> dict[str, Any]:
        """Scores the run on a labelled file or Hub split.

        Returns:
            The metrics by their plain names, `samples`, and the `data` they were computed on.

        Raises:
            DataError: rows without a text or a label, or with a label that the run does not know.
        """
        from ftkit.engine.evaluation import evaluate

        kind, task = kind_module(self._facts.kind), self._task()
        table = open_table(source, self._read_options())
        examples = kind.read_examples(table, task, self._facts.columns, self.config.data, with_labels=True)
        split = Split("test", table.source, list(examples), fingerprint(source))
        problems = Problems()
        splits, _ = kind.resolve({"test": split}, task, self.config.data, problems)
        problems.raise_if_any()
        split = splits["test"]
        kind.check({"test": split}, self.labels, task, self.config.data, problems)
        kind.check_known_labels(split, self.labels, problems)
        problems.raise_if_any()
        names = self.config.metrics or task.metrics or DEFAULT_METRICS[kind.scored_as(task, self.config.data)]
        scorer = kind.make_scorer(names, self.labels, self.config.data)
        rows = self.adapter.encode_prompt(split)
        outcome = evaluate(self.model, self.adapter, split, rows, scorer, self._limits())
        data = {"source": split.source, "rows": len(split), "fingerprint": split.fingerprint}
        return {**outcome.metrics, "samples": len(split), "data": data}

    @property
    def _facts(self) -> Any:
        return self.config.run

    def _limits(self) -> BatchLimits:
        from ftkit.engine.batching import BatchLimits

        train = self.config.train
        return BatchLimits(train.per_device_eval_batch_size, train.max_tokens_per_batch)

    def _read_options(self) -> ReadOptions:
        data = self.config.data
        languages = (data.source_lang, data.target_lang)
        extensions = tuple(f".{language}" for language in languages if language is not None)
        return ReadOptions(encoding=data.encoding, delimiter=data.delimiter, text_extensions=extensions)

    def _task(self) -> Task:
        """Returns the run's task; where its code has gone, the kind's own, unless it prepared rows."""
        try:
            return find_task(self.config.task)
        except UserError:
            if self._facts.prepared:
                raise
            return kind_module(self._facts.kind).TASK

    def _predict_examples(self, examples: Iterable[Any], source: str) -> Iterator[Prediction]:
        from ftkit.engine.evaluation import WINDOW, predict_windows

        stream = iter(examples)
        while chunk := list(itertools.islice(stream, WINDOW)):
            split = Split("input", source, chunk)
            problems = Problems()
            kind_module(self._facts.kind).check_inputs(split, problems)
            problems.raise_if_any()
            rows = self.adapter.encode_prompt(split)
            for _, _, arrays in predict_windows(self.model, self.adapter, rows, self._limits()):
                for example, prediction in zip(chunk, self.adapter.decode(arrays, chunk), strict=True):
                    yield {"id": example.id, **prediction}


def load_adapter(folder: Path, config: RunConfig, search: Mapping[str, int] | None = None) -> Adapter:
    """Makes a run's adapter from its directory alone: tokenizer, labels, limits and options as they were saved.

    Args:
        search: settings that win over the run's own, in kinds that write texts.

    Raises:
        UserError: there are such settings, and nothing is written.
    """
    facts = config.run
    assert facts is not None
    options = dict(facts.adapter_options)
    if search and facts.kind not in WRITING_KINDS:
        raise UserError(f"{', '.join(search)}: nothing is written in {facts.kind}. Leave it out.")
    if search:
        options["generation"] = {**options["generation"], **search}
        options["max_new_tokens"] = search.get("max_new_tokens", options["max_new_tokens"])
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    labels = kind_module(facts.kind).saved_labels(saved)
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder), trust_remote_code=config.model.trust_remote_code))
    adapter_class = find_adapter(facts.kind, spec.family, str(folder))
    return adapter_class(spec, labels, max_length=facts.max_length, **options)  # type: ignore[call-arg]


def _device(device: str | torch.device | None) -> torch.device:
    import torch

    if device is not None:
        return torch.device(device)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
