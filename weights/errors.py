"""Errors that a user can act on. Each message says what was given, what is needed and what to do."""


class GPENError(Exception):
    """Base class of all errors that this package raises; the command line prints only the message."""


class WeightsError(GPENError):
    """A weight file cannot be found, downloaded, verified or read."""


class ModelNotFoundError(WeightsError):
    """No file for this model name is on this machine."""


class DownloadError(WeightsError):
    """A download failed on every source; received bytes are kept, and the next call resumes."""


class CheckpointError(WeightsError):
    """A checkpoint is truncated, hostile or of an unknown format."""
