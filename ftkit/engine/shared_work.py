"""Work that several processes share: each takes a part of it, and all get the whole."""

from __future__ import annotations

import os

import numpy as np

from ftkit.adapters.rows import Arrays


def is_shared() -> bool:
    """Tells whether a launcher has started several processes, which share the work."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def agreed(number: int) -> int:
    """Returns what the main process says, on all of them."""
    if not is_shared():
        return number
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    PartialState()
    return int(broadcast_object_list([number])[0])


def share_of(batches: list[np.ndarray]) -> list[np.ndarray]:
    """Returns every n-th batch on each of n processes."""
    from accelerate import PartialState

    state = PartialState()
    return batches[state.process_index :: state.num_processes]


def gather(predicted: list[tuple[np.ndarray, Arrays]]) -> list[tuple[np.ndarray, Arrays]]:
    """Returns what all processes predicted, on each of them."""
    from accelerate import PartialState

    if PartialState().num_processes == 1:
        return predicted
    from accelerate.utils import gather_object

    return gather_object(predicted)
