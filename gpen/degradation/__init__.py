"""Damage to good pictures of faces, for training and for measuring, and where the faces come from."""
