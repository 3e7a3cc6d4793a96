"""What a metric and a group of metrics say about themselves: plain Python, nothing is imported or computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field

PAIR = ("predictions", "references")
SCORE_INPUTS = ("prediction_scores", "scores")
"""The names under which a metric may ask for probabilities; evaluate's own metrics use both."""


@dataclass(frozen=True)
class MetricEntry:
    """One metric, in the groups whose rows one class can read.

    Attributes:
        name: as in a config. Two rows may share a name where no group is in both.
        reference: `module:Class` of an `ArrayMetric`.
        groups: names of the groups that the metric suits.
        keys: the keys that the metric puts into a result; its name, if left out.
        inputs: what the metric reads, by the names that the group's scorer gives.
        details: keys of texts that come with the values, such as `bleu_signature`.
        lower_is_better: whether a smaller value is better; of a key that ends in `loss` it always is.
    """

    name: str
    reference: str
    groups: tuple[str, ...]
    keys: tuple[str, ...] = ()
    _: KW_ONLY
    inputs: tuple[str, ...] = PAIR
    details: tuple[str, ...] = ()
    lower_is_better: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", self.keys or (self.name,))

    @property
    def needs_scores(self) -> bool:
        """Whether the metric reads probabilities rather than predicted labels."""
        return any(name in SCORE_INPUTS for name in self.inputs)


@dataclass(frozen=True, kw_only=True)
class MetricGroup:
    """What is computed of one shape of predictions. `MetricGroup(name="mine")` is judged by its loss alone.

    Attributes:
        name: of a classifier its problem type, else the kind that the group was made for.
        scorer: `module:Class` of a scorer.
        arguments: what the scorer is made with: `labels`, and names of the kind's options.
        defaults: the metrics that are computed when neither the config nor the task names any.
        primary: the key that picks the best checkpoint; the default metrics compute it.
        gives: what an external metric may read, input name -> what it is. Empty: no external metric can be computed.
        evaluate_config: the `config_name` that evaluate's own modules want for such rows.
    """

    name: str
    scorer: str = "ftkit.metrics.loss_scorer:LossScorer"
    arguments: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    primary: str = "loss"
    gives: Mapping[str, str] = field(default_factory=dict)
    evaluate_config: str | None = None
