"""Faces: detect, select, align, mask, paste."""
