"""`fetchbox api`, `worker` and `dev`: run a service until a signal ends it."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fetchbox.cli.exits import Exit
from fetchbox.cli.render import show_error

if TYPE_CHECKING:  # imported when a service runs: the other commands are quicker without
    from fetchbox.settings.settings import Settings

Address = Annotated[
    str | None,
    typer.Option("--address", metavar="HOST:PORT", help="Where to listen: server.bind_addr."),
]
LedgerPath = Annotated[
    Path | None,
    typer.Option("--ledger-path", metavar="FOLDER", help="The ledger: server.ledger_path."),
]


@contextmanager
def reported() -> Iterator[None]:
    """Turn what keeps a service from starting into lines on stderr and an exit code."""
    from fetchbox.bootstrap.errors import StartError  # noqa: PLC0415 - see the module
    from fetchbox.settings.problems import ConfigError  # noqa: PLC0415

    try:
        yield
    except ConfigError as error:
        for problem in error.problems:
            show_error(problem)
        raise typer.Exit(Exit.CONFIG) from error
    except StartError as error:
        show_error(str(error))
        raise typer.Exit(Exit.REFUSED) from error


def api(*, address: Address = None, ledger_path: LedgerPath = None) -> None:
    """Run the API: intake, operators, ledger.

    Exit code 78: the configuration has errors. 1: it could not start.
    """
    from fetchbox.bootstrap.api import run_api  # noqa: PLC0415 - see the module
    from fetchbox.bootstrap.lifetime import run_until_stopped  # noqa: PLC0415
    from fetchbox.settings.checks import check_handler_classes  # noqa: PLC0415
    from fetchbox.settings.load import load_settings  # noqa: PLC0415

    with reported():
        settings = load_settings(flags=_flags(address, ledger_path), also=[check_handler_classes])
        run_until_stopped(settings, "api", partial(run_api, settings))


def worker() -> None:
    """Run a worker: downloads what the API queued. Start as many as wanted."""
    from fetchbox.bootstrap.lifetime import run_until_stopped  # noqa: PLC0415 - see the module
    from fetchbox.bootstrap.worker import run_worker  # noqa: PLC0415
    from fetchbox.settings.load import load_settings  # noqa: PLC0415

    with reported():
        settings = load_settings()
        run_until_stopped(settings, "worker", partial(run_worker, settings))


def dev(
    *,
    address: Address = None,
    ledger_path: LedgerPath = None,
    with_origin: Annotated[
        bool,
        typer.Option(
            "--with-origin", help="Also serve the resources of examples/manifests/gallery.json."
        ),
    ] = False,
) -> None:
    """Run API and worker in one process, on loopback, with everything under data/."""
    from fetchbox.bootstrap.dev import DEV_DEFAULTS  # noqa: PLC0415 - see the module
    from fetchbox.bootstrap.lifetime import run_until_stopped  # noqa: PLC0415
    from fetchbox.settings.checks import check_handler_classes  # noqa: PLC0415
    from fetchbox.settings.load import load_settings  # noqa: PLC0415

    with reported():
        settings = load_settings(
            defaults=DEV_DEFAULTS,
            flags=_flags(address, ledger_path),
            also=[check_handler_classes],
        )
        main = partial(_run_dev, settings, with_origin=with_origin)
        run_until_stopped(settings, "dev", main)


async def _run_dev(settings: "Settings", stop: asyncio.Event, *, with_origin: bool) -> None:
    from fetchbox.bootstrap.dev import run_dev  # noqa: PLC0415 - see the module
    from fetchbox.bootstrap.site import Site  # noqa: PLC0415
    from fetchbox.cli import origin  # noqa: PLC0415
    from fetchbox.cli.banner import Banner  # noqa: PLC0415
    from fetchbox.settings.values import Address  # noqa: PLC0415

    address = Address(host=origin.HOST, port=origin.PORT)
    site = Site(app=origin.app, name=origin.NAME, address=address)
    beside = [site.open] if with_origin else []
    await run_dev(settings, stop, Banner(settings, with_origin=with_origin).tell, beside=beside)


def _flags(address: str | None, ledger_path: Path | None) -> dict[str, str]:
    flags = {"server.bind_addr": address, "server.ledger_path": ledger_path}
    return {key: str(value) for key, value in flags.items() if value is not None}
