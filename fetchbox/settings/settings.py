"""The whole configuration as one value."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from fetchbox.settings.sections import (
    BrokerSection,
    HandlerSection,
    IggySection,
    ProxySection,
    RetentionSection,
    ServerSection,
    StorageSection,
    TelemetrySection,
    WorkerSection,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every section, sound.

    Attributes:
        origins: the source of every key that is not built in, by its dotted name.
        warnings: what is odd but harmless, one line each.

    """

    server: ServerSection
    broker: BrokerSection
    iggy: IggySection
    storage: StorageSection
    handlers: Mapping[str, HandlerSection]
    proxy: ProxySection
    worker: WorkerSection
    retention: RetentionSection
    telemetry: TelemetrySection
    origins: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
