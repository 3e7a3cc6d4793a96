"""Which values of masks are classes, what they are called, and which value is left out."""

from __future__ import annotations

from collections.abc import Mapping

from ftkit.data.check import Problems
from ftkit.data.mask_check import MaskValues
from ftkit.data.masks import MaskClasses, packed, shown_value, unpacked
from ftkit.errors import ConfigError
from ftkit.kinds.label_settings import check_name_lengths
from ftkit.kinds.segmentation_data import ImageSegmentationData
from ftkit.kinds.task import Task

USUAL_IGNORED = 255
"""What Pascal VOC, ADE20K and Cityscapes write where a pixel is of no class."""

MOST_VALUES = 256
"""Values that become classes without being named: masks of 8 bits hold no more, and photos of depth do."""

MOSTLY = 0.5
"""Share of the pixels above which 255 is asked for: what is of no class is the rest, or a line between things."""

MOST_TOLD = 32
"""Values that are listed, a line each; more are no longer read."""

BRIGHT = 200
"""More values than SMALL_INDEX that reach up to here are levels of grey, not indices of classes."""

# Class indices are small and lie close together; the levels of a grey image, such as 0, 128, 255, do not.
SMALL_INDEX = 64


def names_of_values(data: ImageSegmentationData) -> dict[int, str]:
    """Returns value -> name of each class, in the order of the model's outputs.

    Raises:
        ConfigError: classes are said in two ways, a name or colour is given twice, or a value is left out as well.
    """
    if data.colors is not None and data.classes is not None:
        raise ConfigError("data.classes and data.colors both name the classes. Keep colors if masks are in colours.")
    if data.colors is not None:
        key, pairs = "data.colors", [(packed(color), name) for name, color in data.colors.items()]
    elif isinstance(data.classes, Mapping):
        key, pairs = "data.classes", sorted(data.classes.items())
    else:
        key, pairs = "data.classes", list(enumerate(data.classes or ()))
    names = dict(pairs)
    if len(names) < len(pairs) or len(set(names.values())) < len(pairs):
        raise ConfigError(f"{key}: a name or colour is given twice; every class needs one of its own.")
    check_name_lengths(names.values(), key)
    if ignored_value(data) in names:
        what = shown_value(ignored_value(data) or 0, data.colors is not None)
        raise ConfigError(f"data.ignore_index: {what} is a class in {key}. Take it out of one of the two.")
    return names


def ignored_value(data: ImageSegmentationData) -> int | None:
    """Returns the value of pixels that are left out, a colour packed; None where none is.

    Raises:
        ConfigError: it is a colour and classes are none, or the reverse.
    """
    value = data.ignore_index
    if value is None or isinstance(value, int) == (data.colors is None):
        return value if value is None or isinstance(value, int) else packed(value)
    expected = "one number" if data.colors is None else "a colour, such as [255, 255, 255]"
    raise ConfigError(f"data.ignore_index: expected {expected}, as masks hold {expected.split(',')[0]} a pixel.")


def classes_of(data: ImageSegmentationData) -> MaskClasses:
    """Returns what the values of masks mean, of a section whose classes are settled."""
    return MaskClasses(tuple(names_of_values(data)), ignored_value(data), data.colors is not None)


def found_classes(
    found: MaskValues, data: ImageSegmentationData, task: Task, problems: Problems
) -> ImageSegmentationData:
    """Returns the data section with the classes and the value that is left out, as train's masks tell.

    Args:
        found: in the masks of train.
        problems: what does not fit is added.
    """
    named = data.classes if data.classes is not None else task.labels
    if data.colors is None and found.are_colors and named is None:
        _report_colors(found, problems)
        return data
    update: dict[str, object] = {}
    if data.ignore_index is None and data.colors is None and _is_ignored(found, data, named is not None):
        _report_ignored(found, problems, is_asked=named is None and found.share(USUAL_IGNORED) > MOSTLY)
        update["ignore_index"] = USUAL_IGNORED
    data = data.model_copy(update=update)
    if data.colors is None:
        if named is None:
            values = [value for value in found.pixels if value != ignored_value(data)]
            if len(values) > MOST_VALUES or (len(values) > SMALL_INDEX and max(values) > BRIGHT):
                _report_many(found, problems)
                return data
            classes = {value: str(value) for value in values}
        else:
            classes = names_of_values(data.model_copy(update={"classes": named}))
        data = data.model_copy(update={"classes": classes})
    _check_classes(found, data, problems)
    return data


