"""What can go wrong in the webhook connector.

WebhookError
    CannotListen
        PortInUse
    UnusableCertificate
    NotAcknowledged
    BodyRefused
        BodyTooLarge
        UploadTimeout
        SenderGone
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path


class WebhookError(Exception):
    """Base of all."""


class CannotListen(WebhookError):
    """The address cannot be listened on."""

    def __init__(self, host: str, port: int, cause: str) -> None:
        self.host, self.port = host, port
        super().__init__(f"cannot listen on {host} port {port}: {cause}")


class PortInUse(CannotListen):
    """Another process listens on the port."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port, "another process listens there")


class UnusableCertificate(WebhookError):
    """The files of the certificate and its key cannot be read, are none, or do not belong together."""

    def __init__(self, certificate: Path, key: Path | None, cause: object) -> None:
        self.certificate, self.key = certificate, key
        super().__init__(f"{certificate} and {key} are no certificate and its key: {cause}")


class Trouble(StrEnum):
    """Why Kafka has not acknowledged a record."""

    UNREACHABLE = "kafka_unreachable"
    LATE = "kafka_late"
    REFUSED = "kafka_refused"


class NotAcknowledged(WebhookError):
    """Kafka has not acknowledged a record in time. It may still do so later: the record then arrives twice."""

    def __init__(self, trouble: Trouble, detail: str) -> None:
        self.trouble, self.detail = trouble, detail
        self.error_type = trouble.value
        super().__init__(f"{trouble}: {detail}")


class BodyRefused(WebhookError):
    """The body was not read to its end."""


class BodyTooLarge(BodyRefused):
    """The body is, or says it is, larger than allowed."""


class UploadTimeout(BodyRefused):
    """The body did not arrive in time."""


class SenderGone(BodyRefused):
    """The sender hung up before its body was complete."""
