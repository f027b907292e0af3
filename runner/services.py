"""Whether each part of a stack answers, asked once; supervisors tell of the service's processes."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPException
from urllib.request import ProxyHandler, build_opener

from runner.blame import ServiceFact
from runner.waiting import Endpoint, why_not_ready

LOOK_S = 1.5


def look_at_services(
    backing: Sequence[Endpoint], supervisors: Mapping[str, str], by_test: Collection[str] = ()
) -> list[ServiceFact]:
    """Return a fact per service; `by_test` are those the test itself has ended or started."""
    with ThreadPoolExecutor(max_workers=len(backing) + len(supervisors)) as threads:
        asked = threads.map(_answers, backing)
        states = threads.map(_runs, supervisors, supervisors.values())
        return list(_marked((*asked, *states), by_test))


def _marked(found: Sequence[ServiceFact], by_test: Collection[str]) -> Iterator[ServiceFact]:
    for each in found:
        yield ServiceFact(
            name=each.name,
            is_up=each.is_up,
            exit_code=each.exit_code,
            reason=each.reason,
            by_test=each.name in by_test,
        )


def _answers(endpoint: Endpoint) -> ServiceFact:
    reason = why_not_ready(endpoint)
    return ServiceFact(name=endpoint.name, is_up=reason is None, reason=reason or "")


def _runs(name: str, supervisor: str) -> ServiceFact:
    # A supervisor is on loopback or in the stack's network: never behind a proxy.
    opener = build_opener(ProxyHandler({}))
    try:
        with opener.open(f"{supervisor}/state", timeout=LOOK_S) as answer:
            state: dict[str, int | None] = json.load(answer)
    except (OSError, ValueError, HTTPException) as error:
        return ServiceFact(name=name, is_up=False, reason=f"its supervisor: {error}")
    return ServiceFact(name=name, is_up=state["pid"] is not None, exit_code=state["exit_code"])
