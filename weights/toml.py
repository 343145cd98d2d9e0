"""The TOML reader of the standard library, or its forerunner where Python is too old to have it."""

import sys

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pyright: ignore[reportMissingImports]

__all__ = ["tomllib"]
