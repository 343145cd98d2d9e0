"""Errors a user can act on. Every message is one sentence: what came, what is needed, what to do."""


class GPENError(Exception):
    """Base of every error this package raises on purpose; the command line prints its message alone."""


class WeightsError(GPENError):
    """A weight file cannot be found, fetched, verified or read."""


class ModelNotFoundError(WeightsError):
    """No file for this model name is on this machine."""


class DownloadError(WeightsError):
    """A download failed on every source; what has arrived is kept and resumed by the next call."""


class CheckpointError(WeightsError):
    """A checkpoint is truncated, hostile or of an unknown form."""
