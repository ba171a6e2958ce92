"""Settings of traces: OpenTelemetry's own variables, which its exporter reads too, and one of ours."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from pipeline.settings.base import BaseUrl, SettingsGroup

Sampler = Literal[
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
]
Protocol = Literal["http/protobuf"]


class TracingSettings(SettingsGroup):
    """Where traces go, and which; off unless an endpoint or the exporter is named.

    OpenTelemetry's other variables (``OTEL_EXPORTER_OTLP_TIMEOUT``, ``_CERTIFICATE``, ``_COMPRESSION``,
    ``OTEL_BSP_...``, ``OTEL_SPAN_...``) hold as its specification says.
    """

    model_config = SettingsConfigDict(env_prefix="NORCE_TRACING_")

    exporter: Literal["otlp", "none"] | None = Field(
        default=None,
        validation_alias="OTEL_TRACES_EXPORTER",
        description="otlp: trace, also without an endpoint; none: do not. Not set: trace if an endpoint is",
    )
    endpoint: BaseUrl | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Collector that takes OTLP over HTTP, such as http://collector:4318; /v1/traces is added",
    )
    traces_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://",
        validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
        description="The same for traces alone, used as it is",
    )
    protocol: Protocol = Field(
        default="http/protobuf", validation_alias="OTEL_EXPORTER_OTLP_PROTOCOL", description="The one that is spoken"
    )
    traces_protocol: Protocol = Field(
        default="http/protobuf", validation_alias="OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", description="The same"
    )
    headers: SecretStr | None = Field(
        default=None,
        validation_alias="OTEL_EXPORTER_OTLP_HEADERS",
        description="Headers that the collector wants, as name=value, comma separated",
    )
    sampler: Sampler = Field(
        default="parentbased_always_on",
        validation_alias="OTEL_TRACES_SAMPLER",
        description="Which traces are kept; the parentbased ones keep to what the trace's first process decided",
    )
    sampler_arg: float = Field(
        default=1.0,
        ge=0,
        le=1,
        validation_alias="OTEL_TRACES_SAMPLER_ARG",
        description="Share of the traces that the traceidratio samplers keep",
    )
    service_name: str | None = Field(
        default=None,
        validation_alias="OTEL_SERVICE_NAME",
        description="Name in the traces; without it the process's own, such as norce-webhook or norce-worker",
    )
    disabled: bool = Field(
        default=False, validation_alias="OTEL_SDK_DISABLED", description="Do not trace, whatever else is set"
    )
    send_to_norce: bool = Field(
        default=False,
        description="Send traceparent with calls to Norce. Norce does not document it, so it is not sent unasked",
    )

    @property
    def on(self) -> bool:
        """Whether to trace."""
        if self.disabled or self.exporter == "none":
            return False
        return self.exporter == "otlp" or (self.traces_endpoint or self.endpoint) is not None
