"""Metrics that need no network: which exist, what suits a task, and the scorers that compute them.

`table` holds the rows: the metrics and the metric groups. `checks` answers every question about names and keys without
an import of `evaluate`, which takes seconds. `scorer` makes what computes the metrics of a run. Metrics from elsewhere
are named `hub:owner/name`, by the path of an evaluate script, or `file.py:NAME` and `package.module:NAME`.
"""
