"""Where the stack under test is: the FETCHBOX_TEST_* variables that `python -m runner up` prints.

Names are as the worker sees them. `runner` owns the list; here they become values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from runner.stacks.port import Addresses as Exported
from runner.stacks.port import StackError

#: Set where the stack has an operator token.
TOKEN: Final = "FETCHBOX_TEST_OPERATOR_TOKEN"

#: Of the pool `with-credentials`, as its URI has them and as a header would.
PROXY_CREDENTIALS: Final = ("fetch:box", "ZmV0Y2g6Ym94")


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
    def secrets(self) -> tuple[str, ...]:
        """What no log may show: keys, the token, the passwords of broker and proxies."""
        broker = urlsplit(self.broker).password or ""
        known = (self.s3_secret_key, self.operator_token, broker, *PROXY_CREDENTIALS)
        return tuple(filter(None, known))

    @property
    def is_iggy(self) -> bool:
        """Whether the broker is an Iggy server."""
        return self.broker.startswith("iggy://")


def read_addresses(env: Mapping[str, str]) -> Addresses:
    """Read the variables; raises StackUnknownError."""
    try:
        found = Exported.from_environment(env)
    except StackError as error:
        raise StackUnknownError(
            f"{error}; start a stack with `make e2e`, or with `python -m runner up` and export"
            " what it prints"
        ) from error
    text = {field.name: getattr(found, field.name).rstrip("/") for field in fields(found)}
    return Addresses(
        stack=text["stack"],
        api=text["api"],
        operator=text["operator"],
        api_metrics=_several(text["api_metrics"]),
        worker_metrics=_several(text["worker_metrics"]),
        upstream=text["upstream"],
        hidden_upstream=text["hidden_upstream"],
        proxy=text["proxy"],
        peers=text["peers"],
        s3=text["s3"],
        s3_access_key=text["s3_access_key"],
        s3_secret_key=text["s3_secret_key"],
        broker=text["broker"],
        logs=Path(text["logs"]),
        api_supervisor=text["api_supervisor"],
        worker_supervisors=_several(text["worker_supervisors"]),
        artifacts=Path(text["artifacts"]),
        operator_token=env.get(TOKEN, ""),
    )


def _several(text: str) -> tuple[str, ...]:
    return tuple(part.strip().rstrip("/") for part in text.split(",") if part.strip())
