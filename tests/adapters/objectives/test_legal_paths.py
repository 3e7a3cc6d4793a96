"""The path that is found is the likeliest of all that a scheme allows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftkit.adapters.objectives.legal_paths import LegalPaths
from ftkit.tag_schemes import PREFIXES, illegal_positions, tag_names


@pytest.mark.parametrize("scheme", PREFIXES)
@settings(deadline=None, max_examples=50)
@given(data=st.data())
def test_the_path_is_the_likeliest_of_all_legal_ones(scheme: str, data: st.DataObject) -> None:
    tags = tag_names(("a", "b") if scheme != "BILOU" else ("a",), scheme)  # type: ignore[arg-type]
    num_words = data.draw(st.integers(0, 4))
    seed = data.draw(st.integers(0, 10_000))
    scores = np.log(np.random.default_rng(seed).dirichlet(np.full(len(tags), 0.3), num_words) + 1e-9)
    paths = [()]
    for _ in range(num_words):
        paths = [(*path, tag) for path in paths for tag in range(len(tags))]
    legal = [path for path in paths if not illegal_positions([tags[tag] for tag in path], scheme)]  # type: ignore[arg-type]
    found = LegalPaths(tags, scheme).best(scores.reshape(num_words, len(tags)))  # type: ignore[arg-type]
    assert tuple(found.tolist()) in legal
    best = max(sum(scores[word, tag] for word, tag in enumerate(path)) for path in legal)
    assert sum(scores[word, tag] for word, tag in enumerate(found)) == pytest.approx(best)
