"""What a run shows while it runs: a table in a terminal, a plain line a second elsewhere."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from tests.load.meters import Sample
from tests.load.plan import Workload
from tests.load.tally import Tally

_BARS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 40
#: Plain lines of a long run come less often.
LINES: Final = 60


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """Draw the last values as bars between zero and their highest."""
    shown = values[-width:]
    top = max(shown, default=0) or 1
    return "".join(_BARS[min(int(value / top * len(_BARS)), len(_BARS) - 1)] for value in shown)


def line_of(sample: Sample) -> str:
    """Say one second in one line."""
    lag = sample.backlog if sample.lag is None else sample.lag
    return (
        f"{sample.at_s:5.0f} s  sent {sample.sent_per_s:6.1f}/s"
        f"  accept p50 {_or_dash(sample.accept_p50_ms):>6} ms"
        f"  p99 {_or_dash(sample.accept_p99_ms):>7} ms"
        f"  done {_or_dash(sample.ended_per_s):>6}/s  {_or_dash(_mega(sample.bytes_per_s)):>6} MB/s"
        f"  lag {lag:5d}  open {sample.open:4d}  retries {sample.retries}"
    )


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _mega(value: float | None) -> float | None:
    return None if value is None else value / 1e6


@dataclass(kw_only=True)
class LiveView:
    """Shows samples as they come."""

    console: Console
    workload: Workload
    samples: list[Sample] = field(default_factory=list)
    _live: Live | None = None

    @contextmanager
    def showing(self) -> Iterator[None]:
        """Take the terminal, if there is one, and give it back."""
        if not self.console.is_terminal:
            yield
            return
        with Live(console=self.console, refresh_per_second=4) as self._live:
            yield
        self._live = None

    def show(self, sample: Sample, tally: Tally) -> None:
        """Show one more second."""
        self.samples.append(sample)
        if self._live is not None:
            self._live.update(self.table(tally))
        elif self._is_due():
            self.console.print(line_of(sample), highlight=False, soft_wrap=True)

    def _is_due(self) -> bool:
        every = max(round(self.workload.seconds / LINES), 1)
        return (len(self.samples) - 1) % every == 0

    def table(self, tally: Tally) -> Table:
        """Return the view of a terminal."""
        last = self.samples[-1]
        table = Table(
            title=f"load: {last.at_s:.0f} of {self.workload.seconds:.0f} s,"
            f" {tally.sent} sent, {tally.late} late, {sum(tally.problems.values())} refused",
            title_justify="left",
        )
        for name in ("", "now", f"last {WIDTH} s"):
            table.add_column(name, justify="right" if name == "now" else "left", no_wrap=True)
        lag = [float(each.backlog if each.lag is None else each.lag) for each in self.samples]
        for name, values, unit in (
            ("sent", [each.sent_per_s for each in self.samples], "/s"),
            ("accept p50", [each.accept_p50_ms or 0 for each in self.samples], "ms"),
            ("accept p99", [each.accept_p99_ms or 0 for each in self.samples], "ms"),
            ("done", [each.ended_per_s or 0 for each in self.samples], "/s"),
            ("stored", [(each.bytes_per_s or 0) / 1e6 for each in self.samples], "MB/s"),
            ("queue lag", lag, ""),
            ("in flight", [each.in_flight or 0 for each in self.samples], ""),
            ("API + workers", [_cores(each) for each in self.samples], "cores"),
        ):
            table.add_row(name, f"{values[-1]:.1f} {unit}", Text(sparkline(values), style="cyan"))
        return table


def _cores(sample: Sample) -> float:
    return (sample.api_cpu or 0) + (sample.worker_cpu or 0)
