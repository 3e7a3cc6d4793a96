"""The metric groups as literal rows: what is computed of predictions of one shape, and what picks the best checkpoint.

A new group is one row of `GROUPS`, and a scorer of its own only where its predictions have a shape that no scorer
knows yet.
"""

from __future__ import annotations

from ftkit.metrics.spec import PAIR, SCORE_INPUTS, MetricGroup

_INDICES = "label indices (N,); of two labels 1 is the positive one"
_INDICATORS = "{0,1} indicators (N, L)"
_OF_TWO = "probabilities (N, L); of two labels those of the positive one, (N,)"
_SENTENCES = "the tags of each sentence, as a list of names such as B-PER"
_TEXTS_OR_LISTS = {"predictions": "texts", "references": "texts, or lists of one text each"}

GROUPS: dict[str, MetricGroup] = {
    group.name: group
    for group in (
        MetricGroup(
            name="single_label_classification",
            scorer="ftkit.metrics.label_scorer:SingleLabelScorer",
            arguments=("labels", "positive_label"),
            defaults=("accuracy", "precision", "recall", "f1"),
            # What papers and leaderboards report for single labels, and the one number without a choice of
            # averaging. Skewed classes want f1_macro or matthews_correlation instead.
            primary="accuracy",
            gives={**dict.fromkeys(PAIR, _INDICES), **dict.fromkeys(SCORE_INPUTS, _OF_TWO)},
        ),
        MetricGroup(
            name="multi_label_classification",
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
            name="regression",
            scorer="ftkit.metrics.number_scorer:NumberScorer",
            defaults=("pearson", "spearman", "mse"),
            # Defined even while a model still predicts a constant, where a correlation is None, and it cannot
            # prefer a checkpoint that has the right order on the wrong scale.
            primary="mse",
            gives=dict.fromkeys(PAIR, "numbers (N,)"),
        ),
        MetricGroup(
            name="token-classification",
            scorer="ftkit.metrics.tag_scorer:TagScorer",
            arguments=("labels",),
            defaults=("seqeval", "conlleval", "accuracy"),
            # What papers on entities report: micro, and of the two conventions the stricter.
            primary="f1",
            gives=dict.fromkeys(PAIR, _SENTENCES),
        ),
        MetricGroup(
            name="plain-tags",
            scorer="ftkit.metrics.plain_tag_scorer:PlainTagScorer",
            arguments=("labels",),
            defaults=("accuracy", "tag_f1"),
            # What papers on parts of speech report.
            primary="accuracy",
            gives=dict.fromkeys(PAIR, _SENTENCES),
        ),
        MetricGroup(
            name="translation",
            scorer="ftkit.metrics.text_scorer:TextScorer",
            arguments=("target_lang", "bleu_tokenizer"),
            defaults=("bleu", "chrf++", "ter"),
            # What papers on translation report; chrf++ where words are long or have no spaces between them.
            primary="bleu",
            gives=_TEXTS_OR_LISTS,
        ),
        MetricGroup(
            name="multiple-choice",
            scorer="ftkit.metrics.ranking_scorer:ChoiceScorer",
            defaults=("accuracy",),
            primary="accuracy",
            gives=dict.fromkeys(PAIR, "positions of choices (N,), from 0"),
        ),
        MetricGroup(
            name="text-ranking",
            scorer="ftkit.metrics.ranking_scorer:RankingScorer",
            defaults=("ndcg@10", "mrr@10", "map"),
            # What benchmarks of retrieval report (BEIR, arXiv 2104.08663); it reads graded relevance.
            primary="ndcg@10",
            gives={"predictions": "scores of candidates, lists", "references": "their relevances, lists"},
        ),
        MetricGroup(
            name="sentence-similarity",
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
            for name, more in (("sentence-search", ()), ("sentence-triplets", ("triplet_accuracy",)))
        ),
        MetricGroup(
            name="summarization",
            scorer="ftkit.metrics.text_scorer:TextScorer",
            arguments=("rouge_references",),
            defaults=("rouge",),
            # The one of the four that reads the order of words, whatever the number of sentences.
            primary="rougeL",
            gives=_TEXTS_OR_LISTS,
        ),
        MetricGroup(
            name="fill-mask",
            defaults=("perplexity", "accuracy", "top_5_accuracy"),
            # The loss in words that papers use; it says more than the hits while these are few.
            primary="perplexity",
        ),
        MetricGroup(
            name="question-answering",
            scorer="ftkit.metrics.answer_scorer:AnswerScorer",
            arguments=("answer_language",),
            defaults=("squad",),
            # What papers report beside exact match; an answer that is a word too long counts in part.
            primary="f1",
            gives={"predictions": "texts, an empty one for no answer", "references": "lists of texts"},
        ),
        MetricGroup(
            name="text-generation",
            scorer="ftkit.metrics.next_token_scorer:NextTokenScorer",
            defaults=("perplexity", "bits_per_byte", "token_accuracy"),
            # What is trained on: metrics that read answers have to be asked for, and take long.
            primary="loss",
            gives={"predictions": "texts", "references": "texts"},
        ),
        MetricGroup(
            name="preference-tuning",
            scorer="ftkit.metrics.preference_scorer:PreferenceScorer",
            defaults=("reward_accuracy", "rewards", "log_probs", "kl"),
            # What papers on DPO report of held-out pairs; the loss rises with every pair that is wrong by much.
            primary="reward_accuracy",
        ),
        MetricGroup(
            name="automatic-speech-recognition",
            scorer="ftkit.metrics.transcript_scorer:TranscriptScorer",
            arguments=("normalize",),
            defaults=("wer", "cer"),
            # What papers and leaderboards on speech report; cer where words have no spaces between them.
            primary="wer",
            gives=dict.fromkeys(PAIR, "texts"),
        ),
        MetricGroup(
            name="object-detection",
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
            name="image-segmentation",
            scorer="ftkit.metrics.segmentation_scorer:SegmentationScorer",
            arguments=("labels",),
            defaults=("mean_iou", "mean_dice", "pixel_accuracy"),
            # What papers on semantic segmentation report: rare classes count as much as the background.
            primary="mean_iou",
        ),
        MetricGroup(
            name="visual-question-answering",
            scorer="ftkit.metrics.text_scorer:TextScorer",
            defaults=("exact_match",),
            # What papers on visual questions report; a short answer is right or wrong.
            primary="exact_match",
            gives=_TEXTS_OR_LISTS,
        ),
        MetricGroup(
            name="image-captioning",
            scorer="ftkit.metrics.text_scorer:TextScorer",
            defaults=("bleu", "chrf++"),
            # chrF++ tells short captions apart where no four words in a row are right and BLEU is 0.
            primary="chrf++",
            gives=_TEXTS_OR_LISTS,
        ),
        MetricGroup(
            name="image-search",
            scorer="ftkit.metrics.image_search_scorer:ImageSearchScorer",
            defaults=("image_to_text_recall", "text_to_image_recall", "mean_recall"),
            # What papers on retrieval choose checkpoints by: the six recalls in one number.
            primary="mean_recall",
        ),
        MetricGroup(name="loss"),
    )
}
"""Name -> metric group. A kind names one, or makes its own."""
