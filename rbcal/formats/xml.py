"""XML that strangers wrote: no entities, no outside files."""

from __future__ import annotations

from xml.etree.ElementTree import Element, ParseError

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from rbcal.errors import FormatError


def parse(content: bytes, what: str) -> Element:
    """Return the root of an XML text.

    Raises
    ------
    FormatError
        When it is not XML, or holds what could fill the memory or open other files.
    """
    try:
        return ElementTree.fromstring(content)
    except (ParseError, DefusedXmlException, ValueError, LookupError, RecursionError) as err:
        raise FormatError(f"{what} is not XML that can be read: {err}.") from err


def text(element: Element, path: str) -> str:
    """Return the text of an element below another one; empty where there is none."""
    return (element.findtext(path) or "").strip()
