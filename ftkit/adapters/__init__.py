"""Task adapters: how a kind of task meets a checkpoint family."""
