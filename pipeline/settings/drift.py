"""Settings of the drift watch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import Port, ProcessSettings


class DriftSettings(ProcessSettings):
    """The drift watch: compares what Norce sends with the event models."""

    model_config = SettingsConfigDict(env_prefix="NORCE_DRIFT_")

    group: str = Field(
        default="norce-drift", description="Consumer group, and prefix of the changelog topics", min_length=1
    )
    data_dir: Path = Field(
        default=Path("data/drift"), description="Folder of the RocksDB state; losing it costs a rebuild, no data"
    )
    port: Port = Field(default=8086, description="Port of /livez, /readyz and /metrics")
    slice_records: int = Field(default=2000, ge=1, le=100_000, description="Most records looked at as one step")
    bodies_without: int = Field(
        default=50, ge=2, le=5000, description="Bodies in a row, per partition, without an optional field that had it"
    )
    bodies_before: int = Field(default=100, ge=2, le=5000, description="Bodies before those that are compared with")
    usual_share: float = Field(
        default=0.8, gt=0, le=1, description="Share of the bodies before that must have had the field"
    )
