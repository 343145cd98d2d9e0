"""Errors of the engine; the base class and errors about weight files are in `weights.errors`."""

from collections.abc import Iterator, Mapping

from ..weights.errors import CheckpointError, GPENError, ModelNotFoundError, WeightsError

# Maximum length of the message shown for an unexpected error.
_LONGEST = 300


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and the errors behind it."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def reason_of(error: BaseException) -> str:
    """An error as one line for the user: the sentence of an expected one, the type and the text of another."""
    if isinstance(error, GPENError):
        return str(error)
    line = " ".join(f"{type(error).__name__}: {error}".removesuffix(": ").split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]} …"


class ImageError(GPENError):
    """An image has the wrong shape, type or range, or a file cannot be read or written as a picture."""


class NoPictureError(ImageError):
    """No picture was found in the given places."""


class NotGPENError(CheckpointError):
    """A checkpoint is readable but is not a GPEN generator."""


class MaskError(GPENError):
    """The masks of some faces cannot be drawn.

    Attributes:
        faults: the fault of each face, by its position.
    """

    def __init__(self, faults: Mapping[int, str]) -> None:
        told = "; ".join(f"face {index}: {fault}" for index, fault in faults.items())
        super().__init__(f"No mask can be drawn for some faces ({told}); leave them out.")
        self.faults = dict(faults)


class SettingsError(GPENError):
    """A preset or a setting is unknown, of the wrong type or out of range."""


class MissingPackageError(GPENError):
    """A package that only some of the work needs is not installed; the message says how to install it."""


class JobError(GPENError):
    """A job on many pictures cannot begin or go on."""


class StorageError(GPENError):
    """A file or folder by URL cannot be reached, read or written, or its address holds credentials."""


class VideoError(GPENError):
    """A video cannot be read, written or restored."""


class TrainingError(GPENError):
    """A training run cannot go on: its saved state is damaged, or its gradient is not finite."""


__all__ = [
    "CheckpointError",
    "GPENError",
    "ImageError",
    "JobError",
    "MaskError",
    "MissingPackageError",
    "ModelNotFoundError",
    "NoPictureError",
    "NotGPENError",
    "SettingsError",
    "StorageError",
    "TrainingError",
    "VideoError",
    "WeightsError",
    "causes_of",
    "reason_of",
]
