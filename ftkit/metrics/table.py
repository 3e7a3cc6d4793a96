"""The metrics and the metric groups as literal rows of plain Python.

A new metric is one class and one row of `METRICS`. A new group is one row of `GROUPS`, and a scorer of its own only
where its predictions have a shape that no scorer knows yet.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PAIR = ("predictions", "references")
SCORE_INPUTS = ("prediction_scores", "scores")
"""The names under which a metric may ask for probabilities; evaluate's own metrics use both."""


@dataclass(frozen=True, kw_only=True)
class MetricEntry:
    """One metric, in the groups whose rows one class can read.

    Attributes:
        name: as in a config. Two rows may share a name where no group is in both.
        reference: `module:Class` of an `ArrayMetric`.
        keys: name of a group -> the keys that the metric puts into a result.
        inputs: what the metric reads, by the names that the group's scorer gives.
        details: keys of texts that come with the values, such as `bleu_signature`.
        lower_is_better: those of its keys whose smaller value is better; a key that ends in `loss` need not be named.
    """

    name: str
    reference: str
    keys: Mapping[str, tuple[str, ...]]
    inputs: tuple[str, ...] = PAIR
    details: tuple[str, ...] = ()
    lower_is_better: tuple[str, ...] = ()

    @property
    def needs_scores(self) -> bool:
        """Whether the metric reads probabilities rather than predicted labels."""
        return any(name in SCORE_INPUTS for name in self.inputs)


@dataclass(frozen=True, kw_only=True)
class MetricGroup:
    """What is computed of one shape of predictions. `MetricGroup(name="mine")` is judged by its loss alone.

    Attributes:
        name: of a classifier its problem type, else the kind that the group was made for.
        scorer: `module:Class` of a scorer.
        arguments: what the scorer is made with: `labels`, and names of the kind's options.
        defaults: the metrics that are computed when neither the config nor the task names any.
        primary: the key that picks the best checkpoint; the default metrics compute it.
        gives: what an external metric may read, input name -> what it is. Empty: no external metric can be computed.
        evaluate_config: the `config_name` that evaluate's own modules want for such rows.
    """

    name: str
    scorer: str = "ftkit.metrics.loss_scorer:LossScorer"
    arguments: tuple[str, ...] = ()
    defaults: tuple[str, ...] = ()
    primary: str = "loss"
    gives: Mapping[str, str] = field(default_factory=dict)
    evaluate_config: str | None = None


_SINGLE, _MULTI, _REGRESSION = "single_label_classification", "multi_label_classification", "regression"
_TAGS, _PLAIN_TAGS, _TRANSLATION = "token-classification", "plain-tags", "translation"
_CHOICE, _RANKING = "multiple-choice", "text-ranking"
_SIMILARITY, _SEARCH, _TRIPLETS = "sentence-similarity", "sentence-search", "sentence-triplets"
_ANSWERS = "question-answering"
_FILL_MASK, _SUMMARIZATION = "fill-mask", "summarization"
_ROUGE = ("rouge1", "rouge2", "rougeL", "rougeLsum")
_NEXT_TOKENS = "text-generation"
_PREFERENCES = "preference-tuning"
_BOXES = "object-detection"
_COCO_KEYS = (
    *("ap", "ap50", "ap75", "ap_small", "ap_medium", "ap_large"),
    *("ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"),
)
_TRANSCRIPTS = "automatic-speech-recognition"
_PIXELS = "image-segmentation"
_VISUAL_ANSWERS, _CAPTIONS = "visual-question-answering", "image-captioning"
_IMAGE_SEARCH = "image-search"
_RECALLS = ("recall@1", "recall@5", "recall@10")

