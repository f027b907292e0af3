"""One job through the whole stack before the first test: healthy is not yet usable."""

import json
import time
import uuid
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import urlsplit

from runner.stacks.port import Addresses, StackError
from runner.waiting import WaitFailedError, wait_until

WITHIN_S: Final = 15.0


def smoke(addresses: Addresses) -> float:
    """Accept, publish, fetch, store, settle, report; raises StackError. Returns the seconds."""
    begun = time.monotonic()
    case = f"smoke-{uuid.uuid4().hex[:8]}"
    stub = {
        "request": {"method": "GET", "urlPath": f"/c/{case}/small"},
        "response": {"status": 200, "body": case},
        "metadata": {"case": case},
    }
    try:
        created = _ask("POST", f"{addresses.upstream}/__admin/mappings", stub)
        job_id = _submit(addresses, case)
        snapshot_url = f"{addresses.operator}/operators/jobs/{job_id}"
        operator = {"X-Fetchbox-Operator-Token": addresses.operator_token}
        wait_until(
            lambda: _ask("GET", snapshot_url, headers=operator),
            WITHIN_S,
            f"smoke: job {job_id} to be completed",
            until=lambda snapshot: snapshot["status"] == "completed",
        )
        _ask("DELETE", f"{addresses.upstream}/__admin/mappings/{created['id']}")
    except (WaitFailedError, OSError, KeyError) as error:
        message = f"the stack answers but does not work: {type(error).__name__}: {error}"
        raise StackError(message) from error
    return time.monotonic() - begun


def _submit(addresses: Addresses, case: str) -> str:
    manifest = {
        "manifest_version": "v1",
        "metadata": {"case": case},
        "resources": [{"id": "small", "url": f"{addresses.upstream}/c/{case}/small"}],
    }
    headers = {"X-Fetchbox-Job-Type": "it", "X-Fetchbox-Tenant": case}
    accepted = _ask("POST", f"{addresses.api}/jobs", manifest, headers)
    return str(accepted["job_id"])


def _ask(
    verb: str, url: str, body: object = None, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    """Send JSON and return the JSON answered; raises ConnectionError for any other status."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port or 80, timeout=WITHIN_S)
    try:
        content = None if body is None else json.dumps(body).encode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        connection.request(verb, parts.path, content, sent)
        answer = connection.getresponse()
        text = answer.read()
    finally:
        connection.close()
    if answer.status >= 300:  # noqa: PLR2004 - the first status that is no success
        message = f"{verb} {url} answered {answer.status}: {text[:500].decode(errors='replace')}"
        raise ConnectionError(message)
    found: dict[str, Any] = json.loads(text or b"{}")
    return found
