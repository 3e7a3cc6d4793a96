"""Checkpoints, known from their config files, and their tokenizers."""
