"""Objectives: the model with its head, the loss, and what its outputs say."""
