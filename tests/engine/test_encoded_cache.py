"""Encoded splits on disk: found only if nothing that decides them has changed, and never a reason to fail."""

import dataclasses
import json
import os
import shutil
import threading
import time

import numpy as np
import pytest

import ftkit
from ftkit.adapters.classify import EncoderClassifier
from ftkit.adapters.table import find_adapter
from ftkit.engine import encoded_cache
from ftkit.engine.encoded_cache import EncodedCache, cache_folder, read_entry, write_entry
from ftkit.errors import ConfigError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace, Split, TextToTextExample, TokenExample
from runs import run_config
from tiny import EXAMPLES, make_adapter, make_split

LABELS = LabelSpace(tuple(sorted({label for _, label in EXAMPLES})))
TAGS = LabelSpace(("O", "B-X", "I-X"))
NO_LIMIT = 1e9


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The cache of these tests; splits as small as theirs are worth keeping."""
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(encoded_cache, "MIN_ROWS", 4)
    return tmp_path / "cache" / "encoded"


def examples_of(kind):
    texts = [text for text, _ in EXAMPLES]
    if kind == "text-classification":
        return make_split(texts, [label for _, label in EXAMPLES]).examples
    if kind == "token-classification":
        words = [tuple(f"{text} {text}".split()) for text in texts]
        return [TokenExample(index, row, ("B-X",) * len(row)) for index, row in enumerate(words)]
    return [TextToTextExample(index, text, text[::-1]) for index, text in enumerate(texts)]


def splits_of(kind):
    examples = examples_of(kind)
    return Split("train", "train.csv", examples[:12]), Split("validation", "validation.csv", examples[8:])


KINDS = {
    "text-classification": ("bert", LABELS, {}),
    "token-classification": ("bert", TAGS, {"max_length": 12, "window_overlap": 2}),
    "translation": ("bart", None, {"max_length": 16}),
    "translation with a decoder": ("gpt2", None, {"max_length": 40, "prompt_template": "{source} ="}),
}


def adapter_of(name, checkpoint):
    model_type, labels, options = KINDS[name]
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(checkpoint(model_type))))
    return find_adapter(name.partition(" ")[0], spec.family, spec.name)(spec, labels, **options)


def encode(adapter, options=(), splits=None):
    train, validation = splits or splits_of("text-classification")
    cache = EncodedCache(adapter, dict(options))
    return cache.encode(train), cache.encode_prompt(validation)


def refuse_to_tokenize(adapter, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("tokenized")

    monkeypatch.setattr(type(adapter.tokenizer), "__call__", refuse)


@pytest.mark.parametrize("name", KINDS)
def test_what_was_encoded_before_is_found_and_the_same(name, checkpoint, monkeypatch):
    first = adapter_of(name, checkpoint)
    splits = splits_of(name.partition(" ")[0])
    expected = encode(first, splits=splits)
    second = adapter_of(name, checkpoint)
    refuse_to_tokenize(second, monkeypatch)
    found = encode(second, splits=splits)
    assert second.fitted_options == first.fitted_options
    for one, other in zip(expected, found, strict=True):
        assert (one.from_cache, other.from_cache) == (False, True)
        assert other.rows.features == one.rows.features
        assert other.rows[:] == one.rows[:]
        assert other.rows[[3, 1]] == one.rows[[3, 1]]
        for field in dataclasses.fields(one):
            if field.name not in ("rows", "from_cache"):
                assert np.array_equal(getattr(one, field.name), getattr(other, field.name)), field.name
        assert other.lengths.dtype == one.lengths.dtype
        if "labels" in one.rows.column_names:
            assert second.count_items(other) == first.count_items(one)


def test_windows_and_fitted_lengths_are_part_of_these_tests(checkpoint):
    tagged = encode(adapter_of("token-classification", checkpoint), splits=splits_of("token-classification"))[0]
    assert len(tagged.first_rows) == 13
    assert len(tagged.lengths) > 12
    writer = adapter_of("translation with a decoder", checkpoint)
    assert writer.fitted_options["max_new_tokens"] is None
    assert encode(writer, splits=splits_of("translation"))[0].num_truncated_targets > 0
    assert writer.fitted_options["max_new_tokens"] is not None


# --- what decides the rows ---


def changed(examples, **change):
    return [dataclasses.replace(examples[0], **change), *examples[1:]]


@pytest.mark.parametrize(
    "change",
    [
        lambda examples: changed(examples, text="another text"),
        lambda examples: changed(examples, label="food"),
        lambda examples: changed(examples, text_pair="a second text"),
        lambda examples: examples[::-1],
        lambda examples: examples[:-1],
    ],
)
def test_other_examples_are_not_found(checkpoint, change):
    def found(split):
        return EncodedCache(make_adapter(checkpoint("bert"), LABELS), {}).encode(split).from_cache

    train, _ = splits_of("text-classification")
    assert not found(train)
    assert not found(Split("train", "train.csv", change(list(train.examples))))
    assert found(Split("train", "moved.csv", train.examples))


def test_texts_that_join_to_the_same_are_told_apart(checkpoint):
    adapter = make_adapter(checkpoint("bert"), LABELS)
    one, other = ["a\nb", "c", "d", "e"], ["a", "b\nc", "d", "e"]
    cache = EncodedCache(adapter, {})
    assert cache._key(make_split(one), "encode") != cache._key(make_split(other), "encode")


def test_other_settings_are_not_found(checkpoint, monkeypatch):
    def found(adapter, options=()):
        encoded = encode(adapter, options)
        assert encoded[0].from_cache == encoded[1].from_cache
        return encoded[0].from_cache

    folder = checkpoint("bert")
    assert not found(make_adapter(folder, LABELS))
    assert found(make_adapter(folder, LABELS))
    assert not found(make_adapter(folder, LABELS, max_length=8))
    assert not found(make_adapter(folder, LabelSpace(LABELS.names[::-1])))
    assert not found(make_adapter(folder, LABELS), {"label_smoothing": 0.1})
    assert found(make_adapter(folder, LABELS), {"label_smoothing": 0.1})
    assert not found(make_adapter(checkpoint("electra"), LABELS))
    with monkeypatch.context() as patch:
        patch.setattr(EncoderClassifier, "version", 2)
        assert not found(make_adapter(folder, LABELS))
    with monkeypatch.context() as patch:
        patch.setattr("transformers.__version__", "5.99.0")
        assert not found(make_adapter(folder, LABELS))
    assert found(make_adapter(folder, LABELS))


def test_another_tokenizer_in_the_same_place_is_not_found(checkpoint, tmp_path):
    folder = shutil.copytree(checkpoint("bert"), tmp_path / "mine")
    assert not encode(make_adapter(folder, LABELS))[0].from_cache
    assert encode(make_adapter(folder, LABELS))[0].from_cache
    content = json.loads((folder / "tokenizer.json").read_text())
    vocab = content["model"]["vocab"]
    vocab["card"], vocab["rain"] = vocab["rain"], vocab["card"]
    (folder / "tokenizer.json").write_text(json.dumps(content))
    one, other = encode(make_adapter(folder, LABELS))[0], make_adapter(checkpoint("bert"), LABELS)
    assert not one.from_cache
    assert one.rows["input_ids"] != other.encode(splits_of("text-classification")[0]).rows["input_ids"]


def test_rows_to_train_on_are_not_rows_to_predict_on(checkpoint):
    adapter = adapter_of("translation", checkpoint)
    train, _ = splits_of("translation")
    cache = EncodedCache(adapter, {})
    adapter.max_new_tokens = 8  # as fitted: nothing but the view differs
    assert "labels" in cache.encode(train).rows.column_names
    assert "labels" not in cache.encode_prompt(train).rows.column_names


# --- damage ---


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


DAMAGE = {
    "flipped": flip,
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-10]),
    "empty": lambda path: path.write_bytes(b""),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("name", ["rows.arrow", "lengths.npy", "first_rows.npy", "entry.json"])
def test_a_damaged_entry_is_encoded_and_written_again(checkpoint, folder, name, damage):
    splits = splits_of("token-classification")
    expected = encode(adapter_of("token-classification", checkpoint), splits=splits)[0].rows[:]
    for entry in folder.iterdir():
        damage(entry / name)
    again = encode(adapter_of("token-classification", checkpoint), splits=splits)[0]
    assert not again.from_cache
    assert again.rows[:] == expected
    assert len(list(folder.iterdir())) == 2, "nothing of the damaged ones is left"
    assert encode(adapter_of("token-classification", checkpoint), splits=splits)[0].from_cache


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": [], "counts": {}}', '{"files": {}, "counts": null}', "1"])
def test_an_index_of_another_shape_is_damage(checkpoint, folder, content):
    encode(make_adapter(checkpoint("bert"), LABELS))
    for entry in folder.iterdir():
        (entry / "entry.json").write_text(content)
    assert not encode(make_adapter(checkpoint("bert"), LABELS))[0].from_cache


# --- where it may and may not lie ---


def test_only_the_user_may_read_it(checkpoint, folder):
    encode(make_adapter(checkpoint("bert"), LABELS))
    assert folder.stat().st_mode & 0o777 == 0o700
    for entry in folder.iterdir():
        assert entry.stat().st_mode & 0o777 == 0o700
        assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o600}


def test_an_entry_of_another_user_is_not_read(checkpoint, folder, monkeypatch):
    encode(make_adapter(checkpoint("bert"), LABELS))
    before = sorted(path.name for path in folder.iterdir())
    monkeypatch.setattr(os, "getuid", lambda: 4711)
    assert not encode(make_adapter(checkpoint("bert"), LABELS))[0].from_cache
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_folder_that_cannot_be_written_is_no_error(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("FTKIT_CACHE", str(tmp_path / "file"))
    for _ in range(2):
        assert not encode(make_adapter(checkpoint("bert"), LABELS))[0].from_cache


def test_a_disk_that_is_full_is_no_error(checkpoint, folder, monkeypatch):
    def fail(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", fail)
    assert not encode(make_adapter(checkpoint("bert"), LABELS))[0].from_cache
    assert not list(folder.iterdir())


def test_off_small_splits_foreign_code_and_other_processes_leave_nothing(checkpoint, folder, monkeypatch):
    adapter = make_adapter(checkpoint("bert"), LABELS)
    with monkeypatch.context() as patch:
        patch.setenv("FTKIT_CACHE", "OFF")
        assert cache_folder() is None
        encode(adapter)
    with monkeypatch.context() as patch:
        patch.setattr(encoded_cache, "MIN_ROWS", 13)
        encode(adapter)
    with monkeypatch.context() as patch:
        patch.setattr(adapter, "spec", dataclasses.replace(adapter.spec, trust_remote_code=True))
        encode(adapter)
    with monkeypatch.context() as patch:
        patch.setenv("RANK", "1")
        encode(adapter)
    assert not folder.exists()
    encode(adapter)
    assert len(list(folder.iterdir())) == 2


def test_the_default_folder_is_the_users_own(tmp_path, monkeypatch):
    monkeypatch.delenv("FTKIT_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache" / "ftkit" / "encoded"


# --- its size ---


@pytest.fixture
def encoded(checkpoint):
    return make_adapter(checkpoint("bert"), LABELS).encode(splits_of("text-classification")[0])


def test_what_was_used_longest_ago_makes_room(encoded, folder):
    for age, name in enumerate("abc"):
        write_entry(folder / name, encoded, limit=NO_LIMIT)
        os.utime(folder / name, (1000 + age, 1000 + age))
    assert read_entry(folder / "a") is not None, "used now"
    size = encoded_cache._size(folder / "a")
    (folder / "notes.txt").write_text("of someone")
    write_entry(folder / "d", encoded, limit=3.5 * size)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "c", "d", "notes.txt"]
    write_entry(folder / "e", encoded, limit=10)
    assert not (folder / "e").exists(), "larger than all may be together"
    assert (folder / "d").exists()


def test_what_dead_writers_left_behind_is_removed(encoded, folder):
    for name, age in (("old.tmp", 2 * encoded_cache.ABANDONED), ("new.tmp", 60)):
        (folder / name).mkdir(parents=True)
        os.utime(folder / name, (time.time() - age,) * 2)
    write_entry(folder / "a", encoded, limit=NO_LIMIT)
    assert sorted(path.name for path in folder.iterdir()) == ["a", "new.tmp"]


def test_the_limit_is_read_in_gigabytes(checkpoint, monkeypatch):
    adapter = make_adapter(checkpoint("bert"), LABELS)
    assert EncodedCache(adapter, {}).limit == 2e9
    monkeypatch.setenv("FTKIT_CACHE_LIMIT", "0.5")
    assert EncodedCache(adapter, {}).limit == 5e8
    monkeypatch.setenv("FTKIT_CACHE_LIMIT", "2 GB")
    with pytest.raises(ConfigError, match=r"FTKIT_CACHE_LIMIT: expected a number of gigabytes, such as 2, got '2 GB'"):
        EncodedCache(adapter, {})


def test_two_writers_leave_one_whole_entry(encoded, folder, monkeypatch):
    both_have_written = threading.Barrier(2)
    make_room = encoded_cache._make_room

    def meet(*args):
        both_have_written.wait(timeout=10)
        make_room(*args)

    monkeypatch.setattr(encoded_cache, "_make_room", meet)
    writers = [
        threading.Thread(target=write_entry, args=(folder / "a", encoded), kwargs={"limit": NO_LIMIT}) for _ in "ab"
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [path.name for path in folder.iterdir()] == ["a"]
    assert read_entry(folder / "a").rows[:] == encoded.rows[:]


# --- a run ---


def test_a_second_run_does_not_tokenize_and_learns_the_same(checkpoint, tmp_path, monkeypatch):
    encoded_splits = []
    encode_really = EncoderClassifier.encode

    def encode_and_tell(self, split):
        encoded_splits.append(split.name)
        return encode_really(self, split)

    monkeypatch.setattr(EncoderClassifier, "encode", encode_and_tell)
    settings = {"train.num_train_epochs": 1}
    one = ftkit.train(run_config(tmp_path, checkpoint("bert"), **settings))
    assert encoded_splits[:3] == ["train", "validation", "test"]
    assert one.metrics["encoded_from_cache"] == {"train": False, "validation": False, "test": False}
    encoded_splits.clear()
    config = run_config(tmp_path, checkpoint("bert"), **settings, output_dir=str(tmp_path / "again"))
    other = ftkit.train(config)
    assert other.metrics["encoded_from_cache"] == {"train": True, "validation": True, "test": True}
    assert set(encoded_splits) == {"proof"}, "which reads the sample with the tokenizer that was saved"
    assert other.metrics["test_loss"] == one.metrics["test_loss"]
    weights = [(run.output_dir / "model.safetensors").read_bytes() for run in (one, other)]
    assert weights[0] == weights[1]
