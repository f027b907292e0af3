"""What follows each attempt: every rule of contract 5.5 and 5.7 as a walk through a plan."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fetchbox.model.failure import Failure
from fetchbox.model.proxies import Endpoint
from fetchbox.worker.plan import DownloadPlan, GiveUp, PlanLimits, Step, Try
from tests.factories import make_endpoint, make_failure

LIMITS = PlanLimits(retry_backoff_ms=1000, max_backoff_ms=30_000)
#: Events: proxy failed, origin failed (retryably or for good), upload failed (likewise).
CODES = {
    "p": "DOWNLOAD_NETWORK_ERROR",
    "o": "DOWNLOAD_HTTP_5XX",
    "O": "DOWNLOAD_HTTP_4XX",
    "u": "UPLOAD_NETWORK",
    "U": "UPLOAD_ACCESS_DENIED",
}


def tell(plan: DownloadPlan, event: str, cause: Failure) -> Step:
    if event == "p":
        return plan.after_proxy_failure(cause)
    if event in "oO":
        return plan.after_origin_failure(cause)
    return plan.after_upload_failure(cause)


def walk(
    endpoints: Sequence[Endpoint], limits: PlanLimits, events: str
) -> tuple[str, list[int], str]:
    """Return where attempts went, what was waited before each, and the code it ended with."""
    plan = DownloadPlan(endpoints, limits)
    step: Step = plan.first()
    places, waits = [], []
    for event in events:
        assert isinstance(step, Try), f"gave up before {event}"
        places.append(f"{step.endpoint.pool}{step.endpoint.number}" if step.endpoint else "-")
        waits.append(step.after_ms)
        step = tell(plan, event, make_failure(CODES[event]))
    return " ".join(places), waits, step.failure.code if isinstance(step, GiveUp) else ""


def chain(text: str, **figures: int) -> list[Endpoint]:
    """Endpoints `a1 a2 b1`; figures `a=1` set the max_retries of a pool."""
    return [
        make_endpoint(name[0], int(name[1]), max_retries=figures.get(name[0], 3))
        for name in text.split()
    ]


@pytest.mark.parametrize(
    ("endpoints", "limit", "events", "places", "ends_with"),
    [
        pytest.param(chain(""), 3, "ooo", "- - -", "DOWNLOAD_HTTP_5XX", id="direct-exhausted"),
        pytest.param(chain(""), 1, "o", "-", "DOWNLOAD_HTTP_5XX", id="direct-one-attempt"),
        pytest.param(chain(""), 3, "O", "-", "DOWNLOAD_HTTP_4XX", id="direct-for-good"),
        pytest.param(chain(""), 3, "oO", "- -", "DOWNLOAD_HTTP_4XX", id="direct-for-good-later"),
        pytest.param(chain("a1 a2 b1"), 3, "oo", "a1 a2", "", id="rotates"),
        pytest.param(
            chain("a1 a2 b1"), 3, "ooo", "a1 a2 b1", "DOWNLOAD_HTTP_5XX", id="last-failure-stands"
        ),
        pytest.param(chain("a1 b1"), 3, "ooo", "a1 b1 a1", "DOWNLOAD_HTTP_5XX", id="wraps"),
        pytest.param(chain("a1"), 3, "ooo", "a1 a1 a1", "DOWNLOAD_HTTP_5XX", id="one-endpoint"),
        pytest.param(
            chain("a1 b1 c1 d1"),
            2,
            "oooo",
            "a1 b1 c1 d1",
            "DOWNLOAD_HTTP_5XX",
            id="budget-reaches-every-tier",
        ),
        pytest.param(chain("a1 b1"), 3, "O", "a1", "DOWNLOAD_HTTP_4XX", id="for-good-no-rotation"),
        pytest.param(
            chain("a1 a2 b1"),
            3,
            "ppp",
            "a1 a2 b1",
            "DOWNLOAD_PROXY_EXHAUSTED",
            id="all-struck",
        ),
        pytest.param(chain("a1"), 3, "p", "a1", "DOWNLOAD_PROXY_EXHAUSTED", id="the-only-one"),
        pytest.param(
            chain("a1 a2"),
            3,
            "pooo",
            "a1 a2 a2 a2",
            "DOWNLOAD_HTTP_5XX",
            id="struck-is-skipped-and-no-attempt",
        ),
        pytest.param(
            chain("a1 b1"),
            5,
            "opp",
            "a1 b1 a1",
            "DOWNLOAD_PROXY_EXHAUSTED",
            id="struck-after-an-attempt",
        ),
        pytest.param(chain("a1", a=1), 3, "o", "a1", "DOWNLOAD_HTTP_5XX", id="share-of-the-pool"),
        pytest.param(chain("a1 a2 b1", a=1), 3, "oo", "a1 b1", "", id="share-spent-pool-skipped"),
        pytest.param(
            chain("a1 b1", a=2, b=1),
            9,
            "ooo",
            "a1 b1 a1",
            "DOWNLOAD_HTTP_5XX",
            id="all-shares-spent",
        ),
        pytest.param(
            chain("a1 b1", a=1), 3, "op", "a1 b1", "DOWNLOAD_HTTP_5XX", id="struck-and-spent"
        ),
        pytest.param(chain(""), 3, "uuu", "- - -", "UPLOAD_NETWORK", id="upload-exhausted"),
        pytest.param(chain(""), 3, "U", "-", "UPLOAD_ACCESS_DENIED", id="upload-for-good"),
        pytest.param(
            chain("a1 b1"), 3, "uo", "a1 a1", "", id="after-an-upload-through-the-same-endpoint"
        ),
        pytest.param(
            chain(""), 3, "uouoo", "- - - - -", "DOWNLOAD_HTTP_5XX", id="separate-counters"
        ),
        pytest.param(chain(""), 3, "ouuu", "- - - -", "UPLOAD_NETWORK", id="upload-counter"),
    ],
)
def test_attempts_go_where_the_rules_say(
    endpoints: list[Endpoint], limit: int, events: str, places: str, ends_with: str
) -> None:
    limits = PlanLimits(download_retry_limit=limit, storage_retry_limit=3)
    went, _, ended = walk(endpoints, limits, events)
    assert went == places
    assert ended == ends_with


SLOW_A = [make_endpoint("a", retry_backoff_ms=100), make_endpoint("b", retry_backoff_ms=7)]


@pytest.mark.parametrize(
    ("endpoints", "events", "waits"),
    [
        pytest.param([], "ooo", [0, 1000, 2000], id="direct"),
        pytest.param([], "oooooooo", [0, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000], id="cap"),
        pytest.param(SLOW_A, "ooo", [0, 100, 14], id="base-of-the-pool-that-failed"),
        pytest.param(SLOW_A, "po", [0, 0], id="none-after-a-proxy-failure"),
        pytest.param([], "uuu", [0, 1000, 2000], id="upload"),
        pytest.param(SLOW_A, "uu", [0, 1000], id="upload-has-the-base-of-the-worker"),
        pytest.param([], "uou", [0, 1000, 1000], id="counters-wait-apart"),
    ],
)
def test_waits_follow_the_formula(endpoints: list[Endpoint], events: str, waits: list[int]) -> None:
    limits = PlanLimits(download_retry_limit=9, storage_retry_limit=9)
    assert walk(endpoints, limits, events)[1] == waits


@pytest.mark.parametrize(
    ("retry_after_ms", "wait"),
    [
        pytest.param(None, 1000, id="none"),
        pytest.param(0, 1000, id="zero"),
        pytest.param(10, 1000, id="shorter-than-the-back-off"),
        pytest.param(5000, 5000, id="longer"),
        pytest.param(10**12, 30_000, id="capped"),
    ],
)
def test_retry_after_is_honoured_up_to_the_cap(retry_after_ms: int | None, wait: int) -> None:
    plan = DownloadPlan((), LIMITS)
    step = plan.after_origin_failure(
        make_failure("DOWNLOAD_HTTP_5XX"), retry_after_ms=retry_after_ms
    )
    assert step == Try(None, wait)


def test_exhausted_says_what_the_last_proxy_said() -> None:
    plan = DownloadPlan(chain("a1"), LIMITS)
    cause = make_failure("DOWNLOAD_NETWORK_ERROR", proxy="proxies/a#1", status=407, attempt=1)

    step = plan.after_proxy_failure(cause)

    assert isinstance(step, GiveUp)
    assert cause.message in step.failure.message
    assert step.failure.context == {"proxy": "proxies/a#1", "attempt": "1"}
    assert not step.failure.retryable


def test_last_failure_is_the_very_one() -> None:
    plan = DownloadPlan((), PlanLimits(download_retry_limit=2))
    first, second = make_failure("DOWNLOAD_TIMEOUT"), make_failure("DOWNLOAD_DNS_ERROR")
    plan.after_origin_failure(first)
    assert plan.after_origin_failure(second) == GiveUp(second)


@given(
    pools=st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 3)), max_size=5, unique=True),
    shares=st.fixed_dictionaries({pool: st.integers(1, 4) for pool in "abc"}),
    limit=st.integers(1, 6),
    events=st.text(st.sampled_from("opu"), min_size=1, max_size=40),
)
def test_every_plan_ends_within_its_limits(
    pools: list[tuple[str, int]], shares: dict[str, int], limit: int, events: str
) -> None:
    endpoints = [make_endpoint(pool, n, max_retries=shares[pool]) for pool, n in pools]
    plan = DownloadPlan(endpoints, PlanLimits(download_retry_limit=limit, storage_retry_limit=3))
    step: Step = plan.first()
    struck: list[Endpoint] = []
    through: list[str] = []
    for event in events:
        if isinstance(step, GiveUp):
            break
        assert step.endpoint not in struck
        if step.endpoint is not None and event == "p":
            struck.append(step.endpoint)
        if step.endpoint is not None and event == "o":
            through.append(step.endpoint.pool)
        if step.endpoint is None and event == "p":
            continue  # there is no proxy to blame
        step = tell(plan, event, make_failure(CODES[event]))
    assert plan.failed <= max(limit, len(endpoints))
    assert plan.stored <= 3
    assert all(through.count(pool) <= shares[pool] for pool in shares)
