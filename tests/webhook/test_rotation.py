"""HTTPS, and new secrets and certificates under load: nobody is refused and nobody is cut off."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from connectors.webhook.errors import UnusableCertificate
from connectors.webhook.rotation import check_certificate
from pipeline.broker import KafkaCluster
from pipeline.settings import SettingsError, WebhookSettings, load
from tests.pipeline.certificates import Authority
from tests.support.kafka import until
from tests.support.processes import Process
from tests.webhook.conftest import StartConnector
from tests.webhook.support import SECRET, Connector, order

PATH = "/webhooks/norce/OrderReceivedEvent"


class Mounted:
    """Files as Kubernetes mounts them: below a link, which is turned over to another folder all at once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0
        self.live = folder / "live"

    def replace(self, **files: bytes) -> None:
        """These and no others, from now on."""
        self._number += 1
        version = self._folder / f"version-{self._number}"
        version.mkdir(parents=True)
        for name, content in files.items():
            (version / name.replace("__", ".")).write_bytes(content)
        link = self._folder / "next"
        link.symlink_to(version)
        os.replace(link, self.live)


class Site:
    """The files of a connector with TLS: its secrets, and its certificate."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority(folder)
        self.secrets, self.tls = Mounted(folder / "secrets"), Mounted(folder / "tls")
        self.trust(SECRET)
        self.renew()

    def trust(self, *secrets: str) -> None:
        self.secrets.replace(norce_webhook_secrets=",".join(secrets).encode())

    def renew(self) -> int:
        """A new certificate and key; returns its serial number."""
        certificate, key = (file.read_bytes() for file in self._authority.issue("webhook"))
        self.tls.replace(tls__crt=certificate, tls__key=key)
        return x509.load_pem_x509_certificate(certificate).serial_number

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "secrets": "",  # the file says
            "secrets_dir": str(self.secrets.live),
            "tls_cert_file": str(self.tls.live / "tls.crt"),
            "tls_key_file": str(self.tls.live / "tls.key"),
            "verify": ssl.create_default_context(cafile=self._authority.file),
        }


@pytest.fixture
def site(tmp_path: Path) -> Site:
    folder = tmp_path / "site"
    folder.mkdir()
    return Site(folder)


async def serial(connector: Connector) -> int:
    """Of the certificate that a new connection gets."""
    pem = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", connector.port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


async def reloads(connector: Connector, what: str, outcome: str, count: int) -> None:
    """Wait until so many changes came to an outcome."""

    def seen() -> bool:
        return connector.metric("norce_webhook_reloads_total", what=what, outcome=outcome) == count

    await asyncio.to_thread(connector._until, seen)


class Load:
    """Senders that never stop, some on one connection each, some on a new one for each request."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self.secret = SECRET
        self.answers: list[int] = []
        self.troubles: list[str] = []
        self._over = asyncio.Event()

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(self._kept() if number % 2 else self._fresh())

    def end(self) -> None:
        self._over.set()

    async def more(self, count: int) -> None:
        """Wait for so many more answers."""
        wanted = len(self.answers) + count
        await until(self._count, lambda seen: seen >= wanted)

    async def _count(self) -> int:
        return len(self.answers)

    async def _kept(self) -> None:
        async with self.connector.client() as client:
            while not self._over.is_set():
                await self._post(client)

    async def _fresh(self) -> None:
        while not self._over.is_set():
            async with self.connector.client() as client:
                await self._post(client)

    async def _post(self, client: httpx.AsyncClient) -> None:
        try:
            answer = await client.post(PATH, content=order("77"), headers={"x-norce-secret": self.secret})
        except httpx.TransportError as error:
            self.troubles.append(repr(error))
        else:
            self.answers.append(answer.status_code)


