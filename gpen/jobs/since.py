"""What has happened to pictures and results since a job has done them. Needs no torch."""

from __future__ import annotations

from collections.abc import Collection

from ..wording import agree
from .entries import Entry, stamp_of
from .storage import is_url


def changes_since(entries: Collection[Entry]) -> list[str]:
    """Sentences on sources that are gone and results that have changed, of the pictures that are done.

    No file is read: a result counts as changed by its size or its date. Files by URL are not looked at.
    """
    done = [entry for entry in entries if entry.state == "done" and not is_url(entry.output or "")]
    gone = sum(not is_url(entry.source) and stamp_of(entry.source) is None for entry in done)
    stamps = ((stamp_of(entry.output or ""), entry.output_stamp) for entry in done)
    changed = sum(now is not None and now != then for now, then in stamps)
    said = []
    if gone:
        said.append(f"{gone} of {len(entries)}: the source is gone.")
    if changed:
        kept = agree(changed, "it stays as it is", "these stay as they are")
        said.append(
            f"{changed} of {len(entries)}: the result was changed since it was written, by its size or date; {kept}."
        )
    return said
