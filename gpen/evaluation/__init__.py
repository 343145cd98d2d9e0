"""Measuring how well faces are restored."""
