"""New secrets and certificates while the connector runs, without a request that is lost for it.

Files are looked at again and again, and at once after SIGHUP: Kubernetes replaces them and tells nobody. What is there
takes the place of what was there only if it is usable; otherwise the connector goes on as it was and says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

import structlog

from connectors.webhook.authentication import SecretHeader
from connectors.webhook.errors import UnusableCertificate
from connectors.webhook.metrics import Metrics
from pipeline.settings import WebhookSettings, load

log = structlog.get_logger(__name__)


class Rotation:
    """Watches the secrets of the settings and the files of the certificate.

    Arguments:
        webhook: the settings as of the start.
        secret: told of new secrets.
        restart: called when connections from now on are to be taken with another certificate.
        metrics: counts what was taken and what could not be.
    """

    def __init__(
        self, webhook: WebhookSettings, secret: SecretHeader, restart: Callable[[], None], metrics: Metrics
    ) -> None:
        self._webhook = webhook
        self._secret = secret
        self._restart = restart
        self._metrics = metrics
        self._secrets = [secret.get_secret_value() for secret in webhook.secrets]
        self._certificate = fingerprint(webhook)
        self._told = asyncio.Event()

    def hurry(self) -> None:
        """Look now."""
        self._told.set()

    async def run(self) -> NoReturn:
        """Look from time to time."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._webhook.reload_interval):
                    await self._told.wait()
            self._told.clear()
            self._look("secrets", self._look_at_secrets)
            self._look("certificate", self._look_at_certificate)

    def _look(self, what: str, look: Callable[[], bool]) -> None:
        try:
            changed = look()
        except Exception as error:  # whatever it is, requests go on as before
            self._metrics.reloads.labels(what, "refused").inc()
            log.error("not usable, going on as before", what=what, error=type(error).__name__, detail=str(error))
            return
        if changed:
            self._metrics.reloads.labels(what, "taken").inc()
            log.info("taken without a restart", what=what)

    def _look_at_secrets(self) -> bool:
        (fresh,) = load(WebhookSettings)
        secrets = [secret.get_secret_value() for secret in fresh.secrets]
        if secrets == self._secrets:
            return False
        self._secret.replace(secrets)
        self._secrets = secrets
        return True

    def _look_at_certificate(self) -> bool:
        found = fingerprint(self._webhook)
        if found == self._certificate:
            return False
        check_certificate(self._webhook)
        self._restart()
        self._certificate = found
        return True


def fingerprint(webhook: WebhookSettings) -> bytes:
    """Tells one certificate with its key from another; empty without TLS. Raises ``OSError``."""
    files = (webhook.tls_cert_file, webhook.tls_key_file)
    return b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files if file is not None)


def check_certificate(webhook: WebhookSettings) -> None:
    """Raises ``UnusableCertificate`` if the files are no certificate and its key."""
    if webhook.tls_cert_file is None:
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(webhook.tls_cert_file, webhook.tls_key_file)
    except OSError as error:  # ssl.SSLError is one
        raise UnusableCertificate(webhook.tls_cert_file, webhook.tls_key_file, error) from error
