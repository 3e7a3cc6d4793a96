"""What `all_results.json` and the screen say of a run: numbers, and sentences for what the user should know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ftkit.adapters.preprocessor import Preprocessor
from ftkit.adapters.rows import Encoded
from ftkit.runs.environment import environment
from ftkit.types import Split

if TYPE_CHECKING:
    from ftkit.engine.evaluation import Evaluation


def prefix_of(split: str) -> str:
    """Returns what the results of a split are named after: `eval` for validation, as in the ecosystem."""
    return "eval" if split == "validation" else split


def collect_results(
    trained: Mapping[str, Any],
    splits: Mapping[str, Split],
    encoded: Mapping[str, Encoded],
    evaluated: Mapping[str, Evaluation],
) -> dict[str, Any]:
    """Puts `all_results.json` together, flat.

    Args:
        trained: the numbers of the training.
        encoded: split -> its rows; those that were predicted from.
    """
    results: dict[str, Any] = dict(trained)
    for name, rows in encoded.items():
        prefix = prefix_of(name)
        if name in evaluated:
            results |= {f"{prefix}_{key}": value for key, value in evaluated[name].metrics.items()}
        results |= {f"{prefix}_samples": len(rows), f"{prefix}_truncated_samples": _num_truncated(rows)}
        if name in splits and splits[name].is_sample:
            results[f"{prefix}_samples"] = trained["num_rows_streamed"]
        else:
            results |= {f"{prefix}_{what}": count for what, count in rows.counts.items()}
        shares = {what: count / len(rows) for what, count in rows.cut.items() if what != "input"}
        results |= {f"{prefix}_truncated_{what}s_share": share for what, share in shares.items()}
    return results | {"data": data_facts(splits), "environment": environment()}


def _num_truncated(rows: Encoded) -> int:
    """Returns how many examples lost some of what is read."""
    return sum(count for what, count in rows.cut.items() if what != "target")


def data_facts(splits: Mapping[str, Split]) -> dict[str, dict[str, Any]]:
    """Returns what was read for each split."""
    return {
        name: {
            "source": split.source,
            "checked_rows" if split.is_sample else "rows": len(split),
            "fingerprint": split.fingerprint,
        }
        for name, split in splits.items()
    }


def counted(splits: Mapping[str, Split], encoded: Mapping[str, Encoded], preprocessor: Preprocessor) -> dict[str, str]:
    """Returns split -> what was counted of its rows in words; nothing of a stream, whose end is not known."""
    told = {name: preprocessor.counted(rows) for name, rows in encoded.items() if not splits[name].is_sample}
    return {name: text for name, text in told.items() if text is not None}


def truncation_warnings(encoded: Mapping[str, Encoded], preprocessor: Preprocessor) -> list[str]:
    """Returns one sentence for each split and thing of which something was cut."""
    return [
        cut_sentence(name, count, len(rows), preprocessor.cut_meanings[what])
        for name, rows in encoded.items()
        for what, count in rows.cut.items()
        if count
    ]


def cut_sentence(name: str, count: int, total: int, meaning: str) -> str:
    """Returns that of so many rows something was cut.

    Args:
        meaning: the end of the sentence; see `Preprocessor.cut_meanings`.
    """
    return f"{count / total:.1%} of {name} ({count:,} row{'' if count == 1 else 's'}) is {meaning}."


def cut_off_warnings(evaluated: Mapping[str, Evaluation]) -> list[str]:
    """Returns one sentence for each split of which written texts had not ended at their longest."""
    shares = {name: found.metrics.get("cut_off_share") for name, found in evaluated.items()}
    return [cut_off_sentence(name, share) for name, share in shares.items() if share]


def cut_off_sentence(name: str, share: float) -> str:
    """Returns that texts were cut off at the most tokens that are written."""
    return (
        f"{share:.1%} of the texts written for {name} did not end within generation.max_new_tokens and were cut off."
    )
