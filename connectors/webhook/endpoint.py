"""The webhook endpoint: what happens to one request, from the secret to the answer."""

from __future__ import annotations

import time

import structlog

from connectors.webhook import answers
from connectors.webhook.answers import Answer
from connectors.webhook.authentication import SecretHeader
from connectors.webhook.bodies import read_body
from connectors.webhook.errors import BodyTooLarge, NotAcknowledged, SenderGone, UploadTimeout
from connectors.webhook.event_types import Requested, requested
from connectors.webhook.metrics import Metrics
from connectors.webhook.outage import Outage
from connectors.webhook.patience import Patience
from connectors.webhook.publisher import Publisher
from connectors.webhook.records import Record, RecordFactory
from connectors.webhook.rsgi import Exchange, Request
from connectors.webhook.traces import note_request, request_span
from pipeline.events import UnusableBody
from pipeline.settings import WebhookSettings

log = structlog.get_logger(__name__)


class Endpoint:
    """Takes requests, a bounded number at once, and turns each into one record and one answer.

    ``uploads`` is how long a body may take, and has to run.
    """

    def __init__(
        self,
        settings: WebhookSettings,
        publisher: Publisher,
        records: RecordFactory,
        metrics: Metrics,
        outage: Outage,
        uploads: Patience,
    ) -> None:
        self._settings = settings
        self._publisher = publisher
        self._records = records
        self._metrics = metrics
        self._outage = outage
        self._uploads = uploads
        self.secret = SecretHeader(settings.secret_header, [secret.get_secret_value() for secret in settings.secrets])
        self.in_flight = 0

    async def handle(self, request: Request, exchange: Exchange, in_path: str) -> Answer:
        """The answer to one request; ``in_path`` is the event type in its path, if any."""
        started = time.perf_counter()
        asked = requested(request, in_path)
        answer = await self._admit(request, exchange, asked)
        self._metrics.count(asked.found, answer.name, time.perf_counter() - started)
        if answer in answers.REFUSALS:
            self._outage.refused()
        return answer

    async def _admit(self, request: Request, exchange: Exchange, asked: Requested) -> Answer:
        if request.method != "POST":
            return answers.METHOD_NOT_ALLOWED
        if not self.secret.is_valid(request.headers.get_all(self.secret.name)):
            return answers.UNAUTHORIZED
        if self.in_flight >= self._settings.max_in_flight:
            return answers.OVERLOADED
        self.in_flight += 1
        try:
            with request_span(request) as span:
                answer = await self._answer(request, exchange, asked)
                note_request(span, request, asked, answer)
                return answer
        finally:
            self.in_flight -= 1

    async def _answer(self, request: Request, exchange: Exchange, asked: Requested) -> Answer:
        try:
            body = await read_body(request, exchange, self._settings.max_body_bytes, self._uploads)
            return await self._take(request, asked, body)
        except BodyTooLarge:
            return answers.BODY_TOO_LARGE
        except UploadTimeout:
            return answers.UPLOAD_TIMEOUT
        except SenderGone:
            return answers.SENDER_GONE
        except NotAcknowledged:
            return answers.NOT_ACKNOWLEDGED
        except Exception:
            log.exception("request failed", event_type=str(asked))
            return answers.INTERNAL_ERROR

    async def _take(self, request: Request, asked: Requested, body: bytes) -> Answer:
        self._metrics.body_bytes.observe(len(body))
        try:
            record, answer = self._event(request, asked, body), answers.ACCEPTED
        except UnusableBody as error:
            record, answer = self._records.quarantined(asked, error, body), answers.QUARANTINED
            await self._publisher.publish(record)
            self._note_quarantined(record, asked, error)
            return answer
        await self._publisher.publish(record)
        key = (record.key or b"").decode()
        log.debug("event accepted", event_id=record.id, key=key, event_type=str(asked), topic=record.topic)
        return answer

    def _event(self, request: Request, asked: Requested, body: bytes) -> Record:
        encodings, unknown = request.headers.get_all("content-encoding"), self._settings.accept_unknown_types
        return self._records.accepted(asked, body, accept_unknown=unknown, encodings=encodings)

    def _note_quarantined(self, record: Record, asked: Requested, error: UnusableBody) -> None:
        self._metrics.quarantined.labels(error.reason).inc()
        log.warning(
            "event quarantined",
            event_id=record.id,
            event_type=str(asked),
            reason=error.reason,
            detail=error.detail,
            where=error.where,
            body_bytes=len(record.value),
        )
