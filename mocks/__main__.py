"""`python -m mocks`: open the peers, print their ports as one JSON line, serve until a signal."""

import argparse
import asyncio
import json
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mocks.peers import FREE_PORTS, PORTS, TLS_NAMES, Options, RelaySpec, open_peers

#: What the compose stack has: `python -m mocks` needs no argument there.
COMPOSE_RELAYS: Final = ("iggy=18090:iggy:8090", "minio=19000:minio:9000")


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="mocks", description=__doc__)
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on")  # noqa: S104  # inside a container
    parser.add_argument(
        "--free", action="store_true", help="free ports unless named by --port; no default relay"
    )
    parser.add_argument(
        "--port", action="append", default=[], metavar="NAME=PORT", help=", ".join(PORTS)
    )
    parser.add_argument(
        "--relay", action="append", metavar="NAME=PORT:HOST:PORT", help="a relay and its target"
    )
    parser.add_argument("--proxy-auth", default="fetch:box", metavar="USER:PASSWORD")
    parser.add_argument("--tls-name", action="append", default=[], help="a further host name")
    parser.add_argument("--ca-out", type=Path, help="where to write the CA certificate (PEM)")
    return parser.parse_args(arguments)


def options_of(given: argparse.Namespace) -> Options:
    ports = dict(FREE_PORTS if given.free else PORTS)
    for word in given.port:
        name, _, port = word.partition("=")
        if name not in PORTS:
            msg = f"--port: no listener {name!r}; there are {', '.join(PORTS)}"
            raise SystemExit(msg)
        ports[name] = int(port)
    default: Sequence[str] = () if given.free else COMPOSE_RELAYS
    return Options(
        host=given.host,
        ports=ports,
        relays=dict(_relay(word) for word in given.relay or default),
        credentials=given.proxy_auth,
        tls_names=(*TLS_NAMES, *given.tls_name),
    )


def _relay(word: str) -> tuple[str, RelaySpec]:
    name, _, places = word.partition("=")
    port, _, target = places.partition(":")
    host, _, target_port = target.rpartition(":")
    return name, RelaySpec(port=int(port), target=(host, int(target_port)))


async def serve(given: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with open_peers(options_of(given)) as peers:
        if given.ca_out:
            given.ca_out.write_bytes(peers.ca_pem)  # once, at start
        print(json.dumps(peers.ports), flush=True)
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(parse()))
