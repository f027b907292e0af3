"""The fixtures of the integration tests, for load runs into which faults are planted.

Not collected by default, for they take the whole machine half a minute: `make load-faults`.
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
