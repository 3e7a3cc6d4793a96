"""Whoever is attached to a model may ask which batch it computes; nobody else's business it is."""

from __future__ import annotations

import pytest

from ftkit.adapters.rows import Batch
from ftkit.engine.current_batch import computing, current_batch


def test_a_batch_is_current_in_its_block_alone() -> None:
    one, other = Batch({}), Batch({})
    assert current_batch() is None
    with computing(one):
        assert current_batch() is one
        with computing(other):
            assert current_batch() is other
        assert current_batch() is one
    assert current_batch() is None


def test_a_failed_step_leaves_none_behind() -> None:
    with pytest.raises(RuntimeError, match="out of memory"), computing(Batch({})):
        raise RuntimeError("out of memory")
    assert current_batch() is None
