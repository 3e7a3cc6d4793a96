"""Kinds of task: each owns every fact about itself, in one file."""
