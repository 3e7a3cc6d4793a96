"""Preprocessors: examples -> rows -> batches, one file a modality or form of text."""
