"""Logging as a service configures it, read back as the JSON objects that operators get."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fetchbox.telemetry.logs import configure_logging

_NAMES = ("", "fetchbox", "uvicorn", "uvicorn.error", "uvicorn.access", "py.warnings")


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def read(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def last(self) -> dict[str, Any]:
        return self.read()[-1]

    def named(self, message: str) -> list[dict[str, Any]]:
        return [line for line in self.read() if line["message"] == message]


@contextmanager
def json_lines() -> Iterator[Lines]:
    """Configure logging; put everything back afterwards."""
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [(each, each.handlers[:], each.level, each.propagate) for each in loggers]
    for logger in loggers:
        logger.setLevel(logging.NOTSET)  # a server in an earlier test may have set its own
    opened = Lines()
    configure_logging("info", opened.stream)
    try:
        yield opened
    finally:
        logging.captureWarnings(capture=False)
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
