"""FetchBox as the generator and the account see it, over HTTP."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import aiohttp

from tests.load.plan import Order
from tests.load.tally import Answer
from tests.load.upstream import Upstream

#: After this long an answer is a problem; its latency is counted.
TIMEOUT_S: Final = 30.0
PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class JobTypes:
    """Job types for plain jobs and for those that go through a proxy."""

    plain: str
    proxied: str

    def of(self, order: Order) -> str:
        """Return the one of an order."""
        return self.proxied if order.is_proxied else self.plain


def headers_of(order: Order, tenant: str, job_types: JobTypes) -> dict[str, str]:
    """Return the headers of a submission."""
    return {
        "Content-Type": "application/json",
        "X-Fetchbox-Job-Type": job_types.of(order),
        "X-Fetchbox-Tenant": tenant,
    }


def manifest_of(order: Order, tenant: str, upstream: Upstream) -> bytes:
    """Return the body of a submission; resource n has the id `n`."""
    resources = [
        {"id": str(n), "url": upstream.url(each, f"{tenant}/{order.number}/{n}")}
        for n, each in enumerate(order.wanted)
    ]
    made = {"manifest_version": "v1", "metadata": {"run": tenant}, "resources": resources}
    return json.dumps(made).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpApi:
    """POST /jobs and GET /operators/jobs, as one tenant that only this run uses."""

    session: aiohttp.ClientSession
    api: str
    operator: str
    token: str
    tenant: str
    job_types: JobTypes
    upstream: Upstream

    async def submit(self, order: Order) -> Answer:
        """See `tests.load.sender.Api`."""
        try:
            async with self.session.post(
                f"{self.api}/jobs",
                data=manifest_of(order, self.tenant, self.upstream),
                headers=headers_of(order, self.tenant, self.job_types),
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S),
            ) as response:
                return answer_of(response.status, await response.json(content_type=None))
        except TimeoutError:
            return Answer(problem=f"no answer in {TIMEOUT_S:g} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Answer(problem=type(error).__name__)

    async def jobs(self) -> AsyncIterator[Mapping[str, Any]]:
        """Yield every job of this run as the ledger has it."""
        query = {"tenant": self.tenant, "limit": str(PAGE)}
        headers = {"X-Fetchbox-Operator-Token": self.token} if self.token else {}
        while True:
            async with self.session.get(
                f"{self.operator}/operators/jobs",
                params=query,
                headers=headers,
                raise_for_status=True,
            ) as response:
                page = await response.json()
            for job in page["jobs"]:
                yield job
            if not page.get("next_cursor"):
                return
            query["cursor"] = page["next_cursor"]


def answer_of(status: int, said: Any) -> Answer:
    """Read what POST /jobs said."""
    if status == 202:
        return Answer(job_id=str(said["job_id"]))
    error = said.get("error") if isinstance(said, dict) else None
    return Answer(problem=f"{status} {error['code'] if error else ''}".strip())
