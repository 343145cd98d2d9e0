"""Restoration: a degraded face to the same face in photographic quality (GPEN's `face_enhancement.py`)."""

from __future__ import annotations

from .task import Task, clamped, from_signed, to_signed

RESTORATION = Task("restoration", to_signed, from_signed, clamped)
