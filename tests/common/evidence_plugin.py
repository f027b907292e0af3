"""A pytest plugin: the moment a test fails, its evidence is gathered, before fixtures tidy up.

Gathering never changes how a test ends: what goes wrong with it becomes a section of the report.
"""

import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest

from tests.common.context import TestContext
from tests.common.gathering import Failure, gather

NAME: Final = "fetchbox-evidence"
EXPECTED: Final = "expects_errors"
_BEGAN: Final = pytest.StashKey[float]()
_KEPT: Final = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Any:
    """Note when the test began."""
    item.stash[_BEGAN] = time.time() * 1000
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Any:
    """Tell the account which error lines the test declares: @pytest.mark.expects_errors(regex)."""
    context = _context(item)
    for marker in item.iter_markers(EXPECTED):
        if context is not None:
            context.expected_errors.extend(marker.args)
    return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Gather as soon as the failure of a phase is known."""
    report = yield
    if report.failed and call.excinfo is not None:
        keep(item, report.when, call.excinfo.value)
    return report


@contextmanager
def keeping(item: pytest.Item) -> Iterator[None]:
    """Gather at once when the block fails, for fixtures that judge while others still stand."""
    try:
        yield
    except Exception as error:
        keep(item, "teardown", error)
        raise


def keep(item: pytest.Item, phase: str, error: BaseException) -> None:
    """Gather once per test; the blame goes into junit.xml."""
    if item.stash.get(_KEPT, False):
        return
    item.stash[_KEPT] = True
    now_ms = time.time() * 1000
    failure = Failure(
        test=item.nodeid,
        phase=phase,
        error=error,
        began_ms=item.stash.get(_BEGAN, now_ms),
        failed_ms=now_ms,
    )
    try:
        found = gather(failure, _context(item))
    except Exception:  # noqa: BLE001  # the failure itself must come through
        item.add_report_section(phase, "evidence", traceback.format_exc())
        return
    item.user_properties += [("blame", str(found.blame)), ("evidence", found.folder)]
    item.add_report_section(phase, "blame", str(found.blame))


def _context(item: pytest.Item) -> TestContext | None:
    context = getattr(item, "funcargs", {}).get("context")
    return context if isinstance(context, TestContext) else None
