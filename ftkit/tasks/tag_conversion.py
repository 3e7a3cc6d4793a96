"""Tags and spans as files have them -> tags in the scheme that a run learns."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ftkit.data.check import Problems
from ftkit.data.spec import DataSpec
from ftkit.errors import did_you_mean
from ftkit.tag_schemes import (
    OUTSIDE,
    PREFIXES,
    SCHEMES,
    Entity,
    Scheme,
    conlleval_entities,
    illegal_positions,
    parse,
    recognise,
    strict_entities,
    tags_of,
)
from ftkit.tasks.task import Task
from ftkit.types import CharSpan, Split, TokenExample


def resolve(
    splits: Mapping[str, Split], task: Task, spec: DataSpec, problems: Problems
) -> tuple[dict[str, Split], DataSpec]:
    """Turns what the files say into tags of the learnt scheme.

    The scheme of the files is the declared one, or recognised over all splits. Tags that break it are reported;
    they stay as they are unless `data.repair_tags` says what they become.

    Returns:
        The splits, and the spec with both schemes filled in: a finished run records them.
    """
    named = {
        name: dataclasses.replace(split, examples=[_named(example, split, task, spec, problems) for example in split])
        for name, split in ((name, _Labelled(split)) for name, split in splits.items())
    }
    return named, spec
