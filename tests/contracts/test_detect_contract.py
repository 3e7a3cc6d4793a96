"""What every detector keeps to, whatever its checkpoint. A new model type only adds data."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import tiny_boxes
import tiny_images
from ftkit.adapters.objectives.detection import SUPPORTED
from ftkit.adapters.objectives.detection_loss import LOSSES, no_object_share
from ftkit.adapters.rows import Encoded
from ftkit.adapters.task_adapter import TaskAdapter
from ftkit.data.boxes import Box, DetectionExample
from ftkit.data.problems import Problems
from ftkit.data.readers import ReadOptions, open_table
from ftkit.errors import CheckpointError
from ftkit.kinds.kind import Settings
from ftkit.kinds.object_detection import KIND, ObjectDetectionData
from ftkit.models.checkpoint import inspect_checkpoint
from ftkit.models.head_rows import keep_known_rows
from ftkit.models.spec import ModelSpec
from ftkit.types import LabelSpace, Split

LABELS = LabelSpace(("circle", "square"))
Made = tuple[TaskAdapter, Any, Encoded]
every_model_type = pytest.mark.parametrize("model_type", SUPPORTED)


@pytest.fixture(scope="module")
def examples(tmp_path_factory) -> list[DetectionExample]:
    voc = tiny_boxes.make_voc(tmp_path_factory.mktemp("voc") / "voc", range(5))
    data = ObjectDetectionData(train=str(voc))
    table = open_table(str(voc), ReadOptions(media="image", annotated=True))
    read = list(KIND.read(table, KIND.task, KIND.columns_of(KIND.task, data), data, with_labels=True))
    splits, _ = KIND.normalize({"train": Split("train", str(voc), read)}, KIND.task, data, Problems())
    return list(splits["train"].examples)


@pytest.fixture(scope="module")
def made(examples, tmp_path_factory) -> Callable[[str], Made]:
    """Makes a task adapter, its model, and the encoded pictures; each once."""
    done: dict[str, Made] = {}

    def make(model_type: str) -> Made:
        if model_type not in done:
            folder = tiny_boxes.make_checkpoint(model_type, tmp_path_factory.mktemp(model_type))
            spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
            data = ObjectDetectionData(train="x", image_size=32)
            options = KIND.adapter_options(Split("train", "x", examples), LABELS, data, Settings())
            adapter = KIND.task_adapter(spec).make(spec, LABELS, options=options)
            adapter.preprocessor.fit(examples)
            loaded = adapter.objective.build()
            head = re.compile("class|bbox|score")
            assert all(map(head.search, loaded.new_parameters)), "the head alone is new"
            done[model_type] = adapter, loaded.model.eval(), adapter.preprocessor.encode(examples, targets=True)
        return done[model_type]

    return make


def losses(made: Made, rows: list[int]) -> torch.Tensor:
    adapter, model, encoded = made
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__(rows), training=False, rngs=None)
    torch.manual_seed(0)  # of the noise from which RT-DETR finds boxes again, in training
    with torch.no_grad():
        return adapter.objective.loss(model(**batch.inputs), batch)


def test_every_loss_is_covered():
    assert LOSSES.keys() == set(SUPPORTED)


@pytest.mark.parametrize(
    ("model_type", "training"),
    [
        # transformers' loss of LW-DETR asks for the groups of queries that it has in training, in evaluation too.
        # D-FINE's is compared below.
        *((name, False) for name in SUPPORTED if name not in ("lw_detr", "d_fine")),
        *((name, True) for name in ("lw_detr", "rt_detr", "rt_detr_v2")),
    ],
)
def test_the_loss_of_all_is_that_of_transformers(model_type, training, made):
    """Of all images at once both divide by the same; transformers' would be another in parts."""
    adapter, model, encoded = made(model_type)
    model.train(training)
    ours = losses(made(model_type), list(range(5))).sum() / adapter.count_items(encoded)
    own = model._loss_function
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__(list(range(5))), training=False, rngs=None)
    del model._loss_function
    torch.manual_seed(0)
    try:
        with torch.no_grad():
            theirs = model(**batch.inputs).loss
    finally:
        model.loss_function = own
        model.eval()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_the_loss_of_d_fine_is_that_of_its_criterion(made):
    """Of one image, since a part is a mean; each layer's sides with its own boxes, and a first guess without sides."""
    from transformers.loss.loss_d_fine import DFineLoss

    adapter, model, encoded = made("d_fine")
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__([3]), training=False, rngs=None)
    seen: dict[str, Any] = {}
    own, model._loss_function = (
        model._loss_function,
        lambda *args, **kwargs: (seen.update(kwargs, args=args), {}, None),
    )
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.eval()  # the deepest has one value of one image
    try:
        with torch.no_grad():
            model(**batch.inputs)
    finally:
        model._loss_function = own
        model.eval()
    _, labels, device, _, config, logits, boxes = seen["args"]
    (num_boxes,) = {len(one["boxes"]) for one in labels}
    ours = LOSSES["d_fine"](num_boxes)(*seen.pop("args"), **seen)[0]

    noise = seen["denoising_meta_values"]
    assert (logits.shape[1], seen["predicted_corners"].shape[1], noise["dn_num_group"]) == (4, 3, 3)

    def layers_of(kind: int) -> tuple[dict, list[dict]]:
        parts = [logits, boxes.clamp(0, 1), seen["predicted_corners"], seen["initial_reference_points"]]
        parts = [part.split(noise["dn_num_split"], dim=2)[kind].unbind(1) for part in parts]
        names = ("logits", "pred_boxes", "pred_corners", "ref_points", "teacher_corners", "teacher_logits")
        taught = [[parts[2][-1]] * 3, [parts[0][-1]] * 3]
        layers = [
            dict(zip(names, one, strict=True))
            for one in zip(parts[0][1:], parts[1][1:], *parts[2:], *taught, strict=True)
        ]
        return {"logits": parts[0][0], "pred_boxes": parts[1][0]}, layers

    (noisy_guess, noisy), (guess, layers) = layers_of(0), layers_of(1)
    proposed = {"logits": seen["enc_topk_logits"], "pred_boxes": seen["enc_topk_bboxes"].clamp(0, 1)}
    outputs = {
        **layers[-1],
        "auxiliary_outputs": [*layers[:-1], guess, proposed],
        "dn_auxiliary_outputs": [*noisy, noisy_guess],
        "denoising_meta_values": noise,
    }
    found = DFineLoss(config).to(device)(outputs, labels)
    assert {"loss_fgl_aux_0", "loss_ddf_aux_1", "loss_ddf_dn_0"} < found.keys()
    torch.testing.assert_close(ours.squeeze() / num_boxes, sum(found.values()))


