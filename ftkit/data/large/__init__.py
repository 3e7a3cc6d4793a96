"""Data that are too many to be held as objects: examples in Arrow files on disk, made when they are asked for."""
