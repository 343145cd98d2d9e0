"""Locks for work that must be done once, whoever asks for it."""

from __future__ import annotations

import threading
from collections.abc import Hashable
from weakref import WeakValueDictionary


class KeyedLocks:
    """One lock for each key: who asks for one key does not wait for the work on another."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        # A lock lives as long as somebody holds it or waits for it.
        self._locks: WeakValueDictionary[Hashable, threading.RLock] = WeakValueDictionary()

    def of(self, key: Hashable) -> threading.RLock:
        """The lock of a key; the same one for all who ask while it is in use."""
        with self._guard:
            lock = self._locks.get(key)
            if lock is None:
                lock = self._locks[key] = threading.RLock()
            return lock

    def __len__(self) -> int:
        return len(self._locks)
