"""Download one URL into one partial file, over connections that may stall, break or send wrong data.

Method:
    1. Request the missing bytes (`Range`), provided that the file has not changed (`If-Range`; RFC 9110, section
       13.1.5).
    2. Append the received bytes; start again if the server sends the whole file or another one.
    3. On a temporary failure, wait and go back to 1.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import shutil
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from . import contents
from .errors import DownloadError
from .part import Part, on_disk
from .registry import is_allowed_address

Progress = Callable[[int, "int | None"], None]

_CHUNK = 1 << 16
_MEGABYTE = 1 << 20
# A connection that sends fewer bytes than this in one stall period counts as stalled.
_DRIP = 1 << 10
# A broken connection that sent at least this much does not count as a failed attempt.
_WORTHWHILE = _MEGABYTE
# Limit for endless responses; no model of the registry is half as large.
_LARGEST = 4096 * _MEGABYTE
# Space to leave free on the disk.
_SPARE = 64 * _MEGABYTE
# Status codes worth a retry: time-out, too early, too many requests, server errors.
_PASSING_STATUS = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True)
class Patience:
    """Time-outs and retries of a download.

    Attributes:
        stall: seconds without data after which a connection is closed.
        attempts: failed connections in a row after which a URL is given up.
        pause: seconds before the second attempt; doubled before each later one.
    """

    stall: float = 20.0
    attempts: int = 3
    pause: float = 1.0


@dataclass(frozen=True)
class Address:
    """A URL, and headers that are not sent on after a redirect."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


class TransferError(Exception):
    """A URL did not deliver the file.

    Attributes:
        passing: whether a retry may help.
        spoilt: whether the received bytes are useless.
    """

    def __init__(self, reason: str, *, passing: bool = False, spoilt: bool = False) -> None:
        super().__init__(reason)
        self.passing = passing
        self.spoilt = spoilt


def fetch(
    address: Address,
    part: Part,
    *,
    size: int | None,
    same_everywhere: bool,
    progress: Progress | None = None,
    patience: Patience,
) -> None:
    """Complete the partial file `part`.

    Args:
        address: URL to download.
        part: the partial file; the download is resumed if the server allows it.
        size: bytes of the whole file, or None if unknown.
        same_everywhere: whether every source sends the same bytes and the file is verified afterwards, so that a part
            from another source can be continued.
        progress: called with the bytes received and the total (None if unknown); an exception it raises ends the
            transfer.
        patience: time-outs and retries.

    Raises:
        TransferError: the URL does not deliver the file.
        DownloadError: the disk is full.
    """
    failures = 0
    while True:
        before = part.size
        try:
            _attempt(address, part, size, same_everywhere, progress, patience.stall)
            return
        except TransferError as error:
            if error.spoilt:
                part.discard()
            failures = 1 if part.size - before >= _WORTHWHILE else failures + 1
            if not error.passing or failures >= patience.attempts:
                raise
        time.sleep(patience.pause * 2 ** (failures - 1))


def _attempt(
    address: Address,
    part: Part,
    size: int | None,
    same_everywhere: bool,
    progress: Progress | None,
    stall: float,
) -> None:
    start = part.size
    validator = part.validator(address.url)
    if start and not (validator or (same_everywhere and start <= (size or 0))):
        part.discard()
        start = 0
    if start and start == size:
        return
    response = _open(address, part, start, validator, stall)
    if response is None:
        return
    with response:
        start, total = _agree(response, part, address.url, start, size)
        _require_room(part.path.parent, (total or 0) - start)
        _receive(response, part, start, total, progress, stall)


