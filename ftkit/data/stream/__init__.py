"""Training data that is never held or indexed whole: shards of files or of a dataset on the Hub, row by row."""
