"""Where a finished run computes, by default and when several processes predict together."""

import pytest
import torch

from ftkit.runs.loading import pick_device


@pytest.mark.parametrize(
    ("local_rank", "num_gpus", "expected"),
    [(None, 2, "cuda"), ("0", 2, "cuda:0"), ("1", 2, "cuda:1"), ("3", 2, "cuda:1"), ("1", 0, "cpu")],
)
def test_each_process_has_the_gpu_of_its_number(
    monkeypatch: pytest.MonkeyPatch, local_rank: str | None, num_gpus: int, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: num_gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: num_gpus)
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    if local_rank is not None:
        monkeypatch.setenv("LOCAL_RANK", local_rank)
    assert pick_device(None) == torch.device(expected)
    assert pick_device("cuda:0") == torch.device("cuda:0")
