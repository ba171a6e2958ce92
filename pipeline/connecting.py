"""Why a process cannot work with the brokers: nobody is there, or they are and refuse it.

aiokafka says the same of both: it logs what a broker answered, goes on to the next one, and raises in the end that it
reached none. An operator has to know which it is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar, cast

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import IllegalSaslStateError, KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from pipeline.settings import KafkaSettings

CLOSE_SECONDS = 1.0
"""What connections that were closed may take to be so."""

T = TypeVar("T")


class BrokerError(Exception):
    """Base of what can be wrong with brokers, users and topics."""


class BrokerUnreachable(BrokerError):
    """No broker of the list answers."""

    def __init__(self, bootstrap_servers: str, cause: object) -> None:
        self.bootstrap_servers = bootstrap_servers
        super().__init__(f"no Kafka broker answers at {bootstrap_servers} ({cause})")


class BrokerNotReady(BrokerUnreachable):
    """A broker answers, but is not a member of its cluster yet, or not any more: it lists no broker at all."""


class LeaderMissing(BrokerUnreachable):
    """Brokers answer, but none of them leads a partition, or knows who does."""

    def __init__(self, bootstrap_servers: str, cause: object) -> None:
        self.bootstrap_servers = bootstrap_servers
        BrokerError.__init__(self, f"a partition has no leader at {bootstrap_servers} ({cause})")


class CredentialsRefused(BrokerError):
    """A broker does not take this process for who it says it is, or this process does not take it for a broker."""

    def __init__(self, address: str, cause: object) -> None:
        self.address = address
        super().__init__(f"the Kafka broker at {address} and this process do not trust each other: {cause}")


class RightMissing(BrokerError):
    """The process's user may not do what the process has to; ``missing`` are the rights, such as ``Read topic x``."""

    def __init__(self, user: str, missing: list[str]) -> None:
        self.user, self.missing = user, missing
        super().__init__(
            f"the Kafka user of {user} lacks rights: {', '.join(missing)}; 'norce-pipeline topics export --users' "
            "prints all it needs"
        )


def run_and_close(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` for what uses brokers.

    The loop goes on until connections that were closed are so, for at most ``CLOSE_SECONDS``: with TLS that takes a
    round trip, which aiokafka does not wait for, and a loop that ends before it leaves the socket open.
    """

    async def whole() -> T:
        try:
            return await main
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await _closed()

    return asyncio.run(whole())


async def _closed() -> None:
    # The loop tells nobody; who opened a connection may have dropped it, as aiokafka does with its first one.
    transports = cast(Any, asyncio.get_running_loop())._transports
    while transports:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


async def why_unreachable(kafka: KafkaSettings, error: object) -> BrokerUnreachable | CredentialsRefused:
    """What to raise when a client could not be started with ``error``: each broker is asked once more."""
    for host, port, _ in collect_hosts(kafka.bootstrap_servers):
        try:
            connection = await create_conn(
                host, port, request_timeout_ms=int(kafka.request_timeout * 1000), **kafka.security()
            )
        except (SaslAuthenticationFailed, UnsupportedSaslMechanismError, IllegalSaslStateError) as refusal:
            return CredentialsRefused(f"{host}:{port}", refusal)
        except (OSError, KafkaError, TimeoutError) as trouble:
            refused = _tls_error(trouble)
            if refused is not None:
                return CredentialsRefused(f"{host}:{port}", refused)
        else:
            connection.close()
    return BrokerUnreachable(kafka.bootstrap_servers, error)


def _tls_error(error: BaseException | None) -> ssl.SSLError | None:
    """The TLS alert or failed check that an error comes from."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return error
        error = error.__cause__ or error.__context__
    return None
