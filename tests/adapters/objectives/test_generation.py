"""Losses and texts of what is written, as literals; which checkpoints can write, and what is said of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import tiny
from ftkit.adapters.rows import Batch
from ftkit.errors import CheckpointError, ConfigError
from pairs import make_pairs, make_sources, make_translator
from plain import saved


def test_an_encoder_alone_cannot_write(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(
        ConfigError, match=r"translation does not work with .*family encoder[^$]*Fix: .*model\.decoder"
    ):
        make_translator(checkpoint("bert"))


def test_a_decoder_without_cross_attention(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"model\.decoder: .*no cross-attention .*'llama'.*BERT, RoBERTa"):
        make_translator(checkpoint("bert"), checkpoint("llama"))


def test_only_an_encoder_can_be_joined(checkpoint: Callable[[str], Path]) -> None:
    with pytest.raises(CheckpointError, match=r"of family encoder-decoder; model\.checkpoint has to name an encoder"):
        make_translator(checkpoint("t5"), checkpoint("bert"))


def test_a_checkpoint_without_its_writing_half(checkpoint: Callable[[str], Path], tmp_path: Path) -> None:
    import shutil

    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(checkpoint("t5"), tmp_path / "half")
    weights = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in weights.items() if not name.startswith("decoder.")}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks \d+ parameters that writing text needs, such as decoder\."):
        make_translator(folder).objective.build()


# --- losses and texts ---

# -log p of the tokens 1 and 0 where the logits of three tokens are 2, 0, 0: log(e^2 + 2), and that less 2.
FAR, NEAR = 2.2395447662, 0.2395447662
LOGITS = torch.tensor([[[2.0, 0.0, 0.0]] * 3])


def loss(adapter: Any, labels: list[int]) -> list[float]:
    batch = Batch(inputs={}, labels=torch.tensor([labels]))
    return adapter.objective.loss(SimpleNamespace(logits=LOGITS), batch).tolist()


def test_loss_is_the_sum_over_the_tokens_of_a_target(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("marian"))
    assert loss(adapter, [1, 0, -100]) == pytest.approx([FAR + NEAR])
    smoothed = make_translator(checkpoint("marian"), label_smoothing=0.3)
    assert loss(smoothed, [0, -100, -100]) == pytest.approx([0.7 * NEAR + 0.1 * (NEAR + FAR + FAR)])


def test_a_decoder_predicts_the_token_after(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("gpt2"), prompt_template="{source} is")
    assert loss(adapter, [-100, 1, 0]) == pytest.approx([FAR + NEAR])
    assert loss(adapter, [1, -100, 0]) == pytest.approx([NEAR]), "nothing comes before the first"


def test_token_ids_become_texts_of_one_line(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("gpt2"), prompt_template="{source} is")
    tokenizer, examples = adapter.preprocessor.processor, make_pairs(("rain", "sun"), (" ", ""), ("card", "cup"))
    texts = [" the sun\nand the cup", " rain", " cup"]
    rows = np.empty(3, object)
    rows[:] = [np.array([*tokenizer(text)["input_ids"], tokenizer.eos_token_id]) for text in texts]
    encoded = adapter.preprocessor.encode(examples, targets=False)
    found = adapter.objective.finish({"predictions": rows, "cut_off": np.zeros(3, bool)}, encoded, 0, 3)
    assert found["predictions"].tolist() == ["the sun and the cup", "rain", "cup"]
    decoded = adapter.objective.decode(found, examples)
    assert [row["prediction"] for row in decoded] == ["the sun and the cup", "", "cup"], "nothing for an empty source"
    assert adapter.objective.references(examples).tolist() == ["sun", "", "cup"]


def test_where_the_end_was_not_reached_is_told(checkpoint: Callable[[str], Path]) -> None:
    adapter = make_translator(checkpoint("marian"), max_new_tokens=3)
    end = adapter.preprocessor.end_id

    class Writes:
        generation_config = SimpleNamespace(eos_token_id=end, num_beams=1)

        def generate(self, **inputs: Any) -> torch.Tensor:
            return torch.tensor([[0, 7, 8, 9], [0, 7, end, 0]])

    batch = tiny.batch_of(adapter, adapter.preprocessor.encode(make_sources("rain", "sun"), targets=False))
    found = adapter.objective.predict(Writes(), batch)
    assert found["predictions"].tolist() == [[7, 8, 9], [7, end, 0]], "without what the decoder starts with"
    assert found["cut_off"].tolist() == [True, False]


@pytest.mark.parametrize(("model", "num_beams"), [("marian", 1), ("marian", 2), ("gpt2", 1)])
def test_rows_are_written_as_each_would_be_alone(
    model: str, num_beams: int, checkpoint: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = saved("CausalLM" if model == "gpt2" else "Seq2SeqLM", checkpoint(model), tmp_path / "model", noise=0.3)
    options = {"prompt_template": "{source} ="} if model == "gpt2" else {}
    adapter = make_translator(folder, **options, generation={"num_beams": num_beams})
    adapter.preprocessor.fit(make_pairs(("the cold rain", "rain the cold"), ("rain", "card")))
    most = adapter.preprocessor.max_new_tokens
    model_ = adapter.objective.build().model.eval()
    sources = make_sources("the cold rain today and tonight " * 2, "rain", "a cold wind today", "sun")

    def written(examples: Any) -> list[tuple[list[int], bool]]:
        with torch.inference_mode():
            batch = tiny.batch_of(adapter, adapter.preprocessor.encode(examples, targets=False))
            found = adapter.objective.predict(model_, batch)
        pad = adapter.preprocessor.target_tokenizer.pad_token_id
        rows = [[id_ for id_ in row if id_ != pad] for row in found["predictions"].tolist()]
        return list(zip(rows, found["cut_off"].tolist(), strict=True))

    together = written(sources)
    assert together == [written([source])[0] for source in sources]
    lengths = [len(ids) for ids, cut_off in together if cut_off]
    assert most < max(lengths) <= 8 * most
