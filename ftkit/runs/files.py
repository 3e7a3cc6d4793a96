"""The names of what lies in a run directory."""

from __future__ import annotations

from ftkit.config.files import CONFIG_FILE
from ftkit.models.files import MODEL_FILES

RESULTS_FILE = "all_results.json"
EXPORT_FILE = "export.json"
REPORT_FILE, PAGE_FILE, CARD_FILE = "report.json", "report.html", "README.md"
CHECKPOINTS = "checkpoints"
PREDICTIONS = "predictions"
DATA_FILE, CHECKPOINT_FILE = "data.json", "base.json"
GIVEN_FILE = "config.yaml"
LOCK_FILE, OWNER_FILE = ".lock", ".owner"
STAGING, STAGING_MARK = ".unfinished", ".begun"
MANIFEST_FILE = ".manifest.json"

REPORT_FILES = (CARD_FILE, PAGE_FILE, REPORT_FILE)
PREDICTION_FILES = (f"{PREDICTIONS}/*",)
KNOWN_FILES = (*MODEL_FILES, EXPORT_FILE, CONFIG_FILE, RESULTS_FILE, *REPORT_FILES, *PREDICTION_FILES)
"""All that a finished run may hold; `*` stays within one folder."""

OWN_ENTRIES = (
    *(CONFIG_FILE, RESULTS_FILE, f"{STAGING}*"),
    *(f"{CHECKPOINTS}/checkpoint-*", f"{CHECKPOINTS}/*.json", f"{CHECKPOINTS}/*.yaml", "tensorboard/events.out.*"),
    *(".*.????????.tmp", f"{CHECKPOINTS}/.*.????????.tmp"),  # of a file that was being written when a run was killed
    MANIFEST_FILE,  # last, as it tells what else there is
)
"""What ftkit writes into every run's folder, or trains from."""

STORES = ("mlflow", "wandb")
"""Folders of trackers that hold many runs side by side, as their servers do: the record of a replaced run stays."""