_PRECISION = ("precision", "precision_macro", "precision_micro", "precision_weighted")
_RECALL = ("recall", "recall_macro", "recall_micro", "recall_weighted")
_F1 = ("f1", "f1_macro", "f1_micro", "f1_weighted")
_ENTITY_KEYS = ("precision", "recall", "f1", "precision_macro", "recall_macro", "f1_macro")
# Where questions have no answer; in the words of SQuAD's official script.
_SQUAD_2_KEYS = ("HasAns_exact", "HasAns_f1", "NoAns_exact", "NoAns_f1", "best_exact", "best_f1")
_SQUAD_KEYS = ("exact_match", "f1", *_SQUAD_2_KEYS, "best_exact_thresh", "best_f1_thresh")
_LABEL_INPUTS = (*PAIR, "num_labels")
_POSITIVE_INPUTS = (*_LABEL_INPUTS, "pos_label")

METRICS: tuple[MetricEntry, ...] = (
    MetricEntry(
        name="accuracy",
        reference="ftkit.metrics.classification:Accuracy",
        keys={_SINGLE: ("accuracy",), _MULTI: ("accuracy", "hamming_loss")},
        inputs=_LABEL_INPUTS,
    ),
    MetricEntry(
        name="precision",
        reference="ftkit.metrics.classification:Precision",
        keys={_SINGLE: _PRECISION, _MULTI: _PRECISION},
        inputs=_POSITIVE_INPUTS,
    ),
    MetricEntry(
        name="recall",
        reference="ftkit.metrics.classification:Recall",
        keys={_SINGLE: _RECALL, _MULTI: _RECALL},
        inputs=_POSITIVE_INPUTS,
    ),
    MetricEntry(
        name="f1",
        reference="ftkit.metrics.classification:F1",
        keys={_SINGLE: _F1, _MULTI: _F1},
        inputs=_POSITIVE_INPUTS,
    ),
    MetricEntry(
        name="matthews_correlation",
        reference="ftkit.metrics.classification:MatthewsCorrelation",
        keys={_SINGLE: ("matthews_correlation",)},
        inputs=_LABEL_INPUTS,
    ),
    MetricEntry(
        name="roc_auc",
        reference="ftkit.metrics.classification:RocAuc",
        keys={_SINGLE: ("roc_auc",), _MULTI: ("roc_auc",)},
        inputs=("references", "prediction_scores", "pos_label"),
    ),
    MetricEntry(
        name="pearson",
        reference="ftkit.metrics.regression:Pearson",
        keys=dict.fromkeys((_REGRESSION, _SIMILARITY), ("pearson",)),
    ),
    MetricEntry(
        name="spearman",
        reference="ftkit.metrics.regression:Spearman",
        keys=dict.fromkeys((_REGRESSION, _SIMILARITY), ("spearman",)),
    ),
    MetricEntry(
        name="mse",
        reference="ftkit.metrics.regression:MeanSquaredError",
        keys={_REGRESSION: ("mse", "rmse", "mae")},
        lower_is_better=("mse", "rmse", "mae"),
    ),
    MetricEntry(
        name="seqeval",
        reference="ftkit.metrics.entities:Seqeval",
        keys={_TAGS: _ENTITY_KEYS},
        inputs=(*PAIR, "scheme"),
    ),
    MetricEntry(
        name="conlleval",
        reference="ftkit.metrics.entities:Conlleval",
        keys={_TAGS: tuple(f"conlleval_{key}" for key in _ENTITY_KEYS)},
    ),
    MetricEntry(
        name="accuracy",
        reference="ftkit.metrics.entities:WordAccuracy",
        keys={_TAGS: ("accuracy",), _PLAIN_TAGS: ("accuracy",)},
    ),
    MetricEntry(
        name="tag_f1", reference="ftkit.metrics.entities:TagF1", keys={_PLAIN_TAGS: ("f1_macro", "f1_weighted")}
    ),
    MetricEntry(
        name="bleu",
        reference="ftkit.metrics.texts:Bleu",
        keys=dict.fromkeys((_TRANSLATION, _SUMMARIZATION, _VISUAL_ANSWERS, _CAPTIONS), ("bleu",)),
        inputs=(*PAIR, "tokenizer"),
        details=("bleu_signature",),
    ),
    MetricEntry(
        name="chrf++",
        reference="ftkit.metrics.texts:ChrfPlusPlus",
        keys=dict.fromkeys((_TRANSLATION, _SUMMARIZATION, _NEXT_TOKENS, _VISUAL_ANSWERS, _CAPTIONS), ("chrf++",)),
        details=("chrf++_signature",),
    ),
    MetricEntry(
        name="ter",
        reference="ftkit.metrics.texts:Ter",
        keys={_TRANSLATION: ("ter",)},
        details=("ter_signature",),
        lower_is_better=("ter",),
    ),
    MetricEntry(name="accuracy", reference="ftkit.metrics.ranking:ChoiceAccuracy", keys={_CHOICE: ("accuracy",)}),
    MetricEntry(name="ndcg@10", reference="ftkit.metrics.ranking:Ndcg", keys={_RANKING: ("ndcg@10",)}),
    MetricEntry(name="mrr@10", reference="ftkit.metrics.ranking:Mrr", keys={_RANKING: ("mrr@10",)}),
    MetricEntry(name="map", reference="ftkit.metrics.ranking:MeanAveragePrecision", keys={_RANKING: ("map",)}),
    MetricEntry(name="recall@10", reference="ftkit.metrics.ranking:Recall", keys={_RANKING: ("recall@10",)}),
    *(
        MetricEntry(
            name=name,
            reference=f"ftkit.metrics.search:{metric}",
            keys=dict.fromkeys((_SEARCH, _TRIPLETS), (name,)),
            inputs=("ranks",),
        )
        for name, metric in (
            ("accuracy@1", "AccuracyAt1"),
            ("mrr@10", "Mrr"),
            ("ndcg@10", "Ndcg"),
            ("recall@10", "Recall"),
        )
    ),
    MetricEntry(
        name="triplet_accuracy",
        reference="ftkit.metrics.search:TripletAccuracy",
        keys={_TRIPLETS: ("triplet_accuracy",)},
        inputs=("margins",),
    ),
    MetricEntry(
        name="rouge",
        reference="ftkit.metrics.texts:Rouge",
        keys=dict.fromkeys((_SUMMARIZATION, _NEXT_TOKENS, _CAPTIONS), _ROUGE),
        inputs=(*PAIR, "rouge_references"),
        details=("rouge_signature",),
    ),
    MetricEntry(
        name="perplexity",
        reference="ftkit.metrics.tokens:Perplexity",
        keys={_FILL_MASK: ("perplexity",), _NEXT_TOKENS: ("perplexity",)},
        inputs=("loss", "items"),
        lower_is_better=("perplexity",),
    ),
    MetricEntry(
        name="accuracy",
        reference="ftkit.metrics.tokens:TokenAccuracy",
        keys={_FILL_MASK: ("accuracy",)},
        inputs=("num_first", "items"),
    ),
    MetricEntry(
        name="top_5_accuracy",
        reference="ftkit.metrics.tokens:TokenTop5Accuracy",
        keys={_FILL_MASK: ("top_5_accuracy",)},
        inputs=("num_in_5", "items"),
    ),
    MetricEntry(
        name="squad",
        reference="ftkit.metrics.squad:Squad",
        keys={_ANSWERS: _SQUAD_KEYS},
        inputs=(*PAIR, "best_answers", "no_answer_probabilities", "words"),
    ),
    MetricEntry(
        name="bits_per_byte",
        reference="ftkit.metrics.tokens:BitsPerByte",
        keys={_NEXT_TOKENS: ("bits_per_byte",)},
        inputs=("loss", "bytes"),
        lower_is_better=("bits_per_byte",),
    ),
    MetricEntry(
        name="token_accuracy",
        reference="ftkit.metrics.tokens:NextTokenAccuracy",
        keys={_NEXT_TOKENS: ("token_accuracy",)},
        inputs=("num_first", "items"),
    ),
    MetricEntry(
        name="wer",
        reference="ftkit.metrics.speech:WordErrorRate",
        keys={_TRANSCRIPTS: ("wer",)},
        inputs=(*PAIR, "normalize"),
        details=("wer_signature", "wer_edits"),
        lower_is_better=("wer",),
    ),
    MetricEntry(
        name="cer",
        reference="ftkit.metrics.speech:CharacterErrorRate",
        keys={_TRANSCRIPTS: ("cer",)},
        inputs=(*PAIR, "normalize"),
        details=("cer_signature", "cer_edits"),
        lower_is_better=("cer",),
    ),
    MetricEntry(name="exact_match", reference="ftkit.metrics.texts:ExactMatch", keys={_NEXT_TOKENS: ("exact_match",)}),
    MetricEntry(
        name="exact_match",
        reference="ftkit.metrics.visual_answers:VqaExactMatch",
        keys=dict.fromkeys((_VISUAL_ANSWERS, _CAPTIONS), ("exact_match",)),
        details=("exact_match_signature",),
    ),
    MetricEntry(
        name="average_precision",
        reference="ftkit.metrics.detection:AveragePrecision",
        keys={_BOXES: _COCO_KEYS},
        inputs=(*PAIR, "num_labels"),
    ),
    MetricEntry(
        name="reward_accuracy",
        reference="ftkit.metrics.preferences:RewardAccuracy",
        keys={_PREFERENCES: ("reward_accuracy",)},
        inputs=("num_right", "items"),
    ),
    MetricEntry(
        name="rewards",
        reference="ftkit.metrics.preferences:Rewards",
        keys={_PREFERENCES: ("reward_margin", "chosen_reward", "rejected_reward")},
        inputs=("chosen_reward", "rejected_reward", "items"),
    ),
    MetricEntry(
        name="log_probs",
        reference="ftkit.metrics.preferences:LogProbs",
        keys={_PREFERENCES: ("chosen_log_prob", "rejected_log_prob")},
        inputs=("chosen_log_prob", "rejected_log_prob", "items"),
    ),
    MetricEntry(
        name="kl",
        reference="ftkit.metrics.preferences:KlDivergence",
        keys={_PREFERENCES: ("kl",)},
        inputs=("kl", "items"),
        lower_is_better=("kl",),
    ),
    *(
        MetricEntry(
            name=f"{name}_recall",
            reference=f"ftkit.metrics.image_search:{metric}",
            keys={_IMAGE_SEARCH: tuple(f"{name}_{key}" for key in _RECALLS)},
            inputs=(name,),
        )
        for name, metric in (("image_to_text", "ImageToTextRecall"), ("text_to_image", "TextToImageRecall"))
    ),
    MetricEntry(
        name="mean_recall",
        reference="ftkit.metrics.image_search:MeanRecall",
        keys={_IMAGE_SEARCH: ("mean_recall",)},
        inputs=("image_to_text", "text_to_image"),
    ),
    MetricEntry(
        name="mean_iou",
        reference="ftkit.metrics.segmentation:MeanIou",
        keys={_PIXELS: ("mean_iou",)},
        inputs=("confusion",),
    ),
    MetricEntry(
        name="mean_dice",
        reference="ftkit.metrics.segmentation:MeanDice",
        keys={_PIXELS: ("mean_dice",)},
        inputs=("confusion",),
    ),
    MetricEntry(
        name="pixel_accuracy",
        reference="ftkit.metrics.segmentation:PixelAccuracy",
        keys={_PIXELS: ("pixel_accuracy", "mean_accuracy")},
        inputs=("confusion",),
    ),
)
"""Every built-in metric."""

