"""Restoring the faces of videos."""
