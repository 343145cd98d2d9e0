"""JPEG files as phones write them, laid out from the specifications alone."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
from PIL import Image

_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_HDR = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
_CONTAINER = (
    'xmlns:Container="http://ns.google.com/photos/1.0/container/" '
    'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
)


def jpeg(pixels: np.ndarray, *segments: bytes, **options: Any) -> bytes:
    """A JPEG with segments of ours before Pillow's own."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", **({"quality": 92} | options))
    data = file.getvalue()
    return data[:2] + b"".join(segments) + data[2:]


def segment(marker: int, body: bytes) -> bytes:
    """A marker segment."""
    return struct.pack(">BBH", 0xFF, marker, 2 + len(body)) + body


def xmp_packet(attributes: str, inner: str = "") -> bytes:
    """An XMP packet with one description."""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:CreatorTool="Caméra" {attributes}>'
        f'{inner}</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def mpf_segment(lengths: list[int], primary_before: int, attributes: list[int]) -> bytes:
    """The multi-picture directory (CIPA DC-007, 5.2).

    Args:
        lengths: of each picture, the primary first, of which the file before this segment is `primary_before` long.
        primary_before: the offset of this segment.
        attributes: type of each picture.
    """
    header = primary_before + 4 + 4  # marker, length, "MPF\\0": offsets count from the byte order on
    entries, offset = b"", 0
    for index, (length, kind) in enumerate(zip(lengths, attributes, strict=True)):
        entries += struct.pack(">IIIHH", kind, length, 0 if index == 0 else offset - header, 0, 0)
        offset += length
    directory = struct.pack(">H", 3)
    directory += struct.pack(">HHI4s", 0xB000, 7, 4, b"0100")
    directory += struct.pack(">HHII", 0xB001, 4, 1, len(lengths))
    directory += struct.pack(">HHII", 0xB002, 7, len(entries), 8 + 2 + 36 + 4) + bytes(4)
    return segment(0xE2, b"MPF\0MM\0*\0\0\0\x08" + directory + entries)


def gain_map(pixels: np.ndarray) -> bytes:
    """A gain map with the metadata of Ultra HDR 1.1."""
    packet = xmp_packet(f'{_HDR} hdrgm:Version="1.0" hdrgm:GainMapMax="2.5" hdrgm:HDRCapacityMax="2.5"')
    return jpeg(pixels[::4, ::4, 0].copy(), segment(0xE1, _XMP + packet))


def ultra_hdr(pixels: np.ndarray, exif: bytes = b"") -> bytes:
    """Ultra HDR image format 1.1: GContainer and hdrgm in XMP, MPF, and the gain map behind the picture."""
    behind = gain_map(pixels)
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{name}" Item:Mime="image/jpeg"{length}/>'
        "</rdf:li>"
        for name, length in (("Primary", ""), ("GainMap", f' Item:Length="{len(behind)}"'))
    )
    directory = f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
    xmp = segment(0xE1, _XMP + xmp_packet(f'{_HDR} {_CONTAINER} hdrgm:Version="1.0"', directory))
    head = (segment(0xE1, b"Exif\0\0" + exif) if exif else b"") + xmp
    iso = segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(4))
    mpf_size = len(mpf_segment([9999, 9999], 0, [0, 0]))
    primary = len(jpeg(pixels, head, iso)) + mpf_size
    mpf = mpf_segment([primary, len(behind)], 2 + len(head) + len(iso), [0x030000, 0])
    return jpeg(pixels, head, iso, mpf) + behind


def mpf_gain_map(pixels: np.ndarray) -> bytes:
    """A gain map that MPF alone tells of, as Apple and ISO 21496-1 have it."""
    behind = jpeg(pixels[::4, ::4, 0].copy(), segment(0xE2, b"urn:iso:std:iso:ts:21496:-1\0" + bytes(61)))
    mpf_size = len(mpf_segment([9999, 9999], 0, [0, 0]))
    primary = len(jpeg(pixels)) + mpf_size
    return jpeg(pixels, mpf_segment([primary, len(behind)], 2, [0x030000, 0x050000])) + behind


def motion_photo(pixels: np.ndarray) -> bytes:
    """Motion photo format 1.0: an MP4 behind the JPEG, GCamera and GContainer in XMP."""
    video = (
        struct.pack(">I", 24) + b"ftypmp42\0\0\0\0mp42isom" + struct.pack(">I", 1008) + b"mdat" + bytes(range(250)) * 4
    )
    items = "".join(
        f'<rdf:li rdf:parseType="Resource"><Container:Item Item:Semantic="{name}" Item:Mime="{mime}" '
        f'Item:Length="{length}"/></rdf:li>'
        for name, mime, length in (("Primary", "image/jpeg", 0), ("MotionPhoto", "video/mp4", len(video)))
    )
    camera = (
        'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/" GCamera:MotionPhoto="1" '
        'GCamera:MotionPhotoVersion="1" GCamera:MicroVideoOffset="1024" GCamera:SpecialTypeID="portrait"'
    )
    directory = f"<Container:Directory><rdf:Seq>{items}</rdf:Seq></Container:Directory>"
    return jpeg(pixels, segment(0xE1, _XMP + xmp_packet(f"{camera} {_CONTAINER}", directory))) + video
