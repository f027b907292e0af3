"""What a stack is: it comes up, says where everything is, and goes away without a trace."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Final, Protocol, Self

from runner.waiting import Endpoint

PREFIX: Final = "FETCHBOX_TEST_"


class StackError(Exception):
    """The stack does not stand; the text says what and where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where everything is, as the worker sees it. Each field is one FETCHBOX_TEST_* variable."""

    stack: str
    api: str
    operator: str
    #: Comma-separated URLs, as are worker_metrics and worker_supervisors.
    api_metrics: str
    worker_metrics: str
    upstream: str
    hidden_upstream: str
    proxy: str
    peers: str
    s3: str
    s3_access_key: str
    s3_secret_key: str
    #: sqlite:///path/broker.db or iggy://user:password@host:port
    broker: str
    logs: str
    api_supervisor: str
    worker_supervisors: str
    artifacts: str
    #: Empty where the operator API is open.
    operator_token: str = ""

    def environment(self) -> dict[str, str]:
        """Return the variables that the tests read."""
        return {_variable(field.name): getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read the variables; raises StackError with all that are missing."""
        names = [field.name for field in fields(cls)]
        needed = [field.name for field in fields(cls) if field.default is MISSING]
        missing = [_variable(name) for name in needed if not environment.get(_variable(name))]
        if missing:
            message = f"not set: {', '.join(missing)}"
            raise StackError(message)
        return cls(**{name: environment.get(_variable(name), "") for name in names})

    def endpoints(self) -> list[Endpoint]:
        """Return what has to answer before the first test."""
        workers = enumerate(self.worker_metrics.split(","), 1)
        return [
            Endpoint(name="upstream", url=f"{self.upstream}/__admin/health"),
            Endpoint(name="hidden-upstream", url=f"{self.hidden_upstream}/__admin/health"),
            Endpoint(name="proxy", url=f"{self.proxy}/__admin/health"),
            Endpoint(name="peers", url=f"{self.peers}/healthz"),
            Endpoint(name="s3", url=self.s3, is_ready=lambda _: True),
            Endpoint(name="api", url=f"{self.api}/health/ready"),
            *(
                Endpoint(name=f"worker-{number}", url=f"{url}/health/ready")
                for number, url in workers
            ),
        ]


def _variable(field_name: str) -> str:
    return PREFIX + field_name.upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """When something was started and when it answered, in seconds since the stack's start."""

    name: str
    started_s: float
    ready_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A stack that stands."""

    addresses: Addresses
    waterfall: Sequence[Readiness]
    #: Processes by name, where they are ours.
    pids: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where in the repository a stack finds and leaves its files."""

    root: Path
    artifacts: Path
    cache: Path

    @property
    def logs(self) -> Path:
        """The folder of the service's logs."""
        return self.artifacts / "logs"


class Stack(Protocol):
    """One way to have everything."""

    @property
    def name(self) -> str:
        """What the report calls it."""
        ...

    def running(self) -> AbstractContextManager[Running]:
        """Bring it up, and take it away at the end; raises StackError."""
        ...
