"""Shared parts of training: scenes, crops, averaged weights, saved states."""
