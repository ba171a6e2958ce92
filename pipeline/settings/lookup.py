"""Settings of the look-ups."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import BaseUrl, Port, Seconds
from pipeline.settings.sinks import SinkSettings

DAY = 24 * 3600.0
LookUpKind = Literal["order", "product", "invoice"]


class LookupSettings(SinkSettings):
    """Look-ups through Commerce Query: order totals and lines, product names, the order of an invoice."""

    model_config = SettingsConfigDict(env_prefix="NORCE_LOOKUP_")

    query_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/commerce/query/3.0")
    token_url: BaseUrl = Field(description="https://{slug}.api-se[.{env}].norce.tech/identity/1.0/connect/token")
    client_id: str = Field(description="OAuth2 client id", min_length=1)
    client_secret: SecretStr = Field(description="OAuth2 client secret", min_length=1)
    scope: str = Field(description="Environment(s) as OAuth2 scope: playground, stage or prod", min_length=1)
    token_start_jitter: float = Field(
        default=0.0,
        ge=0,
        description="Seconds; the first token request waits a random part of it. For many processes behind one address",
    )
    kinds: list[LookUpKind] = Field(
        default=["order", "product", "invoice"],
        min_length=1,
        description="JSON: what is looked up: order, product, invoice",
    )
    applications: dict[str, int] = Field(
        default={},
        description='JSON: ClientId to the ApplicationId that its products are asked for with, "*" for all others; '
        "needed where events about products name none",
    )
    reference_field: str = Field(
        default="ClientOrderRef",
        pattern=r"^[A-Za-z]+$",
        description="Field of Query's orders with the ClientOrderRef (assumed); QuotationId, which is documented, "
        "has it for orders of Norce's own baskets. Orders whose OrderId is known are asked for by that",
    )
    invoice_field: str = Field(
        default="Id",
        pattern=r"^[A-Za-z]+$",
        description="Field of Query's invoices with the CapturedInvoiceId of events (assumed)",
    )
    order_age: Seconds = Field(
        default=7 * DAY, description="Seconds after which an order that has news is asked for, whatever the news"
    )
    product_age: Seconds = Field(
        default=7 * DAY, description="Seconds after which a product that has news is asked for, whatever the news"
    )
    unknown_wait: Seconds = Field(
        default=60.0, description="Seconds before what Query did not know is asked for again; doubles each time"
    )
    unknown_wait_max: Seconds = Field(default=6 * 3600.0, description="Most seconds between two of those")
    unknown_tries: int = Field(
        default=10, ge=1, le=100, description="Times that Query must not know a thing before it is left alone"
    )
    data_dir: Path = Field(default=Path("data/lookup"), description="Folder of the RocksDB memory of what was asked")
    group: str = Field(default="norce-lookup", description=SinkSettings.model_fields["group"].description)
    port: Port = Field(default=8088, description=SinkSettings.model_fields["port"].description)
    slice_records: int = Field(default=2000, ge=1, le=100_000, description="Most enriched records taken as one step")
    rate: float = Field(default=2.0, gt=0, description="Calls a second; one look-up may take two (assumed)")
    concurrency: int = Field(
        default=4, ge=1, le=1000, description="Look-ups under way at once, never two of one thing (assumed)"
    )
    attempt_timeout: Seconds = Field(default=30.0, description=SinkSettings.model_fields["attempt_timeout"].description)
    deadline: Seconds = Field(default=120.0, description="Seconds one look-up is tried while Norce answers others")
