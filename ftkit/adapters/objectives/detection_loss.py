"""The losses of transformers' detectors, image by image and not yet divided.

transformers computes the loss of a micro-batch and divides it by the boxes in it: where an optimizer step is made of
several, on several ranks, an image among few boxes would count more than one among many. Here each image has the sum
over its boxes, in transformers' own terms, and whoever trains divides once, by the boxes of a whole step.

Matching and terms are transformers' own: DETR (arXiv 2005.12872), Deformable DETR (arXiv 2010.04159), RT-DETR (arXiv
2304.08069), D-FINE (arXiv 2410.13842), LW-DETR (arXiv 2406.03459). A model calls its `loss_function` with all that it
needs: intermediate layers, denoising queries.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

Targets = Sequence[Mapping[str, torch.Tensor]]
Layer = Mapping[str, torch.Tensor]
"""`logits` (B, Q, L) and `pred_boxes` (B, Q, 4)."""
Matches = Sequence[tuple[torch.Tensor, torch.Tensor]]
"""Of each image, which predictions answer which of its boxes."""
OfImage = Callable[[Layer, Targets, Matches], torch.Tensor]
LossFunction = Callable[..., tuple[torch.Tensor, dict[str, Any], Any]]


_LEARNT_FROM_LAST = "loss_ddf"


def no_object_share(boxes_per_image: float, num_queries: int, eos_coefficient: float) -> float:
    """Returns what the cross-entropy of all queries, summed, is weighed with beside sums over boxes.

    DETR divides the boxes' terms by the boxes, and the cross-entropy by the weights of all queries: 1 of one that
    answers a box, the coefficient of one that answers none. Over the training data both divisors are known, so one
    division by the boxes of a step is right for both sums, if the second is multiplied with this first.

    Example: 2 boxes an image, 100 queries, a coefficient of 0.1: 2 / (2 + 98 x 0.1) = 0.169.
    """
    matched = min(boxes_per_image, num_queries)
    return boxes_per_image / (matched + eos_coefficient * (num_queries - matched))


def softmax_losses(boxes_per_image: float) -> LossFunction:
    """Returns the loss of DETR and YOLOS, as transformers' `ForObjectDetectionLoss` but for the division.

    Args:
        boxes_per_image: of the training data.
    """
    from transformers.loss.loss_for_object_detection import HungarianMatcher, ImageLoss

    def losses(
        logits: torch.Tensor,
        labels: Targets,
        device: torch.device,
        pred_boxes: torch.Tensor,
        config: Any,
        outputs_class: Any = None,
        outputs_coord: Any = None,
        **_: Any,
    ) -> tuple[torch.Tensor, dict[str, Any], Any]:
        matcher = HungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
        criterion = ImageLoss(matcher, config.num_labels, config.eos_coefficient, ["labels", "boxes"]).to(device)
        share = no_object_share(boxes_per_image, logits.shape[1], config.eos_coefficient)

        def of_image(layer: Layer, targets: Targets, matches: Matches) -> torch.Tensor:
            num_queries, num_matched = layer["logits"].shape[1], len(matches[0][0])
            weight = num_matched + config.eos_coefficient * (num_queries - num_matched)
            found = criterion.loss_labels(layer, targets, matches, 1)
            return found["loss_ce"] * weight * share + _of_boxes(criterion, layer, targets, matches, config)

        layers = _layers(logits, pred_boxes, config, outputs_class, outputs_coord)
        return _summed(layers, labels, matcher, of_image), {}, None

    return losses


def focal_losses(boxes_per_image: float) -> LossFunction:
    """Returns the loss of deformable and conditional DETR, as `DeformableDetrForObjectDetectionLoss` sums it."""
    from transformers.loss.loss_deformable_detr import DeformableDetrHungarianMatcher, DeformableDetrImageLoss

    def losses(
        logits: torch.Tensor,
        labels: Targets,
        device: torch.device,
        pred_boxes: torch.Tensor,
        config: Any,
        outputs_class: Any = None,
        outputs_coord: Any = None,
        **_: Any,
    ) -> tuple[torch.Tensor, dict[str, Any], Any]:
        matcher = DeformableDetrHungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
        criterion = DeformableDetrImageLoss(matcher, config.num_labels, config.focal_alpha, ["labels", "boxes"])

        def of_image(layer: Layer, targets: Targets, matches: Matches) -> torch.Tensor:
            found = criterion.loss_labels(layer, targets, matches, 1)
            return found["loss_ce"] + _of_boxes(criterion, layer, targets, matches, config)

        layers = _layers(logits, pred_boxes, config, outputs_class, outputs_coord)
        return _summed(layers, labels, matcher, of_image), {}, None

    return losses


def varifocal_losses(boxes_per_image: float) -> LossFunction:
    """Returns the loss of RT-DETR and its second version, as `RTDetrForObjectDetectionLoss` but for the division.

    In training, queries made of the boxes themselves, with noise, are to find them again: as many groups of them as
    the micro-batch has room for, of which the mean counts.
    """
    from transformers.loss.loss_rt_detr import RTDetrLoss

    def losses(
        logits: torch.Tensor,
        labels: Targets,
        device: torch.device,
        pred_boxes: torch.Tensor,
        config: Any,
        outputs_class: torch.Tensor,
        outputs_coord: torch.Tensor,
        enc_topk_logits: torch.Tensor,
        enc_topk_bboxes: torch.Tensor,
        denoising_meta_values: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, dict[str, Any], Any]:
        criterion = RTDetrLoss(config).to(device)
        # The last layer answers; those before, and what the encoder proposed, learn along.
        noisy, layers = _by_queries({"logits": outputs_class, "pred_boxes": outputs_coord}, denoising_meta_values)
        proposed = {"logits": enc_topk_logits.float(), "pred_boxes": enc_topk_bboxes.float()}
        if config.auxiliary_loss:
            layers = [layers[-1], *layers[:-1], proposed]
        else:
            layers, noisy = layers[-1:], []

        def of_image(layer: Layer, targets: Targets, matches: Matches) -> torch.Tensor:
            return _weighed(criterion, _of_label_and_box(criterion, layer, targets, matches))

        total = _summed(layers, labels, criterion.matcher, of_image)
        return total + _of_noisy(noisy, denoising_meta_values, criterion, labels, of_image), {}, None

    return losses


def refined_losses(boxes_per_image: float) -> LossFunction:
    """Returns the loss of D-FINE (arXiv 2410.13842), by the terms of transformers' `DFineLoss`.

    Two things differ from `DFineForObjectDetectionLoss`. Layers before the last learn from it how probable each place
    of a box's sides is, by a mean over queries: of all images of a micro-batch there, of each image here. And a
    layer's sides go with its own boxes and logits, as in the paper: there, in training, they go with those of the
    layer before, since the first guess has boxes and no sides.
    """
    from transformers.loss.loss_d_fine import DFineLoss

    def losses(
        logits: torch.Tensor,
        labels: Targets,
        device: torch.device,
        pred_boxes: torch.Tensor,
        config: Any,
        outputs_class: torch.Tensor,
        outputs_coord: torch.Tensor,
        enc_topk_logits: torch.Tensor,
        enc_topk_bboxes: torch.Tensor,
        predicted_corners: torch.Tensor,
        initial_reference_points: torch.Tensor,
        denoising_meta_values: Mapping[str, Any] | None = None,
        **_: Any,
    ) -> tuple[torch.Tensor, dict[str, Any], Any]:
        criterion = DFineLoss(config).to(device)
        found = {"logits": outputs_class, "pred_boxes": outputs_coord.clamp(0, 1)}
        # Sides are refined by every layer; in training a first guess, without them, stands before all.
        num_layers = predicted_corners.shape[1]
        guessed = {name: part[:, :-num_layers] for name, part in found.items()}
        refined = {name: part[:, -num_layers:] for name, part in found.items()}
        refined |= {"pred_corners": predicted_corners, "ref_points": initial_reference_points}
        noisy_guesses, guesses = _by_queries(guessed, denoising_meta_values)
        noisy, layers = (_taught_by_last(one) for one in _by_queries(refined, denoising_meta_values))
        proposed = {"logits": enc_topk_logits.float(), "pred_boxes": enc_topk_bboxes.float().clamp(0, 1)}
        if config.auxiliary_loss:
            layers, noisy = [layers[-1], *layers[:-1], *guesses, proposed], [*noisy, *noisy_guesses]
        else:
            layers, noisy = layers[-1:], []

        def of_image_in(num_groups: int) -> OfImage:
            def of_image(layer: Layer, targets: Targets, matches: Matches) -> torch.Tensor:
                terms = _of_label_and_box(criterion, layer, targets, matches)
                terms |= criterion.loss_local(layer, targets, matches, 1)
                if _LEARNT_FROM_LAST in terms:  # a mean, beside sums over boxes and groups
                    terms[_LEARNT_FROM_LAST] = terms[_LEARNT_FROM_LAST] * boxes_per_image * num_groups
                return _weighed(criterion, terms)

            return of_image

        num_groups = 1 if denoising_meta_values is None else denoising_meta_values["dn_num_group"]
        total = _summed(layers, labels, criterion.matcher, of_image_in(1))
        return total + _of_noisy(noisy, denoising_meta_values, criterion, labels, of_image_in(num_groups)), {}, None

    return losses


def grouped_losses(boxes_per_image: float) -> LossFunction:
    """Returns the loss of LW-DETR, as `LwDetrForObjectDetectionLoss` but for the division.

    In training, several groups of queries find the boxes, each all of them (arXiv 2207.13085), and their mean counts.
    """
    from transformers.loss.loss_lw_detr import LwDetrHungarianMatcher, LwDetrImageLoss

    def losses(
        logits: torch.Tensor,
        labels: Targets,
        device: torch.device,
        pred_boxes: torch.Tensor,
        config: Any,
        outputs_class: Any,
        outputs_coord: Any,
        enc_outputs_class: torch.Tensor,
        enc_outputs_coord: torch.Tensor,
        **_: Any,
    ) -> tuple[torch.Tensor, dict[str, Any], Any]:
        num_groups = logits.shape[1] // config.num_queries  # 1 in evaluation, where transformers counts as many
        matcher = LwDetrHungarianMatcher(config.class_cost, config.bbox_cost, config.giou_cost)
        criterion = LwDetrImageLoss(matcher, config.num_labels, config.focal_alpha, ["labels", "boxes"], num_groups)

        def of_image(layer: Layer, targets: Targets, matches: Matches) -> torch.Tensor:
            of_labels = config.class_loss_coefficient * criterion.loss_labels(layer, targets, matches, 1)["loss_ce"]
            return (of_labels + _of_boxes(criterion, layer, targets, matches, config)) / num_groups

        proposed = {"logits": enc_outputs_class.float(), "pred_boxes": enc_outputs_coord.float()}
        layers = [*_layers(logits, pred_boxes, config, outputs_class, outputs_coord), proposed]
        return _summed(layers, labels, lambda layer, found: matcher(layer, found, num_groups), of_image), {}, None

    return losses


LOSSES: Mapping[str, Callable[[float], LossFunction]] = {
    "yolos": softmax_losses,
    "detr": softmax_losses,
    "conditional_detr": focal_losses,
    "deformable_detr": focal_losses,
    "d_fine": refined_losses,
    "lw_detr": grouped_losses,
    "rt_detr": varifocal_losses,
    "rt_detr_v2": varifocal_losses,
}
"""Model type -> what makes its loss."""


def _layers(logits: Any, pred_boxes: Any, config: Any, outputs_class: Any, outputs_coord: Any) -> list[Layer]:
    """Returns the last layer, and where the config asks for it those before, first to last."""
    last = {"logits": logits.float(), "pred_boxes": pred_boxes.float()}
    if not config.auxiliary_loss or outputs_class is None:
        return [last]
    before = zip(outputs_class[:-1], outputs_coord[:-1], strict=True)
    return [last, *({"logits": one.float(), "pred_boxes": other.float()} for one, other in before)]


def _of_boxes(criterion: Any, layer: Layer, targets: Targets, matches: Matches, config: Any) -> torch.Tensor:
    found = criterion.loss_boxes(layer, targets, matches, 1)
    return config.bbox_loss_coefficient * found["loss_bbox"] + config.giou_loss_coefficient * found["loss_giou"]


def _by_queries(
    parts: Mapping[str, torch.Tensor], denoising: Mapping[str, Any] | None
) -> tuple[list[Layer], list[Layer]]:
    """Returns the layers of what was made of noisy boxes, and of the model's own queries.

    Args:
        parts: of all layers, each (B, layers, Q, ...).
        denoising: how many queries are of either kind; None: all are the model's own.
    """
    layers: list[Layer] = [
        {name: one.float() for name, one in zip(parts, of_layer, strict=True)}
        for of_layer in zip(*(part.unbind(1) for part in parts.values()), strict=True)
    ]
    if denoising is None:
        return [], layers
    split = [{name: part.split(denoising["dn_num_split"], dim=1) for name, part in layer.items()} for layer in layers]
    noisy, own = (
        list[Layer]({name: both[side] for name, both in layer.items()} for layer in split) for side in (0, 1)
    )
    return noisy, own


def _taught_by_last(layers: Sequence[Layer]) -> list[Layer]:
    """Returns the layers, each with what the last of them found."""
    return [
        {**layer, "teacher_corners": layers[-1]["pred_corners"], "teacher_logits": layers[-1]["logits"]}
        for layer in layers
    ]


def _of_label_and_box(criterion: Any, layer: Layer, targets: Targets, matches: Matches) -> dict[str, torch.Tensor]:
    return {
        **criterion.loss_labels_vfl(layer, targets, matches, 1),
        **criterion.loss_boxes(layer, targets, matches, 1),
    }


def _weighed(criterion: Any, found: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return sum((criterion.weight_dict[name] * value for name, value in found.items()), torch.zeros(()))


def _of_noisy(
    noisy: Sequence[Layer],
    denoising: Mapping[str, Any] | None,
    criterion: Any,
    targets: Targets,
    of_image: OfImage,
) -> torch.Tensor | float:
    """Returns the loss of each image of finding its boxes again, (B,), the mean over the groups of queries."""
    if not noisy or denoising is None:
        return 0.0
    made_of = criterion.get_cdn_matched_indices(denoising, targets)
    return _summed(noisy, targets, lambda layer, found: made_of, of_image) / denoising["dn_num_group"]


def _summed(
    layers: Sequence[Layer],
    targets: Targets,
    matcher: Callable[[Layer, Targets], Matches],
    of_image: OfImage,
) -> torch.Tensor:
    """Returns the loss of each image over all layers, (B,)."""
    with torch.autocast(targets[0]["boxes"].device.type, enabled=False):
        total = torch.zeros(len(targets), device=layers[0]["logits"].device)
        for layer in layers:
            matches = matcher(layer, targets)
            images = [
                of_image({name: part[place : place + 1] for name, part in layer.items()}, [target], [match])
                for place, (target, match) in enumerate(zip(targets, matches, strict=True))
            ]
            total = total + torch.stack(images)
        return total
