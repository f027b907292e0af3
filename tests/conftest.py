"""What holds for every test: it leaves the logging of this process as it found it."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def logging_as_found() -> Iterator[None]:
    """Put levels, propagation and handlers back; starting the service in a test changes them."""
    before = {logger: _state(logger) for logger in _loggers()}
    yield
    for logger in _loggers():
        level, propagate, disabled, handlers = before.get(logger, (logging.NOTSET, True, False, []))
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled
        logger.handlers[:] = handlers


def _loggers() -> list[logging.Logger]:
    named = logging.root.manager.loggerDict.values()
    return [logging.root, *(each for each in named if isinstance(each, logging.Logger))]


def _state(logger: logging.Logger) -> tuple[int, bool, bool, list[logging.Handler]]:
    return logger.level, logger.propagate, logger.disabled, list(logger.handlers)