def _open(address: Address, part: Part, start: int, validator: str, stall: float) -> Any:
    """The server's response, or None if it says that nothing is missing; failures become TransferError."""
    if not is_allowed_address(address.url):
        raise TransferError("is not an https URL")
    request = urllib.request.Request(address.url, headers={"User-Agent": "gpen-blocks"})
    for name, value in address.headers.items():
        request.add_unredirected_header(name, value)
    if start:
        request.add_header("Range", f"bytes={start}-")
        if validator:
            request.add_header("If-Range", validator)
    try:
        return urllib.request.build_opener(_Redirects).open(request, timeout=stall)
    except urllib.error.HTTPError as error:
        with error:
            unsatisfiable = error.code == 416
            if unsatisfiable and error.headers.get("Content-Range", "") == f"bytes */{start}":
                return None
            raise TransferError(
                f"answers {error.code} {error.reason}".rstrip(),
                passing=unsatisfiable or error.code in _PASSING_STATUS,
                spoilt=unsatisfiable,
            ) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _as_transfer_error(error, stall) from error


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follow redirects, but never from https to plain http."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if not is_allowed_address(newurl) or (req.type == "https" and urlsplit(newurl).scheme != "https"):
            raise TransferError(f"redirects to {newurl}, which is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _as_transfer_error(error: Exception, stall: float) -> TransferError:
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return TransferError(f"no data for {stall:g} s", passing=True)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return TransferError(f"its certificate is not trusted ({cause.verify_message})")
    if isinstance(cause, socket.gaierror):
        return TransferError("its name cannot be resolved; check the network connection")
    passing = isinstance(cause, (OSError, http.client.HTTPException))
    return TransferError(f"the connection failed ({str(cause) or type(cause).__name__})", passing=passing)


def _agree(response: Any, part: Part, url: str, start: int, size: int | None) -> tuple[int, int | None]:
    """Where the response's bytes belong: (offset, length of the whole file or None)."""
    headers = response.headers
    if headers.get("Content-Encoding", "identity") != "identity":
        raise TransferError(f"sends the file {headers['Content-Encoding']}-encoded, which was not requested")
    if headers.get_content_type() in ("text/html", "application/xhtml+xml"):
        raise TransferError("answers with a web page instead of the file")
    total = int(headers["Content-Length"]) if (headers.get("Content-Length") or "").isdigit() else None
    validator = _validator(headers)
    if response.status == 206:
        span = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
        known = part.validator(url)
        if not span or int(span[1]) != start or (known and validator and known != validator):
            raise TransferError("continues a different file", passing=True, spoilt=True)
        total = int(span[2]) if span[2] != "*" else None
    elif response.status != 200:
        raise TransferError(f"answers {response.status} {response.reason}")
    if size is not None and total is not None and total != size:
        raise TransferError(f"offers {total:,} bytes instead of {size:,}: another file")
    if response.status == 206:
        part.resume(url, validator or part.validator(url))
        return start, total or size
    part.begin(url, validator)
    return 0, total or size


def _validator(headers: Any) -> str:
    """Value for `If-Range`: a strong ETag. Dates and weak ETags do not guarantee the same bytes."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else ""


def _receive(response: Any, part: Part, start: int, total: int | None, progress: Progress | None, stall: float) -> None:
    done = start
    with contextlib.closing(part.open_end()) as file:
        for chunk in _chunks(response, stall):
            before, done = done, done + len(chunk)
            if done > (total or _LARGEST):
                raise TransferError("sends more bytes than the file has", spoilt=True)
            with on_disk(part.path):
                file.write(chunk)
                file.flush()
            if before < contents.HEAD_BYTES <= done:
                _refuse_stand_ins(part)
            if progress is not None:
                progress(done, total)
    if done == 0 or (total is not None and done < total):
        of_all = f" of {total:,}" if total is not None else ""
        raise TransferError(f"the connection ended after {done:,}{of_all} bytes", passing=True)


def _chunks(response: Any, stall: float) -> Iterator[bytes]:
    window_start, window_bytes = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _as_transfer_error(error, stall) from error
        if not chunk:
            return
        yield chunk
        window_bytes += len(chunk)
        if time.monotonic() - window_start > stall:
            if window_bytes < _DRIP:
                raise TransferError(f"almost no data for {stall:g} s", passing=True)
            window_start, window_bytes = time.monotonic(), 0


def _refuse_stand_ins(part: Part) -> None:
    """Stop early if the first bytes show that this is not a model file."""
    form = contents.identify_bytes(part.head())
    if form in contents.NOT_A_MODEL:
        raise TransferError(f"sends {form.value}", spoilt=True)


def _require_room(folder: Path, missing: int) -> None:
    free = shutil.disk_usage(folder).free
    if missing + _SPARE > free:
        raise DownloadError(
            f"{folder} has {free:,} bytes free, but {missing + _SPARE:,} are needed; free some space or "
            "choose another folder."
        )
