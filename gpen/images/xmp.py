"""Remove from XMP packets what describes parts of the file that are lost when it is written again.

Sources: Ultra HDR image format 1.1 (`hdrgm`, GContainer), Motion photo format 1.0 (GCamera), Dynamic Depth (GDepth),
XMP specification part 3 (HasExtendedXMP).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xml.dom.minidom import Element, Node

_CAMERA = "http://ns.google.com/photos/1.0/camera/"
_NOTE = "http://ns.adobe.com/xmp/note/"
# Namespaces that only describe other parts of the file.
_STALE = (
    "http://ns.adobe.com/hdr-gain-map/1.0/",
    "http://ns.apple.com/HDRGainMap/1.0/",
    "http://ns.google.com/photos/1.0/container/",
    "http://ns.google.com/photos/1.0/container/item/",
    "http://ns.google.com/photos/dd/1.0/container/",
    "http://ns.google.com/photos/dd/1.0/item/",
    "http://ns.google.com/photos/1.0/image/",
    "http://ns.google.com/photos/1.0/depthmap/",
    "http://ns.google.com/photos/1.0/audio/",
)
# Such properties in other namespaces.
_STALE_NAMES = re.compile(r"(MotionPhoto|MicroVideo|HasExtendedXMP)")
_HINT = re.compile("|".join(map(re.escape, _STALE)).encode() + rb"|:MotionPhoto|:MicroVideo|HasExtendedXMP")
_XMLNS = "http://www.w3.org/2000/xmlns/"


def without_parts(packet: bytes) -> bytes | None:
    """The packet without gain map, container, motion photo and extended XMP; the same bytes if it has none.

    None if it mentions them but cannot be parsed as XML.
    """
    if not _HINT.search(packet):
        return packet
    from xml.dom import minidom
    from xml.parsers.expat import ExpatError

    begin, end = packet.find(b"<"), packet.rfind(b">") + 1
    try:
        document = minidom.parseString(packet[begin:end])
    except (ExpatError, ValueError, LookupError):
        return None
    root = document.documentElement
    if root is None:
        return None
    _clean(root)
    _drop_prefixes(root)
    nodes = (node.toxml() for node in document.childNodes)
    return "\n".join(nodes).encode("utf-8")


def _is_stale(node: Node) -> bool:
    uri, name = node.namespaceURI, node.localName or ""
    return uri in _STALE or (uri in (_CAMERA, _NOTE) and bool(_STALE_NAMES.match(name)))


def _clean(element: Element) -> None:
    for attribute in list(element.attributes.values()):
        if _is_stale(attribute):
            element.removeAttributeNode(attribute)
    for child in list(element.childNodes):
        if child.nodeType != child.ELEMENT_NODE:
            continue
        if _is_stale(child):
            element.removeChild(child)
        else:
            _clean(child)


def _drop_prefixes(element: Element) -> None:
    """Remove declarations of namespaces that are no longer used."""
    for child in element.getElementsByTagName("*"):
        _drop_own_prefixes(child)
    _drop_own_prefixes(element)


def _drop_own_prefixes(element: Element) -> None:
    for attribute in list(element.attributes.values()):
        is_declaration = attribute.namespaceURI == _XMLNS and attribute.value in (*_STALE, _CAMERA, _NOTE)
        if is_declaration and not _uses(element, attribute.value):
            element.removeAttributeNode(attribute)


def _uses(element: Element, uri: str) -> bool:
    for node in (element, *element.getElementsByTagName("*")):
        if node.namespaceURI == uri or any(a.namespaceURI == uri for a in node.attributes.values()):
            return True
    return False
