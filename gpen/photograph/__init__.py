"""Whole photographs before their faces are restored: colour cast, JPEG's blocks, fading, faces against the light."""
