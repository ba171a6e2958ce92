"""A client of Query alone, with a token of its own."""

from __future__ import annotations

import random
from typing import Self

from connectors.norce import ClientCredentials, Clock, Limits, NorceApi, NorceMetrics, SystemClock, Transport
from connectors.norce.backoff import Uniform
from connectors.norce.identity import REQUEST_TIMEOUT
from connectors.norce.metrics import default_metrics
from connectors.query.details import DetailsReader
from pipeline.settings import LookupSettings


class QueryClient:
    """Reads details. Make one per process, inside its event loop, and close it at the end."""

    def __init__(
        self,
        settings: LookupSettings,
        *,
        clock: Clock | None = None,
        uniform: Uniform = random.uniform,
        metrics: NorceMetrics | None = None,
    ) -> None:
        clock = clock or SystemClock()
        metrics = metrics or default_metrics()
        self._credentials = ClientCredentials(
            settings.token_url,
            settings.client_id,
            settings.client_secret.get_secret_value().strip(),
            settings.scope,
            transport=Transport(settings.connect_timeout),
            clock=clock,
            uniform=uniform,
            metrics=metrics,
            timeout=min(REQUEST_TIMEOUT, settings.attempt_timeout),
            start_jitter=settings.token_start_jitter,
        )
        self._api = NorceApi(
            "query", Limits.of(settings), self._credentials, clock=clock, uniform=uniform, metrics=metrics
        )
        self.details = DetailsReader(
            settings.query_url,
            self._api,
            reference_field=settings.reference_field,
            invoice_field=settings.invoice_field,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way and close all connections."""
        await self._api.close()
        await self._credentials.close()

    @property
    def breaker_open(self) -> bool:
        """Whether Query is being left alone because it fails everyone."""
        return self._api.breaker_open