def _is_ignored(found: MaskValues, data: ImageSegmentationData, are_named: bool) -> bool:
    """Tells whether 255 means 'of no class': it is not named a class, or stands beside indices of classes.

    Example: of 0 and 255 it is a class, as of 0, 128 and 255; of 0, 1 and 255, or 0 to 149 and 255, it is none.
    """
    if USUAL_IGNORED not in found.pixels:
        return False
    if are_named:
        return USUAL_IGNORED not in names_of_values(data)
    others = [value for value in found.pixels if value != USUAL_IGNORED]
    return len(others) >= 2 and max(others) < max(SMALL_INDEX, 2 * len(others))


def _report_ignored(found: MaskValues, problems: Problems, *, is_asked: bool) -> None:
    """Tells that 255 is left out, or asks whether it is to be, where that would leave out most pixels."""
    what = f"train: {found.share(USUAL_IGNORED):.1%} of the pixels have the value {USUAL_IGNORED}, which "
    fix = f"data.ignore_index: {USUAL_IGNORED} if that is right, or name all classes: data.classes: "
    if is_asked:
        names = ", ".join(f"{value}: NAME" for value in list(found.pixels)[-2:])
        problems.error(
            f"{what}may be a class, or mean 'of no class' beside {found.shown(5)}", remedy=f"say {fix}{{{names}}}"
        )
    else:
        problems.warn(
            f"{what}is taken for 'of no class' and left out of loss and scores",
            remedy=f"say {fix}{{{USUAL_IGNORED}: NAME, ...}}",
        )


def _report_colors(found: MaskValues, problems: Problems) -> None:
    frequent = sorted(found.pixels, key=lambda value: -found.pixels[value])[:8]
    lines = ", ".join(f"NAME: {list(unpacked(value))}" for value in frequent)
    problems.error(
        f"train: masks are in colours, and nobody says what these mean: {found.shown()}",
        remedy=f"say data.colors: {{{lines}{', ...' if len(found.pixels) > len(frequent) else ''}}} with a name for "
        "each"
        + (". So many colours come from a picture that was resized or saved with loss" * (len(found.pixels) > 256)),
    )


def _report_many(found: MaskValues, problems: Problems) -> None:
    problems.error(
        f"train: masks hold {len(found.pixels):,} different values, and nobody names them: {found.shown(5)}",
        remedy="check that these are masks, not photos, depths or numbered objects, and were resized by the nearest "
        "pixel; classes can be named in data.classes: {VALUE: NAME}",
    )


def _check_classes(found: MaskValues, data: ImageSegmentationData, problems: Problems) -> None:
    names = names_of_values(data)
    if len(names) < 2:
        problems.error(
            f"train: masks hold {len(names)} class ({found.shown()}); a model needs two or more to tell apart",
            remedy="check that data.train names the folder of the masks, and what data.ignore_index leaves out",
        )
    for value, name in names.items():
        if not found.pixels.get(value):
            problems.warn(
                f"train: no pixel is of the class {name!r} ({shown_value(value, data.colors is not None)}); it will "
                "not be learnt",
                remedy="add masks with it, or take it out of the classes",
            )


def values_told(found: MaskValues, data: ImageSegmentationData) -> list[str]:
    """Returns a line for each value of masks: what it means, and the share of its pixels."""
    names = {**names_of_values(data)}
    told = []
    for value, count in list(found.pixels.items())[:MOST_TOLD]:
        what = repr(names[value]) if value in names else "left out"
        told.append(
            f"{shown_value(value, data.colors is not None)}: {what}, {count:,} pixels ({found.share(value):.1%})"
        )
    more = len(found.pixels) - MOST_TOLD
    return [*told, f"and {more:,} more values"] if more > 0 else told
