"""Finished runs, loaded: prediction, scoring, and the proof."""
