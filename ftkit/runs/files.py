"""The names of what lies in a run directory."""

from __future__ import annotations

from ftkit.config.run_config import CONFIG_FILE

RESULTS_FILE = "all_results.json"
EXPORT_FILE = "export.json"
REPORT_FILE, PAGE_FILE, CARD_FILE = "report.json", "report.html", "README.md"
CHECKPOINTS = "checkpoints"
PREDICTIONS = "predictions"
ADAPTER_CONFIG = "adapter_config.json"
DATA_FILE = "data.json"
STAGING = ".unfinished"
MANIFEST_FILE = ".manifest.json"

MODEL_FILES = (
    *("config.json", "generation_config.json", "model.safetensors", "model-*.safetensors"),
    *("model.safetensors.index.json", ADAPTER_CONFIG, "adapter_model.safetensors"),
    *("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.spm", "*.model"),
    *("chat_template*", "additional_chat_templates/*", "target_tokenizer/*"),
    *("preprocessor_config.json", "processor_config.json", "model.onnx", "model.onnx.data", EXPORT_FILE),
)
"""What transformers, peft and ONNX Runtime load."""

REPORT_FILES = (CARD_FILE, PAGE_FILE, REPORT_FILE)
PREDICTION_FILES = (f"{PREDICTIONS}/*",)
KNOWN_FILES = (*MODEL_FILES, CONFIG_FILE, RESULTS_FILE, *REPORT_FILES, *PREDICTION_FILES)
"""All that a finished run may hold; `*` stays within one folder."""

OWN_ENTRIES = (
    *(CONFIG_FILE, RESULTS_FILE, STAGING),
    *(f"{CHECKPOINTS}/checkpoint-*", f"{CHECKPOINTS}/*.json", "tensorboard/events.out.*"),
    MANIFEST_FILE,  # last, as it tells what else there is
)
"""What ftkit writes into every run's folder, or trains from."""

STORES = ("mlflow", "wandb")
"""Folders of trackers that hold many runs side by side, as their servers do: the record of a replaced run stays."""
