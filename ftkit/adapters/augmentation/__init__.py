"""Random changes of training rows: the operations of `data.augment`, for images, recordings and texts."""
