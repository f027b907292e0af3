"""One JSON line per log record on stdout, for our records and every library's (contract 3.2).

Secrets are the caller's to leave out; a URL's userinfo and fields named like a secret are masked
here all the same.
"""

import json
import logging
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final, TextIO

import msgspec

from fetchbox.model.clock import rfc3339

#: What FETCHBOX_LOG may say. Lines carry the words of jobs.logs: debug, info, warn, error.
LEVELS: Final[Mapping[str, int]] = {
    "trace": logging.DEBUG,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
OWN: Final = "fetchbox"
HIDDEN: Final = "***"

_WORDS: Final = {logging.WARNING: "warn", logging.CRITICAL: "error"}
_SECRET_NAME: Final = re.compile(
    r"authorization|cookie|password|passwd|secret|(^|[_-])token$|(access|api)_key", re.IGNORECASE
)
_USERINFO: Final = re.compile(r'://[^/?#\s"@]*@')
#: What every record has, and what libraries attach that says nothing new.
_NO_EXTRAS: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"color_message", "taskName"}
_ENCODER: Final = msgspec.json.Encoder(enc_hook=repr)
_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi")

_ids: ContextVar[Mapping[str, str]] = ContextVar("_ids", default=MappingProxyType({}))


@contextmanager
def bind_ids(**ids: str) -> Iterator[None]:
    """Put ids on every line logged inside the context, in this task and those it starts."""
    token = _ids.set({**_ids.get(), **ids})
    try:
        yield
    finally:
        _ids.reset(token)


def carry_ids(ids: Mapping[str, str]) -> None:
    """Put ids on every line that the running task logs from now on; its context is its own."""
    _ids.set({**_ids.get(), **ids})


def configure_logging(level: str, stream: TextIO | None = None) -> None:
    """Send every record to `stream` (default stdout) as JSON. Call once, at start.

    `level` is ours; libraries never go below info, since their debug lines may show headers.
    """
    if (ours := LEVELS.get(level.strip().lower())) is None:
        msg = f"log level {level!r} is unknown; use one of {', '.join(LEVELS)}"
        raise ValueError(msg)
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(ours, logging.INFO))
    logging.getLogger(OWN).setLevel(ours)
    logging.captureWarnings(capture=True)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


class JsonLines(logging.Formatter):
    """Makes the line of a record."""

    def format(self, record: logging.LogRecord) -> str:
        """Put the fixed fields first, then ids, then extras. An extra never hides a fixed one."""
        fixed = {
            "timestamp": rfc3339(int(record.created * 1000)),
            "level": _WORDS.get(record.levelno, record.levelname.lower()),
            "target": record.name,
            "message": record.getMessage(),
        }
        extras = {
            name: HIDDEN if value and _is_secret(name) else value
            for name, value in record.__dict__.items()
            if name not in _NO_EXTRAS and name not in fixed
        }
        line = {**fixed, **_ids.get(), **extras}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return _masked(_encode(line))


@lru_cache(maxsize=1024)
def _is_secret(name: str) -> bool:
    return _SECRET_NAME.search(name) is not None


def _masked(line: str) -> str:
    return _USERINFO.sub(f"://{HIDDEN}@", line) if "@" in line else line


def _encode(event: Mapping[str, Any]) -> str:
    """Encode whatever it is: a line that cannot be written must not break what it tells about."""
    try:
        return _ENCODER.encode(event).decode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps({name: _plain(value) for name, value in event.items()})


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str) else repr(value)
