"""Errors of the engine; the base and those about weight files live one floor down."""

from ..weights.errors import CheckpointError, GPENError, ModelNotFoundError, WeightsError


class ImageError(GPENError):
    """An image has the wrong shape, type or range, or a file cannot be read or written as a picture."""


class NotGPENError(CheckpointError):
    """A checkpoint is readable but is not a GPEN generator."""


class SettingsError(GPENError):
    """A preset or a setting is unknown, of the wrong type or out of range."""


__all__ = [
    "CheckpointError",
    "GPENError",
    "ImageError",
    "ModelNotFoundError",
    "NotGPENError",
    "SettingsError",
    "WeightsError",
]
