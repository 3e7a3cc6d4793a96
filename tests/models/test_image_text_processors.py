"""Processors of images and texts whose checkpoint reads videos as well, which takes torchvision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import tiny_image_text
from ftkit.errors import CheckpointError
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.image_text_processors import load_image_text_processor
from ftkit.models.spec import ModelSpec


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny_image_text.make_checkpoint("qwen2_vl", tmp_path / "qwen")


def loaded(folder: Path) -> Any:
    return load_image_text_processor(inspect_checkpoint(ModelSpec(checkpoint=str(folder))))


def saved_videos(folder: Path, to: Path) -> Any:
    loaded(folder).save_pretrained(to)
    found = json.loads((to / "processor_config.json").read_text())
    assert found["processor_class"] == "Qwen2VLProcessor"
    return found.get("video_processor")


def test_settings_for_videos_are_kept_wherever_they_lie(folder: Path, tmp_path: Path) -> None:
    config = folder / "processor_config.json"
    ours = {"video_processor_type": "OfVideos", "fps": 2.0}
    assert saved_videos(folder, tmp_path / "in_it") == ours
    stated = json.loads(config.read_text())
    images = stated.pop("image_processor")
    # As Qwen's own repositories have it: nothing but the settings of images, which are those of videos, too.
    config.unlink()
    (folder / "preprocessor_config.json").write_text(json.dumps(images))
    videos = saved_videos(folder, tmp_path / "of_images")
    assert videos["patch_size"] == tiny_image_text.PATCH
    assert "image_processor_type" not in videos
    (folder / "video_preprocessor_config.json").write_text(json.dumps({"fps": 4.0}))
    assert saved_videos(folder, tmp_path / "of_videos") == {"fps": 4.0}


def test_what_smolvlm_asks_for_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tiny_image_text.make_checkpoint("smolvlm", tmp_path / "smolvlm")
    monkeypatch.setattr("transformers.models.smolvlm.processing_smolvlm.num2words", None)
    with pytest.raises(CheckpointError, match=r"asks for the package num2words.\nFix: pip install 'ftkit\[smolvlm\]'"):
        loaded(folder)
