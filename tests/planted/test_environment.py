"""An object store that is not there for the test, as after a crash of it."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.stacks.ports import free_ports
from tests.common.addresses import Addresses
from tests.common.context import TestContext
from tests.common.stack import Stack, open_stack


@pytest.fixture
def stack(addresses: Addresses) -> Iterator[Stack]:
    """The fault: nobody listens where S3 should be."""
    (closed,) = free_ports(1)
    with open_stack(replace(addresses, s3=f"http://127.0.0.1:{closed}")) as opened:
        yield opened


def test_object_is_readable(context: TestContext) -> None:
    job, _ = context.run({"small": context.serve("small")})
    assert context.object(job.key("small")).body
