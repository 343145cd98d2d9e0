"""Degrade good pictures of faces, for training and evaluation; also the sources of faces."""