_INDICES = "label indices (N,); of two labels 1 is the positive one"
_INDICATORS = "{0,1} indicators (N, L)"
_OF_TWO = "probabilities (N, L); of two labels those of the positive one, (N,)"
_SENTENCES = "the tags of each sentence, as a list of names such as B-PER"

GROUPS: dict[str, MetricGroup] = {
    group.name: group
    for group in (
        MetricGroup(
            name=_SINGLE,
            scorer="ftkit.metrics.label_scorer:SingleLabelScorer",
            arguments=("labels", "positive_label"),
            defaults=("accuracy", "precision", "recall", "f1"),
            # What papers and leaderboards report for single labels, and the one number without a choice of
            # averaging. Skewed classes want f1_macro or matthews_correlation instead.
            primary="accuracy",
            gives={**dict.fromkeys(PAIR, _INDICES), **dict.fromkeys(SCORE_INPUTS, _OF_TWO)},
        ),
        MetricGroup(
            name=_MULTI,
            scorer="ftkit.metrics.label_scorer:MultiLabelScorer",
            arguments=("labels",),
            defaults=("accuracy", "precision", "recall", "f1"),
            # Pools every decision, so rare labels with a handful of positives do not make the choice of the best
            # checkpoint a lottery (f1_macro), and a row is not all right or all wrong (accuracy).
            primary="f1_micro",
            gives={**dict.fromkeys(PAIR, _INDICATORS), **dict.fromkeys(SCORE_INPUTS, "probabilities (N, L)")},
            evaluate_config="multilabel",
        ),
        MetricGroup(
            name=_REGRESSION,
            scorer="ftkit.metrics.number_scorer:NumberScorer",
            defaults=("pearson", "spearman", "mse"),
            # Defined even while a model still predicts a constant, where a correlation is None, and it cannot
            # prefer a checkpoint that has the right order on the wrong scale.
            primary="mse",
            gives=dict.fromkeys(PAIR, "numbers (N,)"),
        ),
        MetricGroup(
            name=_TAGS,
            scorer="ftkit.metrics.tag_scorer:TagScorer",
            arguments=("labels",),
            defaults=("seqeval", "conlleval", "accuracy"),
            # What papers on entities report: micro, and of the two conventions the stricter.
            primary="f1",
            gives=dict.fromkeys(PAIR, _SENTENCES),
        ),
        MetricGroup(
            name=_PLAIN_TAGS,
            scorer="ftkit.metrics.plain_tag_scorer:PlainTagScorer",
            arguments=("labels",),
            defaults=("accuracy", "tag_f1"),
            # What papers on parts of speech report.
            primary="accuracy",
            gives=dict.fromkeys(PAIR, _SENTENCES),
        ),
        MetricGroup(
            name=_TRANSLATION,
            scorer="ftkit.metrics.text_scorer:TextScorer",
            arguments=("target_lang", "bleu_tokenizer"),
            defaults=("bleu", "chrf++", "ter"),
            # What papers on translation report; chrf++ where words are long or have no spaces between them.
            primary="bleu",
            gives={"predictions": "texts", "references": "texts, or lists of one text each"},
        ),
        MetricGroup(
            name=_CHOICE,
            scorer="ftkit.metrics.ranking_scorer:ChoiceScorer",
            defaults=("accuracy",),
            primary="accuracy",
            gives=dict.fromkeys(PAIR, "positions of choices (N,), from 0"),
        ),
        MetricGroup(
            name=_RANKING,
            scorer="ftkit.metrics.ranking_scorer:RankingScorer",
            defaults=("ndcg@10", "mrr@10", "map"),
            # What benchmarks of retrieval report (BEIR, arXiv 2104.08663); it reads graded relevance.
            primary="ndcg@10",
            gives={"predictions": "scores of candidates, lists", "references": "their relevances, lists"},
        ),
        MetricGroup(
            name=_SIMILARITY,
            scorer="ftkit.metrics.number_scorer:NumberScorer",
            defaults=("spearman", "pearson"),
            # What papers on semantic similarity report (SemEval's STS tasks): the order counts, not the scale.
            primary="spearman",
            gives=dict.fromkeys(PAIR, "numbers (N,)"),
        ),
        *(
            MetricGroup(
                name=name,
                scorer="ftkit.metrics.search_scorer:SearchScorer",
                defaults=("accuracy@1", "mrr@10", "ndcg@10", "recall@10", *more),
                # Most anchors have one positive, of which its rank says all; it tells more than whether that is 1.
                primary="mrr@10",
            )
            for name, more in ((_SEARCH, ()), (_TRIPLETS, ("triplet_accuracy",)))
        ),
        MetricGroup(
            name=_SUMMARIZATION,
            scorer="ftkit.metrics.text_scorer:TextScorer",
            arguments=("rouge_references",),
            defaults=("rouge",),
            # The one of the four that reads the order of words, whatever the number of sentences.
            primary="rougeL",
            gives={"predictions": "texts", "references": "texts, or lists of one text each"},
        ),
        MetricGroup(
            name=_FILL_MASK,
            defaults=("perplexity", "accuracy", "top_5_accuracy"),
            # The loss in words that papers use; it says more than the hits while these are few.
            primary="perplexity",
        ),
        MetricGroup(
            name=_ANSWERS,
            scorer="ftkit.metrics.answer_scorer:AnswerScorer",
            arguments=("answer_language",),
            defaults=("squad",),
            # What papers report beside exact match; an answer that is a word too long counts in part.
            primary="f1",
            gives={"predictions": "texts, an empty one for no answer", "references": "lists of texts"},
        ),
        MetricGroup(
            name=_NEXT_TOKENS,
            scorer="ftkit.metrics.next_token_scorer:NextTokenScorer",
            defaults=("perplexity", "bits_per_byte", "token_accuracy"),
            # What is trained on: metrics that read answers have to be asked for, and take long.
            primary="loss",
            gives={"predictions": "texts", "references": "texts"},
        ),
        MetricGroup(
            name=_PREFERENCES,
            scorer="ftkit.metrics.preference_scorer:PreferenceScorer",
            defaults=("reward_accuracy", "rewards", "log_probs", "kl"),
            # What papers on DPO report of held-out pairs; the loss rises with every pair that is wrong by much.
            primary="reward_accuracy",
        ),
        MetricGroup(
            name=_TRANSCRIPTS,
            scorer="ftkit.metrics.transcript_scorer:TranscriptScorer",
            arguments=("normalize",),
            defaults=("wer", "cer"),
            # What papers and leaderboards on speech report; cer where words have no spaces between them.
            primary="wer",
            gives=dict.fromkeys(PAIR, "texts"),
        ),
        MetricGroup(
            name=_BOXES,
            scorer="ftkit.metrics.detection_scorer:DetectionScorer",
            arguments=("labels",),
            defaults=("average_precision",),
            # What papers and leaderboards report: it asks for the right label and for a tight box.
            primary="ap",
            gives={
                "predictions": "of each image rows of label index, score, left, top, right, bottom",
                "references": "of each image rows of label index, ignored, left, top, right, bottom, area",
            },
        ),
        MetricGroup(
            name=_PIXELS,
            scorer="ftkit.metrics.segmentation_scorer:SegmentationScorer",
            arguments=("labels",),
            defaults=("mean_iou", "mean_dice", "pixel_accuracy"),
            # What papers on semantic segmentation report: rare classes count as much as the background.
            primary="mean_iou",
        ),
        MetricGroup(
            name=_VISUAL_ANSWERS,
            scorer="ftkit.metrics.text_scorer:TextScorer",
            defaults=("exact_match",),
            # What papers on visual questions report; a short answer is right or wrong.
            primary="exact_match",
            gives={"predictions": "texts", "references": "texts, or lists of one text each"},
        ),
        MetricGroup(
            name=_CAPTIONS,
            scorer="ftkit.metrics.text_scorer:TextScorer",
            defaults=("bleu", "chrf++"),
            # chrF++ tells short captions apart where no four words in a row are right and BLEU is 0.
            primary="chrf++",
            gives={"predictions": "texts", "references": "texts, or lists of one text each"},
        ),
        MetricGroup(
            name=_IMAGE_SEARCH,
            scorer="ftkit.metrics.image_search_scorer:ImageSearchScorer",
            defaults=("image_to_text_recall", "text_to_image_recall", "mean_recall"),
            # What papers on retrieval choose checkpoints by: the six recalls in one number.
            primary="mean_recall",
        ),
        MetricGroup(name="loss"),
    )
}
"""Name -> metric group. A kind names one, or makes its own."""


def find_metric(name: str, group_name: str) -> MetricEntry | None:
    """Returns the row of a metric's name that suits a group, or None."""
    return next((entry for entry in METRICS if entry.name == name and group_name in entry.keys), None)


def import_class(reference: str) -> Any:
    """Imports and returns what `module:Class` names."""
    module, _, name = reference.partition(":")
    return getattr(importlib.import_module(module), name)