async def test_no_request_is_lost_while_secrets_and_certificates_change(
    broker: KafkaCluster, start_connector: StartConnector, site: Site
) -> None:
    connector = start_connector(broker.bootstrap_servers, reload_interval="600", **site.settings)
    connector.until_ready()
    load_ = Load(connector)
    running = asyncio.create_task(load_.run())
    try:
        for turn in (1, 2):
            new = f"secret-{turn}"
            for secrets in ((load_.secret, new), (new,)):
                await load_.more(20)
                site.trust(*secrets)
                connector.process.signal(signal.SIGHUP)
                await reloads(connector, "secrets", "taken", 2 * turn if secrets == (new,) else 2 * turn - 1)
                load_.secret = new
                await load_.more(20)
            number = site.renew()
            connector.process.signal(signal.SIGHUP)
            await reloads(connector, "certificate", "taken", turn)
            await until(lambda: serial(connector), number.__eq__)
            await load_.more(100)
    finally:
        load_.end()
        await running
    assert load_.troubles == []
    assert set(load_.answers) == {200}
    assert (await connector.post(order("77"))).status_code == 401, "the first secret has gone"
    assert connector.process.terminate() == 0


async def test_changes_are_noticed_without_a_signal_and_unusable_ones_are_refused(
    broker: KafkaCluster, start_connector: StartConnector, site: Site
) -> None:
    connector = start_connector(broker.bootstrap_servers, reload_interval="0.1", **site.settings)
    connector.until_ready()
    before = await serial(connector)

    site.secrets.replace(norce_webhook_secrets=b"")
    certificate = (site.tls.live / "tls.crt").read_bytes()
    site.renew()
    key = (site.tls.live / "tls.key").read_bytes()
    site.tls.replace(tls__crt=certificate, tls__key=key)
    for what in ("secrets", "certificate"):
        await connector.until("norce_webhook_reloads_total", lambda count: count > 0)
        await asyncio.to_thread(connector.process.until_output, f'"what": "{what}", "error"')
    assert (await connector.post(order("77"))).status_code == 200
    assert await serial(connector) == before

    site.trust("another")
    number = site.renew()
    await reloads(connector, "secrets", "taken", 1)
    await until(lambda: serial(connector), number.__eq__)
    assert (await connector.post(order("77"))).status_code == 401
    assert (await connector.post(order("77"), headers={"x-norce-secret": "another"})).status_code == 200


def test_with_a_certificate_nothing_is_said_in_plain_text(
    broker: KafkaCluster, start_connector: StartConnector, site: Site
) -> None:
    connector = start_connector(broker.bootstrap_servers, **site.settings)
    connector.until_ready()

    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://127.0.0.1:{connector.port}/livez")
    with pytest.raises(httpx.ConnectError, match="certificate verify failed"):
        httpx.get(f"{connector.url}/livez")


def test_a_certificate_that_is_none_ends_the_connector_before_it_listens(tmp_path: Path) -> None:
    one, other = (Authority(folder) for folder in (_made(tmp_path / "one"), _made(tmp_path / "other")))
    certificate, _ = one.issue("webhook")
    _, key = other.issue("webhook")
    environment = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "NORCE_WEBHOOK_SECRETS": SECRET,
        "NORCE_WEBHOOK_TLS_CERT_FILE": str(certificate),
        "NORCE_WEBHOOK_TLS_KEY_FILE": str(key),
    }
    program = Process("-m", "pipeline.cli", "webhook", log=tmp_path / "webhook.log", environment=environment)

    assert program.start().wait() == 2
    assert "error: UnusableCertificate: " in program.output
    assert "NORCE_WEBHOOK_TLS_CERT_FILE" in program.output
    with pytest.raises(UnusableCertificate, match="no certificate and its key"):
        check_certificate(_settings(certificate, tmp_path / "none"))


def test_a_certificate_and_its_key_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORCE_WEBHOOK_SECRETS", SECRET)
    monkeypatch.setenv("NORCE_WEBHOOK_TLS_CERT_FILE", "x")

    with pytest.raises(SettingsError, match="NORCE_WEBHOOK_TLS_KEY_FILE go together"):
        load(WebhookSettings)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def _settings(certificate: Path, key: Path) -> WebhookSettings:
    return WebhookSettings.model_validate({"secrets": [SECRET], "tls_cert_file": certificate, "tls_key_file": key})
