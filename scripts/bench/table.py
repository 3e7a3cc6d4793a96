"""What people read: for each comparison a table in Markdown, and all figures as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

from measure import Outcome, Variant, speedups, spread
from work import FORMULA

Figures = Mapping[str, Mapping[str, Sequence[float]]]  # variant's name -> figure -> its value in each repeat
BUSY = 0.1  # the processor's share above which other programs were surely in the way


class Column(NamedTuple):
    """A column of the table: heading, figure, and how a number is shown."""

    heading: str
    figure: str
    show: Callable[[float], str]


COLUMNS = (
    Column("texts/s", "rate", "{:,.1f}".format),
    Column("seconds", "seconds", "{:.2f}".format),
    Column("ftkit against it", "speedup", "{:.2f}x".format),
    Column("score", "score", "{:.4f}".format),
    Column("padding", "padding_share", "{:.0%}".format),
    Column("memory, MiB", "peak_mib", "{:,.0f}".format),
    Column("GFLOP/s", "gflops", "{:,.1f}".format),
    Column("of fp32 peak", "fp32_share", "{:.0%}".format),
    Column("of bf16 peak", "bf16_share", "{:.0%}".format),
    Column("whole process, s", "wall_seconds", "{:.1f}".format),
)


def shown(values: Sequence[float], show: Callable[[float], str]) -> str:
    """Returns `median (least to greatest)`, or the one value."""
    found = spread(values)
    ends = f" ({show(found.low)} to {show(found.high)})" if len(values) > 1 else ""
    return show(found.median) + ends


def figures_of(outcome: Outcome) -> Figures:
    """Returns all figures of a comparison, with shares of the machine's peak and with ftkit's speedup."""
    reference = outcome.benchmark.variants[0].name
    found = {}
    for name, samples in outcome.samples.items():
        figures = {figure: [sample[figure] for sample in samples] for figure in samples[0] if figure != "precision"}
        for precision in ("fp32", "bf16"):
            peak = spread([run[f"{precision}_gflops"] for run in outcome.machine]).median
            if "gflops" in figures:
                figures[f"{precision}_share"] = [value / peak for value in figures["gflops"]]
        found[name] = figures | {"speedup": speedups(outcome, reference, name)}
    return found


def render(outcome: Outcome) -> str:
    """Returns a comparison as Markdown: heading, facts, table, and what else was compared."""
    benchmark, figures = outcome.benchmark, figures_of(outcome)
    found = {name for row in figures.values() for name in row}
    # Where texts are counted, their rate says the same as the seconds.
    columns = [column for column in COLUMNS if column.figure in found - ({"seconds"} if "rate" in found else set())]
    lines = ["| | " + " | ".join(column.heading for column in columns) + " |", "|---|" + "---|" * len(columns)]
    for variant in benchmark.variants:
        row = figures[variant.name]
        cells = (shown(row[name], show) if name in row else "" for _, name, show in columns)
        lines.append(f"| {variant.title}{_precision(outcome, variant)} | " + " | ".join(cells) + " |")
    for one, other in benchmark.comparisons:
        titles = {variant.name: variant.title for variant in benchmark.variants}
        if one in titles and other in titles:
            ratio = shown(speedups(outcome, one, other), "{:.2f}x".format)
            lines.append(f"\nSpeed of {titles[one]} against {titles[other]}: {ratio}.")
    return "\n".join([f"## {benchmark.title}", "", benchmark.facts, "", *lines, ""])


def _precision(outcome: Outcome, variant: Variant) -> str:
    """Returns what a side says it computed in, in brackets, unless its title says so."""
    said = {sample["precision"] for sample in outcome.samples[variant.name] if "precision" in sample}
    said = sorted(name for name in said if name not in variant.title)
    return f" ({', '.join(said)})" if said else ""


def render_all(outcomes: Sequence[Outcome]) -> str:
    """Returns `table.md`: the machine, how to read the figures, and every comparison."""
    runs = [run for outcome in outcomes for run in outcome.machine]
    repeats = len(outcomes[0].machine)
    peaks = (f"{name} {shown([run[f'{name}_gflops'] for run in runs], '{:,.0f}'.format)}" for name in ("fp32", "bf16"))
    machine = runs[0]
    head = [
        "# ftkit and plain transformers, side by side",
        "",
        f"{machine['device']}, cores: {machine['num_cores']}, threads: {machine['num_threads']}. "
        f"{machine['platform']}, Python {machine['python']}, torch {machine['torch']}.",
        f"A large matrix product reaches, in GFLOP/s: {', '.join(peaks)}.",
        "",
        f"Median of {repeats} repeats, and their range." if repeats > 1 else "One repeat: no range.",
        FORMULA,
        "",
    ]
    busy_share = max(run["busy_share"] for run in runs)
    if busy_share > BUSY:
        head += [f"**Other programs took up to {busy_share:.0%} of the processor. These figures do not hold.**", ""]
    return "\n".join([*head, *map(render, outcomes)])


def as_json(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Returns `results.json`: each process's figures, and their spread."""
    return {outcome.benchmark.name: _outcome_as_json(outcome) for outcome in outcomes}


def _outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    benchmark, figures = outcome.benchmark, figures_of(outcome)
    return {
        "title": benchmark.title,
        "facts": benchmark.facts,
        "work": benchmark.work and asdict(benchmark.work),
        "formula": FORMULA,
        "machine": outcome.machine,
        "variants": {
            variant.name: {
                "title": variant.title,
                "samples": outcome.samples[variant.name],
                "spread": {name: spread(values)._asdict() for name, values in figures[variant.name].items()},
            }
            for variant in benchmark.variants
        },
    }
