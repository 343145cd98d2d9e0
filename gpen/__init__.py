"""Faces and detail: networks, detection, alignment, restoration, paste, presets, the command line."""
