"""The report of a run as it is uploaded: its card names the repository, and users' texts can stay at home."""

from __future__ import annotations

from pathlib import Path

from ftkit.errors import UserError
from ftkit.report.card import card_text
from ftkit.report.card_merge import merge_cards, sections
from ftkit.report.escape import literal, markdown_text, one_line
from ftkit.report.files import merged_card, page_of
from ftkit.report.saved import Example, Report, last_card, read_report, without_texts
from ftkit.runs.files import CARD_FILE, PAGE_FILE, REPORT_FILE

_SHORTEST_TEXT = 12  # characters; a shorter one may stand in a sentence by chance


def shared_files(folder: Path, *, repo_id: str, with_texts: bool, base_model: str | None = None) -> dict[str, str]:
    """Returns README.md, report.html and report.json of a run as they are to be uploaded. Nothing is written.

    Without the users' texts there is no example in the card, and the errors are told by line and label; unless the
    run's data are public anyway.

    Args:
        folder: a finished run with a report.json.
        repo_id: where to: the card's code names it.
        with_texts: also the users' texts.
        base_model: the Hub id of the base, where it is there by now.

    Raises:
        UserError: report.json is missing or damaged, or a section of the card that a person edited holds one of the
            texts that are to stay at home.
    """
    saved = read_report(folder)
    keeps_texts = (with_texts or saved.texts_are_public) and saved.has_texts
    report = _based_on(saved if keeps_texts else without_texts(saved), base_model)
    text = card_text(report.title, report.card, name=repo_id, is_folder=False, texts_at_home=not keeps_texts)
    card = merged_card(folder, saved, text)
    if not keeps_texts and saved.card.example is not None:
        _check_no_text(folder, card, saved.card.example)
    report = report.model_copy(update={"generated_card": text})
    return {CARD_FILE: card, PAGE_FILE: page_of(report), REPORT_FILE: report.to_json()}


def with_edits_of(card: str, *, theirs: str, their_report: bytes) -> str:
    """Returns a card that is about to be uploaded, with what people wrote into the one that lies in the repository.

    Args:
        card: ours.
        theirs: README.md of the repository.
        their_report: its report.json, which tells what of `theirs` was generated; empty if there is none.
    """
    # Where nobody knows what was generated, all of it is taken for written by hand.
    return merge_cards(last_card(their_report), theirs, card)


def _based_on(report: Report, base_model: str | None) -> Report:
    """Returns a report whose card names its base on the Hub, for whoever makes the card again."""
    if base_model is None:
        return report
    base = report.card.base.model_copy(update={"name": base_model, "on_hub": base_model, "revision": None})
    return report.model_copy(update={"card": report.card.model_copy(update={"base": base})})


def _check_no_text(folder: Path, card: str, example: Example) -> None:
    """Refuses a card that holds the example, which a section that a person edited keeps."""
    answers = (example.expected, example.predicted) if example.answers_hold_texts else ()
    texts = [*example.quotes, *example.inputs, *answers]
    spellings = {spelled for text in texts if len(text) >= _SHORTEST_TEXT for spelled in _spellings(text)}
    spellings |= {", ".join(map(literal, example.inputs))} if len(example.inputs) > 2 else set()  # words
    for heading, section in sections(card).items():
        if any(spelled in section for spelled in spellings):
            where = f"the section {heading!r}" if heading else "the beginning"
            raise UserError(
                f"{folder / CARD_FILE}: {where} was edited and holds a text of the data, which is to stay at home. "
                "Take the text out of it, or share the texts too (--with-predictions)."
            )


def _spellings(text: str) -> tuple[str, ...]:
    """Returns a text as it is, and as the card and its code write it."""
    return text, one_line(text), markdown_text(text), literal(text)[1:-1]
