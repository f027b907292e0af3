"""From the first line of a process to its exit: logging, event loop, signals."""

import asyncio
import gc
import logging
import os
import signal
from collections.abc import Awaitable, Callable
from typing import Final

import uvloop
from stamina.instrumentation import LoggingOnRetryHook, set_on_retry_hooks

from fetchbox.bootstrap.errors import StartError
from fetchbox.settings.problems import ConfigError
from fetchbox.settings.settings import Settings
from fetchbox.telemetry.logs import configure_logging
from fetchbox.telemetry.tracing import configure_tracing

logger = logging.getLogger(__name__)

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: What a shell reports for a process ended by signal N is this plus N.
_SIGNAL_EXIT: Final = 128

#: Tasks come and go by the thousand and leave no cycles: look for them more rarely than by default.
_COLLECT_AFTER: Final = 20_000

Main = Callable[[asyncio.Event], Awaitable[None]]


def run_until_stopped(settings: Settings, name: str, main: Main) -> None:
    """Run `main` on a fresh loop; a signal sets the event it is given, a second one ends it all.

    Raises StartError or ConfigError when it could not start.
    """
    configure_logging(settings.telemetry.log_level)
    set_on_retry_hooks([LoggingOnRetryHook])  # its own choice would be a line that is no JSON
    try:
        configure_tracing(settings.telemetry.otlp_endpoint, f"fetchbox-{name}")
    except ValueError as error:
        raise StartError(str(error)) from error
    for warning in settings.warnings:
        logger.warning("configuration", extra={"hint": warning})
    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_with_signals(main))
    except BaseExceptionGroup as group:
        if (cause := start_error_of(group)) is None:
            raise
        raise cause from None


async def _with_signals(main: Main) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()

    def on_signal(number: signal.Signals) -> None:
        if stop.is_set():
            logger.warning("stopping at once", extra={"signal": number.name})
            logging.shutdown()
            os._exit(_SIGNAL_EXIT + number)
        logger.info("stopping", extra={"signal": number.name})
        stop.set()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal, number)
    gc.freeze()  # what the imports have made stays
    gc.set_threshold(_COLLECT_AFTER, 20, 20)
    await main(stop)


def start_error_of(error: BaseException) -> BaseException | None:
    """Find the reason why a service could not start among what its tasks raised."""
    if not isinstance(error, BaseExceptionGroup):
        return error if isinstance(error, StartError | ConfigError) else None
    return next(filter(None, map(start_error_of, error.exceptions)), None)
