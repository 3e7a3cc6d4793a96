"""The names of a model's files."""

from __future__ import annotations

ADAPTER_CONFIG = "adapter_config.json"

MODEL_FILES = (
    *("config.json", "generation_config.json", "model.safetensors", "model-*.safetensors"),
    *("model.safetensors.index.json", ADAPTER_CONFIG, "adapter_model.safetensors"),
    *("tokenizer*", "vocab*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.spm", "*.model"),
    *("chat_template*", "additional_chat_templates/*", "target_tokenizer/*"),
    *("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json", "1_Pooling/config.json"),
    *("preprocessor_config.json", "processor_config.json", "model.onnx", "model.onnx.data"),
)
"""What transformers, peft, sentence-transformers and ONNX Runtime load; `*` stays within one folder."""
