"""Where the stack under test is: the FETCHBOX_TEST_* variables that `python -m runner up` prints.

The only place that knows their names. Names are as the worker sees them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

PREFIX: Final = "FETCHBOX_TEST_"


class StackUnknownError(Exception):
    """Variables are missing; the text names them all and the remedy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Everything a test may talk to."""

    stack: str
    api: str
    operator: str
    api_metrics: tuple[str, ...]
    worker_metrics: tuple[str, ...]
    upstream: str
    hidden_upstream: str
    proxy: str
    peers: str
    s3: str
    s3_access_key: str
    s3_secret_key: str
    broker: str
    logs: Path
    api_supervisor: str
    worker_supervisors: tuple[str, ...]
    artifacts: Path
    operator_token: str = ""

    @property
    def is_iggy(self) -> bool:
        """Whether the broker is an Iggy server."""
        return self.broker.startswith("iggy://")


_NEEDED: Final = (
    "STACK",
    "API",
    "OPERATOR",
    "API_METRICS",
    "WORKER_METRICS",
    "UPSTREAM",
    "HIDDEN_UPSTREAM",
    "PROXY",
    "PEERS",
    "S3",
    "S3_ACCESS_KEY",
    "S3_SECRET_KEY",
    "BROKER",
    "LOGS",
    "API_SUPERVISOR",
    "WORKER_SUPERVISORS",
    "ARTIFACTS",
)


def read_addresses(env: Mapping[str, str]) -> Addresses:
    """Read the variables; raises StackUnknownError."""
    missing = [PREFIX + name for name in _NEEDED if not env.get(PREFIX + name)]
    if missing:
        raise StackUnknownError(
            f"not set: {', '.join(missing)}; start a stack with `make e2e`, or with"
            " `python -m runner up` and export what it prints"
        )
    text = {name: env[PREFIX + name].rstrip("/") for name in _NEEDED}
    return Addresses(
        stack=text["STACK"],
        api=text["API"],
        operator=text["OPERATOR"],
        api_metrics=_several(text["API_METRICS"]),
        worker_metrics=_several(text["WORKER_METRICS"]),
        upstream=text["UPSTREAM"],
        hidden_upstream=text["HIDDEN_UPSTREAM"],
        proxy=text["PROXY"],
        peers=text["PEERS"],
        s3=text["S3"],
        s3_access_key=text["S3_ACCESS_KEY"],
        s3_secret_key=text["S3_SECRET_KEY"],
        broker=text["BROKER"],
        logs=Path(text["LOGS"]),
        api_supervisor=text["API_SUPERVISOR"],
        worker_supervisors=_several(text["WORKER_SUPERVISORS"]),
        artifacts=Path(text["ARTIFACTS"]),
        operator_token=env.get(PREFIX + "OPERATOR_TOKEN", ""),
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
