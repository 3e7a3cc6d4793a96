"""Tells drawings of ftkit from what else an SVG can hold: scripts, links, foreign elements, references outside."""

from __future__ import annotations

import re
from xml.etree import ElementTree

_XLINK = "http://www.w3.org/1999/xlink"
_TAGS = {"svg", "g", "defs", "path", "use", "text", "tspan", "rect", "clipPath", "style"}
_ATTRIBUTES = {
    *("aria-label", "class", "clip-path", "d", "height", "id", "role", "style", "transform", "type", "viewBox"),
    *("width", "x", "y"),
}
_PROPERTIES = {
    *("fill", "fill-opacity", "fill-rule", "font", "font-family", "font-size", "font-style", "font-weight", "opacity"),
    *("stroke", "stroke-dasharray", "stroke-dashoffset", "stroke-linecap", "stroke-linejoin", "stroke-miterlimit"),
    *("stroke-opacity", "stroke-width", "text-anchor", "dominant-baseline", "white-space"),
}
# The one rule that matplotlib writes into every drawing.
_STYLE = "*{stroke-linejoin: round; stroke-linecap: butt}"
_LOCAL_URL = re.compile(r"url\(#[\w.-]+\)")
_HREF = re.compile(r"#[\w.-]+")


def is_safe_svg(text: object) -> bool:
    """Tells whether a text is one SVG of plain shapes, in a spelling that XML and HTML read alike."""
    # Without declarations, comments and CDATA, what is well-formed XML of these few elements is the same in HTML.
    if not isinstance(text, str) or not text.startswith("<svg ") or "<!" in text or "<?" in text:
        return False
    try:
        root = ElementTree.fromstring(f'<page xmlns:xlink="{_XLINK}">{text}</page>')
    except (ElementTree.ParseError, ValueError):
        return False
    return len(root) == 1 and not (root.text or root[0].tail) and all(map(_is_plain, root[0].iter()))


def _is_plain(element: ElementTree.Element) -> bool:
    if element.tag not in _TAGS or (element.tag == "style" and (len(element) or (element.text or "") != _STYLE)):
        return False
    return all(_is_plain_attribute(name, value) for name, value in element.attrib.items())


def _is_plain_attribute(name: str, value: str) -> bool:
    if name == f"{{{_XLINK}}}href":
        return _HREF.fullmatch(value) is not None
    if name not in _ATTRIBUTES:
        return False
    if name == "style":
        declarations = [part.partition(":") for part in value.split(";") if part.strip()]
        return all(key.strip() in _PROPERTIES and _is_plain_value(item) for key, _, item in declarations)
    return _is_plain_value(value) if name in ("clip-path", "transform") else True


def _is_plain_value(value: str) -> bool:
    left = _LOCAL_URL.sub("", value).lower()
    return "url" not in left and "\\" not in left and "@" not in left and "expression" not in left
