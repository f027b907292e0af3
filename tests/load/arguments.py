"""What a load run is asked to do: options, each also an environment variable of the same name."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.load.plan import Workload, WrongPlanError, sizes_of, stages_of
from tests.load.service import JobTypes
from tests.load.verdict import DEFAULT, Limits, WrongLimitsError

ROOT: Final = Path(__file__).resolve().parents[2]
ABOUT: Final = """Send manifests at a planned rate: to a stack of its own, or to a given one.

Each option may also be given as a variable: `make load RATE=20 SIZE=1kB:9,1MB:1`.
Exit codes: 0 PASS, 1 FAIL, 2 wrong usage, 3 INVALID (the numbers say nothing), 4 nothing was
measured, 130 interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for."""

    workload: Workload
    limits: Limits
    job_types: JobTypes
    #: How many objects have their SHA-256 compared.
    verify: int
    drain_s: float
    #: URL of an origin that speaks as tests/load/static.py; empty = one of our own.
    upstream: str
    out: Path
    #: Search the highest sustained rate, from RATE on, instead of sending one load.
    is_capacity: bool
    #: Send while the workers are stopped, start them, time the drain.
    is_outage: bool


def read_wishes(arguments: Sequence[str] | None, env: Mapping[str, str]) -> Wishes:
    """Read them; raises WrongPlanError and WrongLimitsError."""
    given = _parser(env).parse_args(arguments)
    try:
        plain, _, proxied = given.job_types.partition(",")
        return Wishes(
            workload=Workload(
                stages=stages_of(given.stages, float(given.rate), float(given.duration)),
                resources=_positive("RESOURCES", given.resources),
                sizes=sizes_of(given.size),
                proxied=_share("PROXIED", given.proxied),
                errors=_share("ERRORS", given.errors),
                seed=int(given.seed),
            ),
            limits=Limits.read(Path(given.slo)),
            job_types=JobTypes(plain=plain, proxied=proxied or plain),
            verify=sys.maxsize if given.verify == "all" else int(given.verify),
            drain_s=float(given.drain),
            upstream=given.upstream.rstrip("/"),
            out=Path(given.out),
            is_capacity=given.capacity,
            is_outage=given.outage,
        )
    except (WrongPlanError, WrongLimitsError):
        raise
    except ValueError as error:
        raise WrongPlanError(str(error)) from error


def _positive(name: str, text: str) -> int:
    if int(text) < 1:
        msg = f"{name}={text} has to be at least 1"
        raise WrongPlanError(msg)
    return int(text)


def _share(name: str, text: str) -> float:
    if not 0 <= float(text) <= 1:
        msg = f"{name}={text} has to be a share from 0 to 1"
        raise WrongPlanError(msg)
    return float(text)


def _parser(env: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="load_test",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name, default, text in (
        ("rate", "10", "manifests per second"),
        ("duration", "30", "seconds of sending"),
        ("resources", "5", "resources per manifest"),
        ("size", "20kB", "of a body, or a mix: 1kB:70,100kB:25,5MB:5"),
        ("stages", "", "ramp, spike, soak, or RATExSECONDS,RATE-RATExSECONDS,..."),
        ("proxied", "0", "share of manifests whose downloads go through a proxy, 0..1"),
        ("errors", "0", "share of resources that are answered with 404 or 503, 0..1"),
        ("verify", "200", "how many objects have their SHA-256 compared, or all"),
        ("drain", "60", "seconds the backlog may take at the end"),
        ("seed", "1", "of the mix"),
        ("slo", str(DEFAULT), "limits to hold the run to"),
        ("job-types", "default,it_tunnel", "job types for plain and for proxied manifests"),
        ("upstream", "", "URL of an origin that speaks as tests/load/static.py"),
        ("out", str(_artifacts(env) / "load"), "folder for load.json and report.html"),
    ):
        known = env.get(name.upper().replace("-", "_"), "") or default
        parser.add_argument(
            f"--{name}", default=known, help=f"{text} ({default or 'none'})", metavar="..."
        )
    parser.add_argument(
        "--capacity", action="store_true", help="search the highest rate without growing backlog"
    )
    parser.add_argument(
        "--outage", action="store_true", help="send with the workers stopped, then time the drain"
    )
    return parser


def _artifacts(env: Mapping[str, str]) -> Path:
    return Path(env.get("FETCHBOX_TEST_ARTIFACTS") or ROOT / "artifacts")
