"""The metrics as literal rows of plain Python: a new metric is one class and one row of `METRICS`."""

from __future__ import annotations

from ftkit.metrics.spec import PAIR, MetricEntry

_LABELLED = ("single_label_classification", "multi_label_classification")
_PRECISION = ("precision", "precision_macro", "precision_micro", "precision_weighted")
_RECALL = ("recall", "recall_macro", "recall_micro", "recall_weighted")
_F1 = ("f1", "f1_macro", "f1_micro", "f1_weighted")
_ENTITY_KEYS = ("precision", "recall", "f1", "precision_macro", "recall_macro", "f1_macro")
# Where questions have no answer; in the words of SQuAD's official script.
_SQUAD_2_KEYS = ("HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", "best_exact", "best_f1")
_SQUAD_KEYS = ("exact_match", "f1", *_SQUAD_2_KEYS, "best_exact_thresh", "best_f1_thresh")
_LABEL_INPUTS = (*PAIR, "num_labels")
_POSITIVE_INPUTS = (*_LABEL_INPUTS, "pos_label")
_ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_RECALLS = ("recall@1", "recall@5", "recall@10")
_COCO_KEYS = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)

METRICS: tuple[MetricEntry, ...] = (
    MetricEntry(
        "accuracy", "ftkit.metrics.classification:Accuracy", ("single_label_classification",), inputs=_LABEL_INPUTS
    ),
    MetricEntry(
        "accuracy",
        "ftkit.metrics.classification:Accuracy",
        ("multi_label_classification",),
        ("accuracy", "hamming_loss"),
        inputs=_LABEL_INPUTS,
    ),
    MetricEntry("precision", "ftkit.metrics.classification:Precision", _LABELLED, _PRECISION, inputs=_POSITIVE_INPUTS),
    MetricEntry("recall", "ftkit.metrics.classification:Recall", _LABELLED, _RECALL, inputs=_POSITIVE_INPUTS),
    MetricEntry("f1", "ftkit.metrics.classification:F1", _LABELLED, _F1, inputs=_POSITIVE_INPUTS),
    MetricEntry(
        "matthews_correlation",
        "ftkit.metrics.classification:MatthewsCorrelation",
        ("single_label_classification",),
        inputs=_LABEL_INPUTS,
    ),
    MetricEntry(
        "roc_auc",
        "ftkit.metrics.classification:RocAuc",
        _LABELLED,
        inputs=("references", "prediction_scores", "pos_label"),
    ),
    MetricEntry("pearson", "ftkit.metrics.regression:Pearson", ("regression", "sentence-similarity")),
    MetricEntry("spearman", "ftkit.metrics.regression:Spearman", ("regression", "sentence-similarity")),
    MetricEntry(
        "mse",
        "ftkit.metrics.regression:MeanSquaredError",
        ("regression",),
        ("mse", "rmse", "mae"),
        lower_is_better=True,
    ),
    MetricEntry(
        "seqeval", "ftkit.metrics.entities:Seqeval", ("token-classification",), _ENTITY_KEYS, inputs=(*PAIR, "scheme")
    ),
    MetricEntry(
        "conlleval",
        "ftkit.metrics.entities:Conlleval",
        ("token-classification",),
        tuple(f"conlleval_{key}" for key in _ENTITY_KEYS),
    ),
    MetricEntry("accuracy", "ftkit.metrics.entities:WordAccuracy", ("token-classification", "plain-tags")),
    MetricEntry("tag_f1", "ftkit.metrics.entities:TagF1", ("plain-tags",), ("f1_macro", "f1_weighted")),
    MetricEntry(
        "bleu",
        "ftkit.metrics.texts:Bleu",
        ("translation", "summarization", "visual-question-answering", "image-captioning"),
        inputs=(*PAIR, "tokenizer"),
        details=("bleu_signature",),
    ),
    MetricEntry(
        "chrf++",
        "ftkit.metrics.texts:ChrfPlusPlus",
        ("translation", "summarization", "text-generation", "visual-question-answering", "image-captioning"),
        details=("chrf++_signature",),
    ),
    MetricEntry("ter", "ftkit.metrics.texts:Ter", ("translation",), details=("ter_signature",), lower_is_better=True),
    MetricEntry("accuracy", "ftkit.metrics.ranking:ChoiceAccuracy", ("multiple-choice",)),
    MetricEntry("ndcg@10", "ftkit.metrics.ranking:Ndcg", ("text-ranking",)),
    MetricEntry("mrr@10", "ftkit.metrics.ranking:Mrr", ("text-ranking",)),
    MetricEntry("map", "ftkit.metrics.ranking:MeanAveragePrecision", ("text-ranking",)),
    MetricEntry("recall@10", "ftkit.metrics.ranking:Recall", ("text-ranking",)),
    MetricEntry(
        "accuracy@1", "ftkit.metrics.search:AccuracyAt1", ("sentence-search", "sentence-triplets"), inputs=("ranks",)
    ),
    MetricEntry("mrr@10", "ftkit.metrics.search:Mrr", ("sentence-search", "sentence-triplets"), inputs=("ranks",)),
    MetricEntry("ndcg@10", "ftkit.metrics.search:Ndcg", ("sentence-search", "sentence-triplets"), inputs=("ranks",)),
    MetricEntry(
        "recall@10", "ftkit.metrics.search:Recall", ("sentence-search", "sentence-triplets"), inputs=("ranks",)
    ),
    MetricEntry(
        "triplet_accuracy", "ftkit.metrics.search:TripletAccuracy", ("sentence-triplets",), inputs=("margins",)
    ),
    MetricEntry(
        "rouge",
        "ftkit.metrics.texts:Rouge",
        ("summarization", "text-generation", "image-captioning"),
        _ROUGE,
        inputs=(*PAIR, "rouge_references"),
        details=("rouge_signature",),
    ),
    MetricEntry(
        "perplexity",
        "ftkit.metrics.tokens:Perplexity",
        ("fill-mask", "text-generation"),
        inputs=("loss", "items"),
        lower_is_better=True,
    ),
    MetricEntry("accuracy", "ftkit.metrics.tokens:TokenAccuracy", ("fill-mask",), inputs=("num_first", "items")),
    MetricEntry(
        "top_5_accuracy", "ftkit.metrics.tokens:TokenTop5Accuracy", ("fill-mask",), inputs=("num_in_5", "items")
    ),
    MetricEntry(
        "squad",
        "ftkit.metrics.squad:Squad",
        ("question-answering",),
        _SQUAD_KEYS,
        inputs=(*PAIR, "best_answers", "no_answer_probabilities", "words"),
    ),
    MetricEntry(
        "bits_per_byte",
        "ftkit.metrics.tokens:BitsPerByte",
        ("text-generation",),
        inputs=("loss", "bytes"),
        lower_is_better=True,
    ),
    MetricEntry(
        "token_accuracy", "ftkit.metrics.tokens:NextTokenAccuracy", ("text-generation",), inputs=("num_first", "items")
    ),
    MetricEntry(
        "wer",
        "ftkit.metrics.speech:WordErrorRate",
        ("automatic-speech-recognition",),
        inputs=(*PAIR, "normalize"),
        details=("wer_signature", "wer_edits"),
        lower_is_better=True,
    ),
    MetricEntry(
        "cer",
        "ftkit.metrics.speech:CharacterErrorRate",
        ("automatic-speech-recognition",),
        inputs=(*PAIR, "normalize"),
        details=("cer_signature", "cer_edits"),
        lower_is_better=True,
    ),
    MetricEntry("exact_match", "ftkit.metrics.texts:ExactMatch", ("text-generation",)),
    MetricEntry(
        "exact_match",
        "ftkit.metrics.visual_answers:VqaExactMatch",
        ("visual-question-answering", "image-captioning"),
        details=("exact_match_signature",),
    ),
    MetricEntry(
        "average_precision",
        "ftkit.metrics.detection:AveragePrecision",
        ("object-detection",),
        _COCO_KEYS,
        inputs=_LABEL_INPUTS,
    ),
    MetricEntry(
        "reward_accuracy",
        "ftkit.metrics.preferences:RewardAccuracy",
        ("preference-tuning",),
        inputs=("num_right", "items"),
    ),
    MetricEntry(
        "rewards",
        "ftkit.metrics.preferences:Rewards",
        ("preference-tuning",),
        ("reward_margin", "chosen_reward", "rejected_reward"),
        inputs=("chosen_reward", "rejected_reward", "items"),
    ),
    MetricEntry(
        "log_probs",
        "ftkit.metrics.preferences:LogProbs",
        ("preference-tuning",),
        ("chosen_log_prob", "rejected_log_prob"),
        inputs=("chosen_log_prob", "rejected_log_prob", "items"),
    ),
    MetricEntry(
        "kl",
        "ftkit.metrics.preferences:KlDivergence",
        ("preference-tuning",),
        inputs=("kl", "items"),
        lower_is_better=True,
    ),
    MetricEntry(
        "image_to_text_recall",
        "ftkit.metrics.image_search:ImageToTextRecall",
        ("image-search",),
        tuple(f"image_to_text_{key}" for key in _RECALLS),
        inputs=("image_to_text",),
    ),
    MetricEntry(
        "text_to_image_recall",
        "ftkit.metrics.image_search:TextToImageRecall",
        ("image-search",),
        tuple(f"text_to_image_{key}" for key in _RECALLS),
        inputs=("text_to_image",),
    ),
    MetricEntry(
        "mean_recall",
        "ftkit.metrics.image_search:MeanRecall",
        ("image-search",),
        inputs=("image_to_text", "text_to_image"),
    ),
    MetricEntry("mean_iou", "ftkit.metrics.segmentation:MeanIou", ("image-segmentation",), inputs=("confusion",)),
    MetricEntry("mean_dice", "ftkit.metrics.segmentation:MeanDice", ("image-segmentation",), inputs=("confusion",)),
    MetricEntry(
        "pixel_accuracy",
        "ftkit.metrics.segmentation:PixelAccuracy",
        ("image-segmentation",),
        ("pixel_accuracy", "mean_accuracy"),
        inputs=("confusion",),
    ),
)
"""Every built-in metric."""


def find_metric(name: str, group_name: str) -> MetricEntry | None:
    """Returns the row of a metric's name that suits a group, or None."""
    return next((entry for entry in METRICS if entry.name == name and group_name in entry.groups), None)
