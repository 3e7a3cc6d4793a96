"""What the ways of using a model that labels its inputs share."""

from __future__ import annotations

from ftkit.report.saved import Card

# By transformers' own `problem_type`.
_ANSWERS = {
    "multi_label_classification": "[model.config.id2label[i] for i in (logits >= 0).nonzero().flatten().tolist()]",
    "regression": "logits.item()",
}


def needs_logits(card: Card) -> bool:
    """Tells whether the answer is another than the likeliest label."""
    return card.problem_type in _ANSWERS


def label_lines(card: Card) -> list[str]:
    """Returns the lines that print the answer for `inputs`: a label, several, or a number."""
    return [
        "with torch.inference_mode():",
        "    logits = model(**inputs).logits[0]",
        f"print({_ANSWERS.get(card.problem_type, 'model.config.id2label[logits.argmax().item()]')})",
    ]


def label_note(card: Card) -> str:
    """Returns how several labels are to be taken."""
    if card.problem_type == "multi_label_classification":
        return "Each label comes with a probability of its own; those from 0.5 on are the prediction."
    return ""
