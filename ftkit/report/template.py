"""Fills the templates of this package."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftkit.report.escape import code_text, markdown_text
from ftkit.report.texts import MISSING, encodable, score_text, with_article

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_FOLDER = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """Returns a filled template; in HTML every value is escaped, for texts of the data may hold HTML."""
    return encodable(_environment().get_template(template).render(**values))


@functools.cache
def _environment() -> Environment:
    """Returns what compiles the templates, each once in a process."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=select_autoescape(["html"], default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "md": markdown_text,
        "code": code_text,
        "score": score_text,
        "breakable": breakable,
        "a": with_article,
    }
    return environment


def breakable(text: str | None) -> Markup:
    """Returns an escaped name in HTML that may go on in a new line after `_`, `-`, `.`, `/` and `:`."""
    from markupsafe import Markup, escape

    parts = re.split(r"(?<=[_./:-])(?=\w)", MISSING if text is None else text)
    return Markup("<wbr>").join(escape(part) for part in parts)
