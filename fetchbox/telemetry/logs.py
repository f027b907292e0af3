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
from types import MappingProxyType
from typing import Any, Final, TextIO

import msgspec
from structlog.processors import format_exc_info
from structlog.stdlib import ExtraAdder, ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

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
#: Attributes libraries attach to records that say nothing new.
_NOISE: Final = ("color_message", "taskName")
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
    handler.setFormatter(_formatter())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(ours, logging.INFO))
    logging.getLogger(OWN).setLevel(ours)
    logging.captureWarnings(capture=True)
    for name in _UVICORN:
        logger = logging.getLogger(name)
        logger.handlers = []
        logger.propagate = True


def _formatter() -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[ExtraAdder()],
        processors=[format_exc_info, _arrange, _render],
    )


def _arrange(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Order the fields: the fixed ones, the ids, the extras. An extra never hides a fixed one."""
    record: logging.LogRecord = event.pop("_record")
    del event["_from_structlog"]
    for name in _NOISE:
        event.pop(name, None)
    fixed = {
        "timestamp": rfc3339(int(record.created * 1000)),
        "level": _WORDS.get(record.levelno, record.levelname.lower()),
        "target": record.name,
        "message": event.pop("event"),
    }
    extras = {
        name: HIDDEN if value and _SECRET_NAME.search(name) else value
        for name, value in event.items()
        if name not in fixed
    }
    return {**fixed, **_ids.get(), **extras}


def _render(_logger: WrappedLogger, _name: str, event: EventDict) -> str:
    return _USERINFO.sub(f"://{HIDDEN}@", _encode(event))


def _encode(event: Mapping[str, Any]) -> str:
    """Encode whatever it is: a line that cannot be written must not break what it tells about."""
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (TypeError, ValueError, RecursionError):
        return json.dumps({name: _plain(value) for name, value in event.items()})


def _plain(value: object) -> object:
    return value if isinstance(value, int | float | str) else repr(value)
