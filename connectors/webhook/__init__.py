"""Source connector: takes Norce's webhooks over HTTP and publishes each as one record on Kafka.

A request is answered 200 only when every in-sync replica has its record.
"""

from __future__ import annotations

from connectors.webhook.errors import CannotListen, PortInUse, UnusableCertificate, WebhookError

__all__ = ["CannotListen", "PortInUse", "UnusableCertificate", "WebhookError"]
