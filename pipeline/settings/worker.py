"""Settings of the worker."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import Port, ProcessSettings, Seconds


class WorkerSettings(ProcessSettings):
    """The worker: joins events into tables, derives updates and raises alerts."""

    model_config = SettingsConfigDict(env_prefix="NORCE_WORKER_")

    group: str = Field(
        default="norce-orders", description="Consumer group, and prefix of the changelog topics", min_length=1
    )
    data_dir: Path = Field(
        default=Path("data/worker"), description="Folder of the RocksDB state; losing it costs a rebuild, no data"
    )
    port: Port = Field(default=8081, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(
        default=2000, ge=1, le=100_000, description="Most records folded and committed as one step"
    )
    push_policy_file: Path | None = Field(
        default=None,
        description="JSON file that says what is pushed to Connect and Checkout; without it the default policy",
    )
    alert_after: dict[str, float] = Field(
        default={},
        description='JSON: kind of alert to seconds that it has to be so before it opens, such as {"stuck": 86400}; '
        "what is not named has its default (assumed)",
    )
    alert_expires: dict[str, float | None] = Field(
        default={},
        description="JSON: kind of alert to seconds after which it closes by itself, null for never; what is not "
        "named has its default (assumed)",
    )
    alert_subscription_failures: int = Field(
        default=3, ge=1, le=100, description="Failures of one subscription or recurring order that are an alert"
    )
    alert_sweep_interval: Seconds = Field(
        default=15.0, description="Seconds between two looks for alerts that time alone opens or closes"
    )
    dead_letter_ratio: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="Share of the last events of a topic and partition that cannot be joined at which the worker stops",
    )
    dead_letter_window: int = Field(
        default=1000, ge=1, le=100_000, description="Events that NORCE_WORKER_DEAD_LETTER_RATIO is a share of"
    )
    dead_letter_run: int = Field(
        default=20,
        ge=1,
        description="Events in a row of a topic and partition that cannot be joined at which the worker stops",
    )
    parked_limit: int = Field(
        default=100_000,
        ge=1,
        description="Events waiting behind one that cannot be folded above which the worker stops; each takes disk",
    )
