"""Our connector as it is, but for one thing: a record counts as acknowledged at once. The limit of the server."""

from __future__ import annotations

import asyncio
from typing import NoReturn

from connectors.webhook import server
from connectors.webhook.publisher import Publisher
from connectors.webhook.records import Record
from pipeline.logs import configure
from pipeline.settings import KafkaSettings, LogSettings, WebhookSettings, load


class Unpublished(Publisher):
    """Takes records and does nothing with them."""

    async def run(self) -> NoReturn:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    async def publish(self, record: Record) -> None:
        """Nothing."""

    async def troubles(self) -> list[str]:
        return []


if __name__ == "__main__":
    setattr(server, "Publisher", Unpublished)  # noqa: B010 - the one thing that differs
    configure(*load(LogSettings))
    raise SystemExit(server.serve(*load(WebhookSettings, KafkaSettings)))
