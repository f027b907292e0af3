"""One WireMock server: stubs, the journal, and what matched nothing; all by the id of a test.

One session per server. The models of the `wiremock` client make the mappings; its client is not
used, because it knows one server per process.
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import requests
from wiremock.resources.mappings import Mapping as StubMapping
from wiremock.resources.mappings import MappingRequest

TIMEOUT_S: Final = 10.0
#: The name in a stub's metadata that says whose it is.
CASE: Final = "case"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a stub answers. `more` is WireMock's own JSON, e.g. a fault or a delay."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    more: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> Json:
        """Make the `response` of a mapping."""
        encoded = {"base64Body": base64.b64encode(self.body).decode()} if self.body else {}
        return {
            "status": self.status,
            "headers": dict(self.headers),
            **encoded,
            **self.more,
        }


def fault(name: str) -> Reply:
    """Break the connection in one of WireMock's ways."""
    return Reply(more={"fault": name})


def redirect(to: str, status: int = 302) -> Reply:
    """Send the client elsewhere."""
    return Reply(status=status, headers={"Location": to})


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One request of the journal."""

    url: str
    at_ms: int
    headers: Mapping[str, str]
    is_proxied: bool

    def header(self, name: str) -> str | None:
        """Return a header; names match in any case."""
        return next((v for k, v in self.headers.items() if k.lower() == name.lower()), None)


class WireMock:
    """One server."""

    def __init__(self, name: str, base_url: str) -> None:
        """Connect at the first call."""
        self.name = name
        self.base_url = base_url
        self._session = requests.Session()
        self._session.trust_env = False

    def close(self) -> None:
        """Close the session."""
        self._session.close()

    def stub(self, case: str, path: str, reply: Reply) -> str:
        """Answer GET `path` (a regular expression if it ends in `.*`); return its URL."""
        self._post("/mappings", _mapping(case, path, reply))
        return self.base_url + path

    def script(self, case: str, path: str, replies: Sequence[Reply]) -> str:
        """Answer the n-th GET with the n-th reply, and every later one with the last."""
        mappings = []
        for number, reply in enumerate(replies):
            mapping = _mapping(case, path, reply)
            mapping["scenarioName"] = f"{case}{path}"
            mapping["requiredScenarioState"] = f"step {number}" if number else "Started"
            mapping["newScenarioState"] = f"step {min(number + 1, len(replies) - 1)}"
            mappings.append(mapping)
        self._post("/mappings/import", {"mappings": mappings})
        return self.base_url + path

    def seen(self, path: str) -> Sequence[Seen]:
        """Return the requests for `path` and below it, oldest first."""
        pattern = {"urlPathPattern": re.escape(path) + "(/.*)?"}
        found = self._post("/requests/find", pattern)["requests"]
        return sorted((_seen(entry) for entry in found), key=lambda seen: seen.at_ms)

    def unmatched(self, case: str) -> Sequence[str]:
        """Return the requests of a test that no stub matched."""
        answer = self._session.get(f"{self.base_url}/__admin/requests/unmatched", timeout=TIMEOUT_S)
        answer.raise_for_status()
        entries = answer.json()["requests"]
        return [f"{e['method']} {e['url']}" for e in entries if case in e["url"]]

    def journal(self, case: str) -> Sequence[Json]:
        """Return the journal entries of a test as WireMock tells them, oldest first."""
        pattern = {"urlPathPattern": f"/c/{re.escape(case)}/.*"}
        found: list[Json] = self._post("/requests/find", pattern)["requests"]
        return sorted(found, key=lambda entry: int(entry["loggedDate"]))

    def near_misses(self, case: str) -> Sequence[str]:
        """Return the requests of a test that no stub matched, each with the nearest stub."""
        url = f"{self.base_url}/__admin/requests/unmatched/near-misses"
        answer = self._session.get(url, timeout=TIMEOUT_S)
        answer.raise_for_status()
        found: dict[str, str] = {}
        for each in answer.json()["nearMisses"]:
            request = f"{each['request']['method']} {each['request']['url']}"
            if case in request:
                found.setdefault(request, f"{request}{_nearest(each)}")
        return list(found.values()) or self.unmatched(case)

    def remove(self, case: str) -> None:
        """Remove the stubs of a test, and the journal entries they made."""
        wanted = {"matchesJsonPath": {"expression": f"$.{CASE}", "equalTo": case}}
        self._post("/mappings/remove-by-metadata", wanted)
        self._post("/requests/remove-by-metadata", wanted)

    def _post(self, path: str, body: Json) -> Json:
        url = f"{self.base_url}/__admin{path}"
        answer = self._session.post(url, json=body, timeout=TIMEOUT_S)
        assert answer.ok, f"{self.name}: POST {url}: {answer.status_code} {answer.text[:500]}"
        result: Json = answer.json() if answer.content else {}
        return result


def _nearest(near_miss: Json) -> str:
    wanted = near_miss.get("stubMapping", {}).get("request", {})
    where = wanted.get("urlPath") or wanted.get("url") or wanted.get("urlPathPattern")
    return f" (nearest stub: {wanted.get('method', 'ANY')} {where})" if where else ""


def _mapping(case: str, path: str, reply: Reply) -> Json:
    is_pattern = path.endswith(".*")
    where = {"url_path_pattern" if is_pattern else "url_path": path}
    request = MappingRequest(method="GET", **where)
    mapping: Json = StubMapping(request=request, metadata={CASE: case}).get_json_data()
    return mapping | {"response": reply.as_json()}


def _seen(entry: Json) -> Seen:
    return Seen(
        url=entry["url"],
        at_ms=entry["loggedDate"],
        headers=entry["headers"],
        is_proxied=bool(entry.get("browserProxyRequest")),
    )
