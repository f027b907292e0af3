"""The one place the version is written; pyproject reads it from here."""

from typing import Final

__version__: Final = "0.1.0"
