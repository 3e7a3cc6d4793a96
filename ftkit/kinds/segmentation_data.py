"""What a config says of images with masks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field

from ftkit.adapters.augmentation.images import ImageAugment
from ftkit.data.spec import DataSpec

Channel = Annotated[int, Field(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "photos", "jpegimages")
MASK_FOLDERS = ("masks", "mask", "labels", "label", "annotations", "annotation", "segmentationclass", "gt")

Side = Annotated[int, Field(gt=0)]


class ImageSegmentationData(DataSpec):
    """The `data` section of semantic segmentation."""

    classes: tuple[str, ...] | dict[int, str] | None = Field(
        None,
        description="Names of classes: value in the masks -> name, such as {0: background, 255: cell}; a list names "
        "the values 0, 1, 2 ... Default: the values that the masks of train hold, each named as itself.",
    )
    colors: dict[str, Color] | None = Field(
        None, description="Of masks in colours: name of a class -> its colour, such as {road: [128, 64, 128]}."
    )
    ignore_index: Annotated[int, Field(ge=0)] | Color | None = Field(
        None,
        description="The value (with colors, the colour) of pixels that are left out of loss and scores. Default: 255 "
        "where it is not a class, as the masks tell.",
    )
    image_size: Side | tuple[Side, Side] | None = Field(
        None,
        description="Pixels of a side, or height and width, of images as the model sees them. Default: as the "
        "checkpoint's processor says. Predictions have the images' own size.",
    )
    image_folder: str | None = Field(None, description="The folder of images within a split's folder, such as images.")
    mask_folder: str | None = Field(None, description="The folder of masks beside it, such as masks.")
    augment: ImageAugment | None = Field(
        None, description="Random changes of training images, and with them of their masks. None unless set."
    )

    @property
    def media(self) -> str:
        """Rows name images."""
        return "image"

    @property
    def outlined(self) -> bool:
        """Masks may be outlines."""
        return True

    @property
    def paired_folders(self) -> Mapping[str, tuple[str, ...]]:
        """Folders of images, and of masks."""
        return {
            self.role_columns.get("image", "image"): IMAGE_FOLDERS
            if self.image_folder is None
            else (self.image_folder,),
            self.role_columns.get("mask", "mask"): MASK_FOLDERS if self.mask_folder is None else (self.mask_folder,),
        }
