"""What people read of a run: the sentences, the page, the lines while it runs."""

import io
import json
import re
from collections.abc import Callable, Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from jsonschema_rs import Draft202012Validator, meta
from rich.console import Console

from tests.load.charts import Line, chart, linear, logarithmic
from tests.load.live import LiveView, sparkline
from tests.load.page import page
from tests.load.result import Result
from tests.load.surroundings import NAMES, Use
from tests.load.verdict import Account
from tests.load.words import milliseconds, reading
from tests.unit.load.conftest import LoadRun

ROOT = Path(__file__).parents[3]
DOCS = ROOT / "docs" / "load.md"
SCHEMA = json.loads((ROOT / "tests" / "load" / "load.schema.json").read_text())


def result_of(run: LoadRun) -> Result:
    return run.result(run.course())


class Outline(HTMLParser):
    """The tags and addresses of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href"}]


def test_the_page_holds_all_it_needs(run: LoadRun) -> None:
    outline = Outline()
    text = page(result_of(run).to_json())
    outline.feed(text)
    assert outline.tags.count("svg") == 6  # nothing tells of what is around the service
    assert (outline.addresses, outline.tags.count("script")) == ([], 0)
    assert "PASS: the service kept its promises" in text


@pytest.mark.parametrize("is_away", [False, True], ids=["all measured", "service not measured"])
def test_the_page_can_be_made_from_the_file(run: LoadRun, tmp_path: Path, *, is_away: bool) -> None:
    run.senses.is_away, run.drain_s = is_away, 1
    if not is_away:
        run.senses.uses = dict.fromkeys(NAMES, Use(cpu=0.5, rss_bytes=1e8))
    result = result_of(run)
    result.write(tmp_path)
    document = json.loads((tmp_path / "load.json").read_text())
    assert {path.stem for path in tmp_path.glob("*.hgrm")} == set(document["latencies"])
    assert page(document) == page(result.to_json())
    assert ("not measured" in " ".join(reading(document))) is is_away


def test_every_field_of_load_json_is_documented(run: LoadRun) -> None:
    text = DOCS.read_text()
    document = result_of(run).to_json()
    names = {*document, *document["samples"][0], *document["latencies"]}
    names |= {f"{outer}.{inner}" for outer in NESTED for inner in document[outer]}
    assert [name for name in sorted(names) if f"`{name}`" not in text] == []


NESTED = ("reasons", "manifests", "resources", "account", "upstream", "seconds", "generator")


def written(run: LoadRun) -> Any:
    """Return load.json as a program reads it."""
    return json.loads(json.dumps(result_of(run).to_json()))


def plain(_: LoadRun) -> None:
    """As it is."""


def everything_seen(run: LoadRun) -> None:
    run.senses.uses = dict.fromkeys(NAMES, Use(cpu=0.5, rss_bytes=1e8))


def nothing_seen(run: LoadRun) -> None:
    run.senses.is_away, run.drain_s = True, 1
    run.senses.first_byte_before_s = run.senses.upstream_s = None


def refused(run: LoadRun) -> None:
    run.api.problems = ["503 QUEUE_UNAVAILABLE"] * 1000


@pytest.mark.parametrize("plant", [plain, everything_seen, nothing_seen, refused])
def test_load_json_fits_its_schema(run: LoadRun, plant: Callable[[LoadRun], None]) -> None:
    plant(run)
    Draft202012Validator(SCHEMA).validate(written(run))


def test_the_schema_refuses_what_it_does_not_describe(run: LoadRun) -> None:
    meta.validate(SCHEMA)
    document = written(run)
    document["samples"][0]["new"] = 1
    del document["latencies"]["accept"]["p99_ms"]
    found = [error.instance_path for error in Draft202012Validator(SCHEMA).iter_errors(document)]
    assert sorted(found, key=str) == [["latencies", "accept"], ["samples", 0]]


def test_the_page_of_a_run_without_answers_can_be_read(run: LoadRun) -> None:
    refused(run)
    nothing_seen(run)
    document = result_of(run).to_json()
    assert not re.search(r"\bnan\b|\bNone\b", page(document))
    assert "The time to the first byte: not measured" in " ".join(reading(document))


def test_what_was_not_measured_is_named_in_the_legend() -> None:
    lines = [Line(name="store", points=[(1, 2.0)]), Line(name="broker", points=[(1, None)])]
    picture = chart(lines, linear(1, "s"), linear(2, "cores"))
    assert ">store<" in picture
    assert ">broker (not measured)<" in picture
    assert picture.count("<circle") == 1  # one point is no line


def test_the_reading_names_what_was_not_measured(run: LoadRun) -> None:
    run.senses.uses = {"store": Use(cpu=0.25, rss_bytes=2e8)}
    document = result_of(run).to_json()
    assert "store 0.25 cores and 200 MB" in sentence(document, "In use were")
    assert "of broker, proxies and relays, upstream: not measured (SQLite" in " ".join(
        reading(document)
    )
    assert "145 ms (median)" in sentence(document, "first byte")


def sentence(document: Mapping[str, Any], begin: str) -> str:
    (found,) = (line for line in reading(document) if begin in line)
    return found


def test_the_reading_says_what_kept_up(run: LoadRun) -> None:
    assert "kept level" in sentence(result_of(run).to_json(), "Workers ended")


def test_the_reading_says_what_fell_behind(run: LoadRun) -> None:
    run.senses.stored_after_s = 60
    run.drain_s = 1
    assert "fell behind" in sentence(result_of(run).to_json(), "Workers ended")


def test_the_reading_begins_with_the_reasons(run: LoadRun) -> None:
    run.account = Account(breaches=["job j is lost"])
    run.api.problems = ["503 QUEUE_UNAVAILABLE"]
    lines = reading(result_of(run).to_json())
    assert lines[0].startswith("FAIL")
    assert lines[1] == "- job j is lost"
    assert "the others: 1 x 503 QUEUE_UNAVAILABLE" in " ".join(lines)


@pytest.mark.parametrize(("value", "text"), [(0.5, "0.5 ms"), (12.3, "12 ms"), (1234.0, "1.23 s")])
def test_times_are_written_as_a_person_would(value: float, text: str) -> None:
    assert milliseconds(value) == text


@pytest.mark.parametrize(
    ("high", "ticks"),
    [
        pytest.param(0, ["0", "0.2", "0.4", "0.6", "0.8", "1"], id="nothing"),
        pytest.param(23, ["0", "5", "10", "15", "20", "25"], id="tens"),
        pytest.param(49_000, ["0", "10k", "20k", "30k", "40k", "50k"], id="thousands"),
    ],
)
def test_ticks_are_round(high: float, ticks: list[str]) -> None:
    assert [text for _, text in linear(high, "").ticks] == ticks


def test_a_logarithmic_axis_has_whole_powers() -> None:
    axis = logarithmic(3, 4000, "ms")
    assert [text for _, text in axis.ticks] == ["1", "10", "100", "1000", "10k"]
    assert axis.share(100) == pytest.approx(0.5)


def test_sparklines_reach_from_nothing_to_the_highest() -> None:
    assert sparkline([0, 5, 10]) == "▁▅█"
    assert sparkline([]) == ""
    assert len(sparkline([1] * 100, width=10)) == 10


def shown(run: LoadRun, *, is_terminal: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=is_terminal, width=120)
    view = LiveView(console=console, workload=run.workload)
    course = run.course()
    with view.showing():
        for sample in course.samples:
            view.show(sample, course.tally)
    return out.getvalue()


def test_without_a_terminal_there_is_a_line_a_second(run: LoadRun) -> None:
    lines = shown(run, is_terminal=False).splitlines()
    assert len(lines) >= 10
    assert "sent   50.0/s" in lines[3]
    assert "\x1b" not in "".join(lines)


def test_a_terminal_has_the_table(run: LoadRun) -> None:
    text = shown(run, is_terminal=True)
    assert "accept p99" in text
    assert "█" in text
