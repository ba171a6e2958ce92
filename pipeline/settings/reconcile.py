"""Settings of the reconciliation."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from pipeline.settings.base import BaseUrl, Port, Seconds, SettingsGroup

HOUR = 3600.0
SETTLED_AFTER = 24 * HOUR
"""Seconds. Norce docs: an event is repeated for 22 h 4 min and then given up."""

_APPLICATION = re.compile(r"\d+:\d+")


class ReconcileSettings(SettingsGroup):
    """The reconciliation: compares orders with Commerce Query and publishes the events that never came."""

    model_config = SettingsConfigDict(env_prefix="NORCE_RECONCILE_")

    query_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/commerce/query/3.0")
    token_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/identity/1.0/connect/token")
    client_id: str = Field(description="OAuth2 client id", min_length=1)
    client_secret: SecretStr = Field(description="OAuth2 client secret", min_length=1)
    scope: str = Field(description="Environment(s) as OAuth2 scope: playground, stage or prod", min_length=1)
    applications: Annotated[list[str], NoDecode] = Field(
        description="ClientId:ApplicationId of each application to compare, comma separated", min_length=1
    )
    settled_after: float = Field(
        default=SETTLED_AFTER,
        ge=0,
        description="Seconds an order must be unchanged in Norce: before that an event may still be on its way",
    )
    look_back: Seconds = Field(
        default=7 * 24 * HOUR, description="Seconds that a sweep looks back if it is not told since when"
    )
    implied: dict[str, list[str]] = Field(
        default={},
        description='JSON: status in Norce to the event types that must have come, such as {"Invoiced": '
        '["OrderDeliveredEvent"]}; "*" for every order. What is not named has its default (assumed)',
    )
    expand: str = Field(
        default="Payments,DeliveryNotes($expand=Packages)",
        description="$expand of orders, for payments and packages; empty for none (assumed)",
    )
    failed_runs_path: str | None = Field(
        default=None,
        description="Path below the Query URL that lists failed runs of recurring orders, such as "
        "Orders/RecurringOrderSchedules; without it they are not compared (assumed)",
    )
    checkout: bool = Field(
        default=False,
        description="Also look for bought baskets that became no order, in Checkout as NORCE_CHECKOUT_... says",
    )
    page_size: int = Field(
        default=200, ge=1, le=1000, description="Orders asked for at once; no more than 4 MiB are read"
    )
    rate: float = Field(default=2.0, gt=0, description="Calls a second (assumed)")
    concurrency: int = Field(default=1, ge=1, le=100, description="Calls in flight at once")
    connect_timeout: Seconds = Field(default=5.0, description="Seconds to open a connection")
    attempt_timeout: Seconds = Field(default=30.0, description="Seconds one call may take (assumed)")
    deadline: Seconds = Field(default=120.0, description="Seconds one call is tried while Norce answers others")
    outage_limit: Seconds = Field(
        default=900.0, description="Seconds of an outage of Query after which a sweep ends unfinished"
    )
    backoff_initial: Seconds = Field(default=0.5, description="Seconds before the first repeat")
    backoff_max: Seconds = Field(default=30.0, description="Most seconds between two repeats")
    breaker_failures: int = Field(default=5, ge=1, description="Failures in a row that open the circuit breaker")
    breaker_reset: Seconds = Field(default=15.0, description="Seconds an open breaker waits before it tries one call")
    max_events: int = Field(
        default=10_000,
        ge=1,
        description="Most events that one sweep publishes; more are a sign of a wrong setting and end it unfinished",
    )
    worker_group: str = Field(
        default="norce-orders", description="Consumer group of the worker, whose orders are compared", min_length=1
    )
    worker_patience: Seconds = Field(
        default=300.0, description="Seconds the worker has to work off the events that are there before a sweep ends"
    )
    source: str = Field(
        default="/norce/reconciliation", description="CloudEvents source of the published events", min_length=1
    )
    port: Port = Field(default=8089, description="Port of /metrics, with --every only")

    @field_validator("applications", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("applications")
    @classmethod
    def _are_pairs(cls, value: list[str]) -> list[str]:
        wrong = [part for part in value if not _APPLICATION.fullmatch(part)]
        if wrong:
            raise ValueError(f"{', '.join(wrong)}: not ClientId:ApplicationId, such as 101:1011")
        return value
