"""Latencies as counts in log-linear buckets: mergeable, small, at most 0.4 % off (as HdrHistogram).

Each power of two is cut into 256 equal parts: memory follows the spread of the values, not their
number.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

#: Values below 2 ** (BITS + 1) are exact.
BITS: Final = 8
_WHOLE: Final = 1 << BITS
#: What a report shows.
PERCENTILES: Final = (50.0, 90.0, 95.0, 99.0, 99.9, 99.99)


def bucket_of(value: int) -> int:
    """Return the number of the bucket a value falls into."""
    shift = max(value.bit_length() - BITS - 1, 0)
    return (shift << BITS) + (value >> shift)


def highest_in(bucket: int) -> int:
    """Return the largest value that falls into a bucket."""
    shift = max((bucket >> BITS) - 1, 0)
    return ((bucket - (shift << BITS) + 1) << shift) - 1


@dataclass(slots=True)
class Histogram:
    """Counts of whole microseconds."""

    counts: dict[int, int] = field(default_factory=dict)
    count: int = 0
    sum: int = 0
    max: int = 0

    def record(self, seconds: float) -> None:
        """Count one latency; one below zero (two clocks) counts as zero."""
        value = max(round(seconds * 1e6), 0)
        bucket = bucket_of(value)
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        self.count += 1
        self.sum += value
        self.max = max(self.max, value)

    def merge(self, other: "Histogram") -> None:
        """Add all that another one has counted."""
        for bucket, count in other.counts.items():
            self.counts[bucket] = self.counts.get(bucket, 0) + count
        self.count += other.count
        self.sum += other.sum
        self.max = max(self.max, other.max)

    def percentile(self, percent: float) -> float:
        """Return the seconds that `percent` of the values do not exceed; 0 without values."""
        rank = self.count * percent / 100
        seen = 0
        for bucket, count in self.buckets():
            seen += count
            if seen >= rank - 1e-9:
                return min(highest_in(bucket), self.max) / 1e6
        return 0.0

    @property
    def mean(self) -> float:
        """The arithmetic mean, in seconds."""
        return self.sum / self.count / 1e6 if self.count else 0.0

    def buckets(self) -> Iterator[tuple[int, int]]:
        """Yield bucket and count, smallest values first."""
        return iter(sorted(self.counts.items()))

    def summary(self) -> dict[str, float]:
        """Return count, mean, percentiles and maximum, times in milliseconds."""
        shown = {f"p{percent:g}_ms": self.percentile(percent) * 1e3 for percent in PERCENTILES}
        shown |= {"mean_ms": self.mean * 1e3, "max_ms": self.max / 1e3}
        return {"count": self.count} | {name: round(value, 3) for name, value in shown.items()}

    def to_hgrm(self) -> str:
        """Return the distribution in milliseconds, as text that HdrHistogram's plotter reads."""
        rows = ["       Value     Percentile TotalCount 1/(1-Percentile)", ""]
        seen = 0
        for bucket, count in self.buckets():
            seen += count
            part = seen / self.count
            odds = "" if seen == self.count else f"{1 / (1 - part):14.2f}"
            rows.append(
                f"{min(highest_in(bucket), self.max) / 1e3:12.3f} {part:2.12f} {seen:10} {odds}"
            )
        rows.append(f"#[Mean    = {self.mean * 1e3:12.3f}]")
        rows.append(f"#[Max     = {self.max / 1e3:12.3f}, Total count    = {self.count:12}]")
        return "\n".join(rows) + "\n"

    def to_json(self) -> dict[str, Any]:
        """Return what `from_json` reads; other programs find the rules in docs/load.md."""
        counts = {str(bucket): count for bucket, count in self.buckets()}
        return {
            "unit": "us",
            "bits": BITS,
            "count": self.count,
            "sum": self.sum,
            "max": self.max,
            "counts": counts,
        }

    @classmethod
    def from_json(cls, read: Mapping[str, Any]) -> Self:
        """Read it again; raises ValueError for buckets of another width."""
        if (read["unit"], read["bits"]) != ("us", BITS):
            msg = f"a histogram of {read['bits']} bits in {read['unit']}, not {BITS} in us"
            raise ValueError(msg)
        counts = {int(bucket): count for bucket, count in read["counts"].items()}
        return cls(counts=counts, count=read["count"], sum=read["sum"], max=read["max"])
