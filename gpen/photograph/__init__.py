"""Preparation of whole photographs before their faces are restored: colour cast, JPEG blocks, fading, backlight."""
