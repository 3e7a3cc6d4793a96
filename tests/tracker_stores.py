"""Reads back what trackers have written, with as little of ftkit as can be, and a stand-in for Trackio."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TRACKIO = """
import json, os

config = {}


def _fail_at(moment):
    if os.environ.get("FAKE_TRACKIO_FAILS") == moment:
        raise RuntimeError(f"no trackio at {moment}")


def _write(kind, **values):
    with open(os.environ["FAKE_TRACKIO_LOG"], "a") as file:
        file.write(json.dumps({"kind": kind, **values}) + "\\n")


class Run:
    def log(self, metrics, step=None):
        _fail_at(f"step {step}")
        _write("log", metrics=metrics, step=step)

    def log_artifact(self, path, name=None, type=None):
        with open(path) as file:
            _write("artifact", name=name, content=file.read())


def finish():
    _fail_at("the end")
    _write("finish")


def init(project, **arguments):
    _fail_at("the start")
    print("* Trackio project initialized")
    _write("init", project=project, **arguments)
    return Run()
"""
"""A module that writes its calls into FAKE_TRACKIO_LOG, and fails where FAKE_TRACKIO_FAILS says."""


def install_trackio(folder: Path, monkeypatch: Any) -> Path:
    """Puts the stand-in where Python finds it, and returns the file of its calls."""
    (folder / "modules").mkdir(parents=True)
    (folder / "modules" / "trackio.py").write_text(TRACKIO)
    monkeypatch.syspath_prepend(folder / "modules")
    monkeypatch.setenv("FAKE_TRACKIO_LOG", str(folder / "calls.jsonl"))
    return folder / "calls.jsonl"


def calls(path: Path, kind: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [call for call in found if call["kind"] == kind]


def tensorboard_events(folder: Path) -> Any:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return events.Reload()


def tensorboard_text(events: Any, tag: str) -> str:
    return events.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode()


def wandb_records(path: Path) -> Iterator[Any]:
    """Yields the records of a `.wandb` file: after 7 bytes, blocks of 32 kB as LevelDB's log has them."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, record = path.read_bytes(), 7, b""
    while position + 7 <= len(content):
        if 32768 - position % 32768 < 7:  # no header fits into the rest of a block
            position += 32768 - position % 32768
            continue
        length, part = struct.unpack("<HB", content[position + 4 : position + 7])
        record += content[position + 7 : position + 7 + length]
        position += 7 + length
        if part in (1, 4):  # whole, or the last part
            yield Record.FromString(record)
            record = b""


def wandb_values(items: Any) -> dict[str, Any]:
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in items}
