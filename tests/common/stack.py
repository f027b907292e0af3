"""The connections that all tests of one process share."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import requests

from tests.common.addresses import Addresses
from tests.common.logs import LogFolder
from tests.common.metrics import Fleet
from tests.common.objects import minio_client
from tests.common.peers import Peers
from tests.common.topics import Topics, topics_of
from tests.common.wiremock import WireMock


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """What all tests of one process share: addresses and connections."""

    addresses: Addresses
    http: requests.Session
    minio_client: Any
    topics: Topics
    upstream: WireMock
    hidden_upstream: WireMock
    proxy: WireMock
    peers: Peers
    logs: LogFolder
    workers: Fleet
    apis: Fleet


@contextmanager
def open_stack(addresses: Addresses) -> Iterator[Stack]:
    """Open the connections, close them at the end."""
    http = requests.Session()
    http.trust_env = False
    http.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=32))
    servers = (
        WireMock("upstream", addresses.upstream),
        WireMock("hidden upstream", addresses.hidden_upstream),
        WireMock("proxy", addresses.proxy),
    )
    peers = Peers(addresses.peers)
    client = minio_client(addresses)
    try:
        yield Stack(
            addresses=addresses,
            http=http,
            minio_client=client,
            topics=topics_of(addresses),
            upstream=servers[0],
            hidden_upstream=servers[1],
            proxy=servers[2],
            peers=peers,
            logs=LogFolder(addresses.logs),
            workers=Fleet(addresses.worker_metrics),
            apis=Fleet(addresses.api_metrics),
        )
    finally:
        client.close()
        http.close()
        peers.close()
        for server in servers:
            server.close()
