"""Faces: detection, selection, alignment, masks and pasting."""