@every_model_type
def test_an_image_s_loss_does_not_depend_on_those_beside_it(model_type, made):
    together = losses(made(model_type), list(range(5)))
    alone = torch.cat([losses(made(model_type), [row]) for row in range(5)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert together[4] > 0, "an image without boxes teaches what is nothing"
    adapter, _, encoded = made(model_type)
    assert adapter.count_items(encoded) == 6


@every_model_type
def test_predictions_are_those_of_plain_transformers(model_type, made, examples):
    adapter, model, encoded = made(model_type)
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__([0, 1]), training=False, rngs=None)
    with torch.no_grad():
        found = adapter.objective.predict(model, batch)
        plain = model(pixel_values=batch.inputs["pixel_values"])
    assert found["loss"].shape == (2,)
    sizes = [(tiny_boxes.HEIGHT, tiny_boxes.WIDTH)] * 2
    expected = adapter.preprocessor.processor.post_process_object_detection(plain, threshold=0, target_sizes=sizes)
    arrays = adapter.objective.finish({"predictions": found["predictions"].numpy()}, encoded, 0, 2)
    for rows, one in zip(adapter.objective.decode(arrays, examples[:2]), expected, strict=True):
        scores = [row["score"] for row in rows["objects"]]
        assert scores == sorted(scores, reverse=True)
        np.testing.assert_allclose(scores, sorted(one["scores"].tolist(), reverse=True), atol=1e-5)
        best = int(one["scores"].argmax())
        assert rows["objects"][0]["label"] == LABELS.names[int(one["labels"][best])]
        np.testing.assert_allclose(list(rows["objects"][0]["box"].values()), one["boxes"][best], rtol=1e-3, atol=1e-3)


def test_encode_and_collate(made, examples):
    adapter, _, _ = made("yolos")
    one = DetectionExample(
        id=0, image=examples[0].image, name="a", width=200, height=100,
        boxes=(Box("square", (20, 10, 60, 30)), Box("circle", (0, 0, 9, 9), ignored=True)),
    )  # fmt: skip
    encoded = adapter.preprocessor.encode([one, examples[4]], targets=True)
    assert encoded.costs.tolist() == [4, 4]  # squares of 16 x 16 pixels in 32 x 32
    batch = adapter.preprocessor.collate(encoded.rows.__getitems__([0, 1]), training=True)
    assert batch.inputs["pixel_values"].shape == (2, 3, 32, 32)
    assert batch.extras["sizes"].tolist() == [[40, 60], [40, 60]]
    first, second = batch.inputs["labels"]
    assert first["class_labels"].tolist() == [1]
    np.testing.assert_allclose(first["boxes"], [[0.2, 0.2, 0.2, 0.2]], rtol=1e-6)
    assert (second["class_labels"].shape, second["boxes"].shape) == ((0,), (0, 4))
    assert len(batch.take(np.array([1])).inputs["labels"][0]["boxes"]) == 0
    assert "targets" not in adapter.preprocessor.encode([one], targets=False).rows[0]


def test_references_and_the_users_own_numbers(made):
    adapter, _, _ = made("yolos")
    box = Box("square", (20, 10, 60, 30))
    example = DetectionExample(id=0, image="a", name="a", boxes=(box, Box("circle", (0, 0, 9, 9), True, 50.0)))
    (rows,) = adapter.objective.references([example])
    assert rows.tolist() == [[1, 0, 20, 10, 60, 30, 800], [0, 1, 0, 0, 9, 9, 50]]
    adapter.objective.category_ids, adapter.objective.threshold = [18, 44], 0.5
    found = {"predictions": np.array([[[1, 0.75, 1, 2, 3, 4], [0, 0.25, 1, 2, 3, 4]]])}
    assert adapter.objective.decode(found, [example]) == [
        {"objects": [{"label": "square", "category_id": 44, "score": 0.75,
                      "box": {"xmin": 1.0, "ymin": 2.0, "xmax": 3.0, "ymax": 4.0}}]}
    ]  # fmt: skip
    adapter.objective.category_ids, adapter.objective.threshold = None, 0.0


def test_the_share_of_what_is_nothing():
    assert no_object_share(2, 100, 0.1) == pytest.approx(2 / 11.8)
    assert no_object_share(7, 5, 0.1) == pytest.approx(7 / 5)  # more boxes than queries


def test_checkpoints_that_find_nothing(tmp_path: Path):
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(tiny_images.make_checkpoint("vit", tmp_path))))
    with pytest.raises(CheckpointError, match="does not train checkpoints of type 'vit', .* with 'yolos'"):
        KIND.task_adapter(spec).check_checkpoint(spec)


