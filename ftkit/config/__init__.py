"""The config of a run: YAML <-> RunConfig, strict and frozen."""
