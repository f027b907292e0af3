"""The fixtures of the integration tests, for cases that are broken on purpose.

Not collected by default: `make demo-failure` and tests/integration/test_blame.py run them.
"""

from tests.integration.conftest import (  # noqa: F401 - fixtures are found by their names here
    addresses,
    api,
    conservation,
    context,
    pytest_configure,
    pytest_runtest_makereport,
    stack,
    workers,
)
