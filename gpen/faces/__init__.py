"""Faces: found, chosen, aligned, masked and pasted back."""
