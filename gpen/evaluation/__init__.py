"""Evaluation of face restoration."""
