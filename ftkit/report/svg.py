"""matplotlib figures as SVG that lives within a page: themed by CSS variables, unique ids, no timestamps."""

from __future__ import annotations

import io
import re
import warnings
from typing import TYPE_CHECKING, Any

from ftkit.report.texts import encodable, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Blue, vermilion and green of Okabe and Ito (2008), Color Universal Design: told apart by every kind of
# colour vision. Each value is there once, for it is found in the SVG by its hex code.
LIGHT = {
    "ink": "#1d2530",
    "muted": "#5b6673",
    "line": "#dde2e7",
    "panel": "#ffffff",
    "page": "#f5f6f8",
    "accent": "#0072b2",
    "error": "#d55e00",
    "good": "#00795a",
    "onfill": "#fefefe",
}
DARK = {
    "ink": "#e7ebef",
    "muted": "#9ba7b4",
    "line": "#343d47",
    "panel": "#1b2128",
    "page": "#12161b",
    "accent": "#56b4e9",
    "error": "#f5a05a",
    "good": "#4cc9a0",
    "onfill": "#0d1116",
}
HALF, WIDE = 4.8, 9.6  # inches: a drawing beside another, and one on its own
_MAX_LABEL = 28

_STYLE: dict[str, Any] = {
    "svg.hashsalt": "ftkit",
    # Real text: small, selectable, in the page's own font.
    "svg.fonttype": "none",
    # A label such as `$5 to $10` is no formula.
    "text.parse_math": False,
    "font.size": 9.0,
    "axes.labelsize": 9.0,
    "axes.labelcolor": LIGHT["muted"],
    "axes.edgecolor": LIGHT["line"],
    "axes.facecolor": "none",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LIGHT["line"],
    "grid.linewidth": 0.7,
    "text.color": LIGHT["ink"],
    "xtick.color": LIGHT["line"],
    "ytick.color": LIGHT["line"],
    "xtick.labelcolor": LIGHT["muted"],
    "ytick.labelcolor": LIGHT["muted"],
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.solid_capstyle": "round",
}

# Not of a figure: the window system, and what needs one.
_GLOBAL = ("backend", "backend_fallback", "interactive", "toolbar", "webagg.open_in_browser")


class Drawing:
    """One figure, drawn and rendered within its block under ftkit's style; pyplot is never touched.

    Example:
        with Drawing("curve", "Loss per epoch", size=(5, 3)) as drawing:
            axes = drawing.figure.add_subplot()
            axes.plot([1, 2], [0.9, 0.5])
        drawing.svg  # '<svg class="plot" ...'

    Attributes:
        figure: a figure without a window; sizes are in inches, 96 CSS pixels each.
        svg: the SVG, once the block has ended.
    """

    def __init__(self, name: str, description: str, *, size: tuple[float, float]) -> None:
        """Starts a drawing.

        Args:
            name: goes before every id, so that several drawings fit in one page.
            description: what a screen reader says.
            size: width and height in inches.
        """
        self.name, self.description, self.size = name, description, size
        self.svg = ""

    def __enter__(self) -> Drawing:
        import matplotlib
        from matplotlib.figure import Figure

        # Only through rcParams does matplotlib take an id salt and a font mode; both are put back at the end.
        defaults: dict[Any, Any] = {
            key: value for key, value in matplotlib.rcParamsDefault.items() if key not in _GLOBAL
        }
        self._style = matplotlib.rc_context(defaults | _STYLE)
        self._warnings = warnings.catch_warnings()
        self._warnings.__enter__()
        # A label in a script that the measuring font lacks is drawn by the browser; no run fails for that.
        warnings.simplefilter("ignore")
        self._style.__enter__()
        self.figure: Figure = Figure(figsize=self.size, layout="constrained")
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if error is None:
                self.svg = _render(self.figure, self.name, self.description)
        finally:
            self._style.__exit__(None, None, None)
            self._warnings.__exit__(None, None, None)


def label_text(name: object, limit: int = _MAX_LABEL) -> str:
    """Returns a label as it is drawn: short, printable, in one line."""
    return "".join(char if char.isprintable() else "�" for char in encodable(shorten(name, limit)))


def titled(figure: Figure, title: str) -> None:
    """Puts a title at the left edge of the whole drawing, so that titles line up down the page."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=10, fontweight="bold", color=LIGHT["ink"])


def legend_above(axes: Axes) -> None:
    """Puts the legend over the axes in one line, where it covers no data."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=3, borderaxespad=0.2, columnspacing=1.4)


def quiet_grid(axes: Axes, axis: str = "y") -> None:
    """Draws a thin grid along one axis, and no tick marks."""
    axes.grid(axis=axis)  # type: ignore[arg-type]
    axes.tick_params(length=0)


def _render(figure: Figure, name: str, description: str) -> str:
    buffer = io.StringIO()
    no_metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    figure.savefig(buffer, format="svg", transparent=True, metadata=no_metadata)
    text = buffer.getvalue()
    text = re.sub(r"^.*?(?=<svg)|<!--.*?-->|<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r"\s*\n\s*", "\n", text)
    # Tags only: what stands between them is text of the user, in which matplotlib has escaped < and >.
    text = re.sub(r"<[^<>]+>", lambda tag: _rewrite(tag.group(), name), text)
    return text.replace("<svg", f'<svg class="plot" role="img" aria-label="{_escape(description)}"', 1).strip()


_VARIABLES = {color: f"var(--{name}, {color})" for name, color in LIGHT.items()}
_COLORS = re.compile("|".join(_VARIABLES))
_FONT = re.compile(r"(font: [^;\"]*?[\d.]+px) [^;\"]*")


def _rewrite(tag: str, name: str) -> str:
    """Prefixes ids, turns colours into CSS variables, fonts into the page's, and drops namespaces."""
    tag = re.sub(r'\s+(?:xmlns(?::\w+)?|version)="[^"]*"', "", tag)
    tag = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)
    tag = _FONT.sub(r"\1 var(--font, sans-serif)", tag)
    return _COLORS.sub(lambda color: _VARIABLES[color.group()], tag)


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
