"""A finished run, loaded: it predicts texts and files, and scores labelled files. Needs the run directory alone.

A fine-tuned checkpoint that ftkit did not make is loaded in the same way; see `plain_checkpoint`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ftkit.adapters.encoding import encode_to_score
from ftkit.adapters.objective import Prediction
from ftkit.console import warn
from ftkit.data.check import Problems
from ftkit.data.predicted_files import with_values
from ftkit.data.readers import fingerprint, open_table
from ftkit.data.row_cells import check_cells
from ftkit.data.spec import Source
from ftkit.errors import ConfigError, DataError, name_list, source_told
from ftkit.inference.drawings import Drawings
from ftkit.inference.input_rows import INPUTS, InputRows, OnBadRow, Window, check_is_list, check_on_bad_row, made
from ftkit.inference.opening import Tasks, named_base, open_model
from ftkit.inference.opening_options import OpeningOptions
from ftkit.inference.reference import Opened, with_reference
from ftkit.inference.windows import one_ahead, windows
from ftkit.kinds.large import examples_of
from ftkit.kinds.reading import read_options
from ftkit.kinds.splits import read_splits
from ftkit.metrics.scorer import make_scorer
from ftkit.models.quantization import move
from ftkit.progress import progress
from ftkit.runs.ablations import ablated_scores
from ftkit.runs.baselines import baseline_scores
from ftkit.runs.loading import batch_limits, load_model, load_task_adapter, pick_device
from ftkit.runs.results import cut_off_warnings, truncation_warnings
from ftkit.types import Split

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ftkit.engine.batching import BatchLimits

Input = str | Sequence[str]


class Predictor:
    """Predicts with a finished run. Made by `ftkit.load`.

    Attributes:
        folder: the run directory.
        config: what the run was started with, and what it found out (`config.run`).
        labels: label names in the order of the model's outputs.
        kind: of the run's task.
        precision: what it computes in: fp32, bf16 or int8.
        drawings: where what is predicted is drawn; see `draw_into`.
    """

    drawings: Drawings | None = None

    def __init__(
        self,
        run: str | Path,
        *,
        device: str | torch.device | None = None,
        precision: str = "fp32",
        num_beams: int | None = None,
        max_new_tokens: int | None = None,
        full_precision: bool = False,
        opening: OpeningOptions | None = None,
    ) -> None:
        """Loads a run, or a fine-tuned checkpoint that is none.

        Args:
            run: a run directory, or a folder with config.json or adapter_config.json and safetensors.
            device: such as `cpu` or `cuda:1`; the first GPU if there is one, by default.
            precision: fp32 for the run's own predictions; bf16; int8 on a CPU; auto measures whether bf16 is faster.
            num_beams: of a model that writes texts; by default as the run was scored.
            max_new_tokens: of a model that writes texts; by default what the targets of train suggested.
            full_precision: do not quantise the base of a trained adapter, though it was trained so.
            opening: what the user says of task, metrics, columns and trust; by default all is the run's.

        Raises:
            UserError: it is not a finished run, asks for code, or cannot compute in that precision.
        """
        from ftkit.engine.quiet import quiet_libraries
        from ftkit.inference.precision import check_precision, merged, set_precision

        check_precision(precision)
        quiet_libraries()
        opening = opening or OpeningOptions()
        self.folder, self.config = open_model(run, opening)
        self.tasks = Tasks(self.config, opening)
        search = {"num_beams": num_beams, "max_new_tokens": max_new_tokens}
        chosen = {name: value for name, value in search.items() if value is not None}
        self.kind = self.tasks.kind
        self.adapter = load_task_adapter(
            self.folder,
            self.config,
            chosen,
            full_precision=full_precision,
            base=named_base(self.folder, self.config, opening),
            kind=self.kind,
        )
        self.labels = self.adapter.labels
        model = load_model(self.folder, self.config, self.adapter)
        self.model: Any = move(merged(model, self.config) if precision == "int8" else model, pick_device(device))
        self.precision = set_precision(self.model, precision, self.adapter, self.kind)

    def predict(self, inputs: Sequence[Input], *, on_bad_row: OnBadRow = "empty") -> list[Prediction]:
        """Predicts texts, pairs of texts or lists of words, whichever the task takes.

        Args:
            inputs: texts; for a task on pairs `(text, text_pair)` tuples; for token classification texts or lists of
                words.
            on_bad_row: what becomes of an input that cannot be predicted: `empty` gives an object with None in the
                place of the prediction and an `error`, `skip` leaves it out, `error` raises.

        Returns:
            One object each: `label`, `score` and `scores`; for regression `score`; for token classification `words`,
            `tags` and `entities`; for translation `prediction` and `cut_off`; for segmentation `mask`, class indices
            (H, W), `shares` and `score`.

        Raises:
            DataError: an input cannot be predicted, and `on_bad_row` is error.
        """
        check_on_bad_row(on_bad_row)
        check_is_list(inputs)
        columns = None if self._facts.is_plain else self._facts.columns
        examples = [made(position, item, self.kind, columns) for position, item in enumerate(inputs)]
        predictions = self._predict_examples(examples, INPUTS, on_bad_row)
        return [with_values({name: cell for name, cell in row.items() if name != "id"}) for row in predictions]

    def give_vectors(self) -> None:
        """Has `predict` give vectors from now on, where the model embeds what it reads and may make labels of that."""
        self.adapter = self.adapter.for_embedding()

    def draw_into(self, folder: str | Path) -> Drawings:
        """Has `predict` and `predict_source` draw what they find into images, too, from now on: boxes, or masks.

        Args:
            folder: where the pictures go, each called as its image; it is empty, or not there yet.

        Raises:
            UserError: it is neither, or what is predicted cannot be drawn.
        """
        self.drawings = Drawings(folder, self.kind, self.adapter.objective)
        return self.drawings

    def encode(self, inputs: Sequence[Any], *, role: Literal["text", "text_pair", "image"] = "text") -> np.ndarray:
        """Returns a vector for each text or image, of a model that embeds them.

        Args:
            inputs: texts; or images: paths, bytes of files, Pillow images.
            role: what they are. Of texts it decides the prompt before them: `text`, such as queries, or `text_pair`,
                such as what is searched.

        Returns:
            (N, D) float32; of length 1 where the model normalises.

        Raises:
            UserError: the model does not embed them.
            DataError: a text is empty, or an image cannot be opened.
        """
        from ftkit.inference.embedding import encode

        return encode(self.model, self.adapter.for_embedding(), self.kind, self.limits, inputs, role=role)

    def similarity(self, some: Sequence[str] | np.ndarray, others: Sequence[str] | np.ndarray) -> np.ndarray:
        """Returns the cosine of each text, or vector, to each of the others: (N, M).

        Args:
            some: read as `text`.
            others: read as `text_pair`.

        Raises:
            UserError, DataError: as `encode`.
        """
        from ftkit.adapters.objectives.similarity import cosines

        given: tuple[tuple[Any, Literal["text", "text_pair"]], ...] = ((some, "text"), (others, "text_pair"))
        return cosines(*(one if hasattr(one, "dtype") else self.encode(one, role=role) for one, role in given))

    def predict_source(
        self, source: Source, *, on_bad_row: OnBadRow = "empty", num_done: int = 0
    ) -> Iterator[Prediction]:
        """Predicts a file or Hub split row by row, in its order and in constant memory, each with its `id`.

        Args:
            on_bad_row: what becomes of a row that cannot be predicted; see `predict`. They are counted in a warning.
            num_done: rows at the beginning that are passed over.

        On several processes all call this together and get the same rows; each computes a share of them.
        """
        check_on_bad_row(on_bad_row)
        name, examples = self.read(source)
        yield from self._predict_examples(itertools.islice(examples, num_done, None), name, on_bad_row)

    def read(self, source: Source) -> tuple[str, Iterator[Any]]:
        """Opens a file or Hub split; returns the name that messages show, and its rows as examples to predict."""
        table = open_table(source, read_options(self.config.data))
        columns, task = self._facts.columns, self.tasks.reader
        return table.source, self.kind.read(table, task, columns, self.config.data, with_labels=False)

    def evaluate(self, source: Source) -> dict[str, Any]:
        """Scores the run on a labelled file or Hub split.

        Returns:
            The metrics by their plain names, `samples`, and the `data` they were computed on.

        Raises:
            DataError: rows without a text or a label, or with a label that the run does not know.
        """
        return self.score(self.labelled(source))

    def labelled(self, source: Source) -> Split:
        """Reads a labelled file or Hub split, checked as `evaluate` does."""
        self._check_label_columns()
        table = open_table(source, read_options(self.config.data))
        columns, task = self._facts.columns, self.tasks.reader
        digest = fingerprint(source)
        examples = examples_of(self.kind, task, table, columns, self.config.data, source, fingerprint=digest)
        split = Split("test", table.source, examples, digest)
        if self._facts.is_plain:
            from ftkit.inference.plain_checkpoint import with_named_labels

            split = with_named_labels(split, self.labels)
        return self._checked(split)

    def _check_label_columns(self) -> None:
        """Refuses label columns that say nothing of some labels: each row would count as one without them."""
        columns = self.config.data.label_columns
        if columns is None or self.labels is None:
            return
        left_out = [name for name in self.labels.names if name not in columns]
        if left_out:
            raise ConfigError(
                f"data.columns: label has no column for {name_list(left_out)}, which the model predicts. Name one for "
                "each label."
            )

    def held_out(self, name: str) -> Split:
        """Returns the rows that the run held out of its training file, for validation or for the test."""
        columns = self._facts.columns
        splits = read_splits(self.kind, self.tasks.reader, self.config.data, columns, seed=self.config.seed)
        return self._checked(splits[name])

    def _checked(self, split: Split) -> Split:
        kind, task = self.kind, self.tasks.recorded
        problems = Problems()
        readable = check_cells(split, problems)
        with problems.told_first():
            splits, _ = kind.normalized({"test": readable}, task, self.config.data, problems)
            split = splits["test"]
            kind.check({"test": split}, self.labels, task, self.config.data, problems)
            kind.check_known_labels(split, self.labels, problems)
        problems.raise_if_any()
        for warning in problems.warnings:
            warn(warning)
        return split

    def score(self, split: Split, *, metrics: Sequence[str] | None = None) -> dict[str, Any]:
        """Scores the run on labelled rows; see `evaluate`.

        Args:
            metrics: names of what is computed; by default the user's choice, else the run's own.

        Raises:
            UserError: the run's own metrics run code, and the user has not allowed it.
        """
        from ftkit.engine.evaluation import evaluate

        names, group = metrics or self.tasks.metrics, self.tasks.metric_group
        scorer = make_scorer(names, group, labels=self.labels, options=dict(self.config.data))
        problems = Problems()
        self.kind.check_scores({split.name: split}, scorer, problems)
        problems.raise_if_any()
        reads = scorer.reads_predictions
        with source_told(split.source):
            rows = encode_to_score(self.adapter.preprocessor, split.examples, all_predicted=reads)
        rows = with_reference(Opened(self.folder, self.config, self.kind, self.adapter, self.model), rows, self.limits)
        with progress(f"scoring {split.source}", len(split)) as advance:
            outcome = evaluate(
                self.model,
                self.adapter,
                split,
                rows,
                scorer,
                self.limits,
                on_window=lambda examples, arrays: advance(len(examples)),
                autocast=self._autocast,
                to_be_read=False,
            )
        cut = truncation_warnings({split.source: rows.told}, self.adapter.preprocessor)
        for sentence in [*cut, *cut_off_warnings({split.source: outcome})]:
            warn(sentence)
        data = {"source": split.source, "rows": len(split), "fingerprint": split.fingerprint}
        beside = baseline_scores(self.kind, scorer, self.primary_metric, None, split, outcome.references)
        beside |= ablated_scores(
            self.kind,
            self.model,
            self.adapter,
            split,
            scorer,
            self._first_metric(outcome.metrics),
            self.limits,
            autocast=self._autocast,
        )
        beside |= self.kind.traits(split, outcome.predictions)
        counts = rows.told.counts
        return {**outcome.metrics, **beside, **scorer.facts, "samples": len(split), **counts, "data": data}

    @property
    def primary_metric(self) -> str:
        """The metric that a run of this kind is judged by, unless its config names another."""
        chosen = self.config.train.metric_for_best_model or self.tasks.recorded.primary_metric
        return chosen or self.tasks.metric_group.primary

    def _first_metric(self, metrics: Mapping[str, Any]) -> str:
        """Returns the primary metric, or where others were asked for, the first of these."""
        named = (name for name, value in metrics.items() if name != "loss" and isinstance(value, float))
        return self.primary_metric if self.primary_metric in metrics else next(named, self.primary_metric)

    @property
    def _facts(self) -> Any:
        return self.config.run

    @property
    def _autocast(self) -> torch.dtype | None:
        from ftkit.inference.precision import autocast_type

        return autocast_type(self.precision)

    @property
    def limits(self) -> BatchLimits:
        """Bounds of a batch."""
        return batch_limits(self.config, self.adapter, self.model.device)

    def _predict_examples(self, examples: Iterable[Any], source: str, on_bad_row: OnBadRow) -> Iterator[Prediction]:
        from ftkit.engine.predicting import WINDOW

        rows = InputRows(self.kind, self.adapter, source, on_bad_row)
        coming = (rows.window(part) for part in windows(examples, most_rows=WINDOW))
        # A search takes so long that reading ahead brings nothing, and its texts are decoded by the same tokenizer.
        for window in one_ahead(coming) if self.adapter.objective.one_pass else coming:
            try:
                predictions = self._predict_window(window)
            except DataError as error:  # a file that is there, and is no image
                window = rows.without_unreadable(window.examples, window.bad, error)
                predictions = self._predict_window(window)
            yield from rows.in_order(window, predictions)
        rows.tell()

    def _predict_window(self, window: Window) -> list[Prediction]:
        from ftkit.engine.predicting import predict_windows
        from ftkit.engine.shared_work import is_shared

        if window.encoded is None:
            return []
        found: list[Prediction] = []
        good, model = window.good, self.model
        for start, stop, arrays in predict_windows(
            model, self.adapter, window.encoded, self.limits, shared=is_shared(), autocast=self._autocast
        ):
            decoded = self.adapter.objective.decode(arrays, good[start:stop])
            if self.drawings is not None:
                self.drawings.add(good[start:stop], decoded)
            found += decoded
        return found
