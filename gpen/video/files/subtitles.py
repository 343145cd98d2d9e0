"""Subtitles between the two forms in which nearly all video files hold them.

SubRip is plain text with a few tags; the timed text of QuickTime's family (3GPP TS 26.245, `mov_text`) is its length in
two bytes, the text, and boxes of styles.
"""

from __future__ import annotations

import re
from collections.abc import Callable

_TAGS = re.compile(r"<[^<>]+>|\{\\[^{}]+\}")
_LONGEST = 0xFFFF


def subtitle_converter(codec: str, container: str) -> tuple[str, Callable[[bytes], bytes]] | None:
    """How subtitles of a codec go into a kind of file that does not hold them.

    Returns:
        The codec that it holds, and a function from packet to packet; None if there is no way.
    """
    if codec == "mov_text" and container == "matroska":
        return "subrip", _to_subrip
    if codec == "subrip" and container in ("mp4", "mov"):
        return "mov_text", _to_timed_text
    return None


def _to_subrip(packet: bytes) -> bytes:
    return packet[2 : 2 + int.from_bytes(packet[:2], "big")]


def _to_timed_text(packet: bytes) -> bytes:
    text = _TAGS.sub("", packet.decode("utf-8", "replace")).strip().encode()[:_LONGEST]
    return len(text).to_bytes(2, "big") + text
