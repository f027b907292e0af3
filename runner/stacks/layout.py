"""Which port each part of the embedded stack has, and what follows from that.

The environment of the service and the addresses for the tests; starts nothing.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from runner.stacks.port import Addresses, Place
from runner.stacks.ports import free_ports

ACCESS_KEY: Final = "minio-test"
SECRET_KEY: Final = "minio-test-secret"  # noqa: S105 - of a server that lives for a minute
OPERATOR_TOKEN: Final = "operator-test-token"  # noqa: S105 - it stands in CONFIG
CONFIG: Final = Path(__file__).with_name("fetchbox.test.toml")
WORKERS: Final = ("worker-1", "worker-2")
SERVICES: Final = ("api", *WORKERS)
#: The listeners of `python -m mocks`.
PEERS: Final = (
    *("control", "origin", "proxy", "proxy_502", "proxy_407", "proxy_auth"),
    *("proxy_connect_403", "proxy_connect_502", "proxy_hang", "tls_origin"),
)
#: The pools of fetchbox.test.toml: credentials and port name of every proxy in them.
POOLS: Final[Mapping[str, Sequence[tuple[str, str]]]] = {
    "through-proxy": [("", "wiremock-proxy")],
    "refusing": [("", "closed-1")],
    "only-refusing": [("", "closed-1"), ("", "closed-2")],
    "answers-502": [("", "proxy_502")],
    "answers-407": [("", "proxy_407")],
    "with-credentials": [("fetch:box@", "proxy_auth")],
    "wrong-credentials": [("fetch:wrong@", "proxy_auth")],
    "connect-403": [("", "proxy_connect_403")],
    "connect-502": [("", "proxy_connect_502")],
    "hangs": [("", "proxy_hang")],
    "tunnel": [("", "proxy")],
}
PORT_NAMES: Final = (
    *PEERS,
    *("upstream", "hidden-upstream", "wiremock-proxy", "s3", "minio-relay"),
    *("closed-1", "closed-2", "api"),
    *(f"{name}-{use}" for name in SERVICES for use in ("metrics", "supervisor")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The ports and folders of one embedded stack."""

    place: Place
    scratch: Path
    ports: Mapping[str, int] = field(
        default_factory=lambda: dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
    )

    def address(self, name: str) -> str:
        """Return host:port."""
        return f"127.0.0.1:{self.ports[name]}"

    def url(self, name: str) -> str:
        """Return the base URL."""
        return f"http://{self.address(name)}"

    @property
    def ca_bundle(self) -> Path:
        """Where the peers write the authority of their TLS origin."""
        return self.scratch / "peers-ca.pem"

    def service_environment(self, name: str) -> dict[str, str]:
        """Return the variables of API or worker."""
        settings = {
            "SERVER__BIND_ADDR": self.address("api"),
            "SERVER__FJALL_PATH": str(self.scratch / "ledger"),
            "BROKER__PROVIDER": "sqlite",
            "BROKER__PATH": str(self.scratch / "broker.db"),
            "STORAGE__PROVIDER": "s3",
            "STORAGE__ENDPOINT": self.url("minio-relay"),
            "STORAGE__REGION": "us-east-1",
            "STORAGE__ACCESS_KEY": ACCESS_KEY,
            "STORAGE__SECRET_KEY": SECRET_KEY,
            "TELEMETRY__METRICS_ADDR": self.address(f"{name}-metrics"),
            **self._pools(),
        }
        return {
            "FETCHBOX_CONFIG": str(CONFIG),
            "FETCHBOX_LOG": "debug",  # says when a worker claims a task
            "SSL_CERT_FILE": str(self.ca_bundle),
            **{f"FETCHBOX__{key}": text for key, text in settings.items()},
        }

    def _pools(self) -> dict[str, str]:
        return {
            f"PROXY__POOLS__{pool.upper()}__PRIMARY": json.dumps(
                [f"http://{user}{self.address(port)}" for user, port in proxies]
            )
            for pool, proxies in POOLS.items()
        }

    def addresses(self) -> Addresses:
        """Return what the tests are told."""
        return Addresses(
            stack="embedded",
            api=self.url("api"),
            operator=self.url("api"),
            api_metrics=self.url("api-metrics"),
            worker_metrics=",".join(self.url(f"{name}-metrics") for name in WORKERS),
            upstream=self.url("upstream"),
            hidden_upstream=self.url("hidden-upstream"),
            proxy=self.url("wiremock-proxy"),
            peers=self.url("control"),
            s3=self.url("s3"),
            s3_access_key=ACCESS_KEY,
            s3_secret_key=SECRET_KEY,
            broker=f"sqlite://{self.scratch / 'broker.db'}",
            logs=str(self.place.logs),
            api_supervisor=self.url("api-supervisor"),
            worker_supervisors=",".join(self.url(f"{name}-supervisor") for name in WORKERS),
            artifacts=str(self.place.artifacts),
            operator_token=OPERATOR_TOKEN,
        )