TIMM = "'?resnet50'?, a model of the package timm, .*\nFix: start from .*"


@pytest.mark.parametrize(("backbone", "message"), [
    ({"backbone": "resnet50", "use_timm_backbone": True}, TIMM),
    ({"backbone": "resnet50", "use_timm_backbone": True, "backbone_kwargs": {"out_indices": [1, 2, 3, 4]}}, TIMM),
    ({"backbone_config": {"model_type": "timm_backbone", "backbone": "resnet50"}}, TIMM),
    ({}, "a model of the package timm"),
])  # fmt: skip
def test_a_backbone_of_timm_is_refused(backbone: dict[str, Any], message: str, tmp_path: Path) -> None:
    """As facebook/detr-resnet-50 names it, older and newer: transformers looks for some of these names on the Hub."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "detr", **backbone}))
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match=message):
        spec = inspect_checkpoint(ModelSpec(checkpoint=str(tmp_path)))
        KIND.task_adapter(spec).check_checkpoint(spec)


def test_more_boxes_than_queries_are_told_and_leave_a_finite_loss(made, examples):
    adapter, model, _ = made("rt_detr")
    box = Box("square", (0, 0, 9, 9))
    many = dataclasses.replace(examples[0], boxes=(box,) * 7)
    problems = Problems()
    adapter.preprocessor.check({"train": Split("train", "photos", [many, examples[1]])}, problems)
    (told,) = problems.warnings
    assert "images with more boxes than the 5 that" in told
    assert "photos, 0.png: 7 boxes" in told
    encoded = adapter.preprocessor.encode([many], targets=True)
    assert torch.isfinite(losses((adapter, model, encoded), [0])).all()


def test_a_head_in_the_body_keeps_the_rows_of_labels_it_knows(tmp_path: Path) -> None:
    """As many labels as before: nothing differs in shape, and the names alone tell which row is whose."""
    labels = {0: "square", 1: "circle", 2: "line"}
    folder = tiny_boxes.make_checkpoint("rt_detr_v2", tmp_path / "v2", id2label=labels)
    spec = inspect_checkpoint(ModelSpec(checkpoint=str(folder)))
    space = LabelSpace(("circle", "line", "square"))
    options = {"image_size": 32, "boxes_per_image": 1.0}
    adapter = KIND.task_adapter(spec).make(spec, space, options=options)
    loaded, told = keep_known_rows(adapter.objective.build(), spec, space)
    assert told is not None
    saved = load_file(folder / "model.safetensors")
    for name in (
        "model.enc_score_head.weight",
        "model.decoder.class_embed.1.bias",
        "model.denoising_class_embed.weight",
    ):
        torch.testing.assert_close(loaded.model.state_dict()[name][:3], saved[name][[1, 2, 0]])
