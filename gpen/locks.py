"""Locks for work that must be done only once."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from weakref import WeakValueDictionary


class KeyedLocks:
    """One lock per key, so that work on one key does not block work on another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        # A lock exists as long as a thread holds it or waits for it.
        self._locks: WeakValueDictionary[Hashable, threading.RLock] = WeakValueDictionary()

    def of(self, key: Hashable) -> threading.RLock:
        """The lock of a key; the same object for all threads while it is in use."""
        with self._guard:
            lock = self._locks.get(key)
            if lock is None:
                lock = self._locks[key] = threading.RLock()
            return lock

    def __len__(self) -> int:
        return len(self._locks)
