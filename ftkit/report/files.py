"""The three files of a run's report: report.html, README.md, and report.json, from which the others are made again."""

from __future__ import annotations

from pathlib import Path

from ftkit.data.files import atomic_write_text
from ftkit.errors import UserError
from ftkit.paths import user_path
from ftkit.report.card import card_text, card_values
from ftkit.report.card_merge import merge_cards
from ftkit.report.content import ReportContent
from ftkit.report.page import page_html, page_values
from ftkit.report.saved import Report, read_report, write_report_file
from ftkit.runs.files import CARD_FILE, PAGE_FILE, REPORT_FILES


def write_report(folder: Path, content: ReportContent) -> Report:
    """Writes report.html, README.md and report.json of a run, and returns what they show.

    Equal content gives equal bytes.

    Raises:
        UserError: a file cannot be written.
    """
    page = page_values(content)
    notes = () if page.headline is None else page.headline.notes
    card = card_values(content, notes)
    report = Report(title=content.title, texts_are_public=content.texts_are_public, page=page, card=card)
    write_files(folder, report)
    return report


def write_files(folder: Path, report: Report, *, name: str | None = None) -> None:
    """Writes the three files anew; nobody has edited them yet.

    Args:
        name: of the folder in the card's code; by default the report's title.
    """
    report = with_card(report, name or report.title)
    atomic_write_text(folder / PAGE_FILE, page_of(report))
    atomic_write_text(folder / CARD_FILE, report.generated_card)
    write_report_file(folder, report)


def rebuild(folder: str | Path) -> None:
    """Makes report.html and README.md of a run again, from its report.json alone.

    What a person has written into README.md stays. The run may come from a stranger: its report.json is checked, and
    opening it runs nothing.

    Raises:
        UserError: there is no report.json, it is damaged, or a file cannot be read or written.
    """
    folder = user_path(folder)
    saved = read_report(folder)
    report = with_card(saved, folder.absolute().name)
    for file in REPORT_FILES:
        if (folder / file).is_symlink():
            raise UserError(
                f"{folder / file} is a link, and a report is not written through it: it leads out of the run. "
                "Remove the link; nothing was written."
            )
    # The card before the report: if this stops between them, the next time finds the card as it would write it.
    atomic_write_text(folder / PAGE_FILE, page_of(report))
    atomic_write_text(folder / CARD_FILE, merged_card(folder, saved, report.generated_card))
    write_report_file(folder, report)


def with_card(report: Report, name: str) -> Report:
    """Returns a report with the card that it gives for a folder of this name."""
    texts_at_home = not report.has_texts
    text = card_text(report.title, report.card, name=name, texts_at_home=texts_at_home)
    return report.model_copy(update={"generated_card": text})


def page_of(report: Report) -> str:
    """Returns the content of report.html."""
    return page_html(report.title, report.page, has_texts=report.has_texts, merged=report.card.merged)


def merged_card(folder: Path, last: Report, new: str) -> str:
    """Returns a new card with what a person wrote into the one that lies in the folder.

    Raises:
        UserError: the card that lies there cannot be read.
    """
    path = folder / CARD_FILE
    if not path.is_file():
        return new
    try:
        mine = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 at byte {error.start}. Save it as UTF-8; nothing was written.") from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}.") from None
    return merge_cards(last.generated_card, mine, new)
