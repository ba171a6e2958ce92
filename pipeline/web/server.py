"""The console as a process."""

from __future__ import annotations

from functools import partial

import uvicorn

from pipeline import rights, topics
from pipeline.audit.snapshot import Groups
from pipeline.listening import listen
from pipeline.quarantine.waiting import watching
from pipeline.settings import ConsoleSettings, KafkaSettings
from pipeline.web.accounts import Accounts
from pipeline.web.app import make_app

DRAIN_SECONDS = 10


def serve(kafka: KafkaSettings, settings: ConsoleSettings, groups: Groups) -> None:
    """Answer until SIGTERM or SIGINT, then finish what was begun.

    Raises:
        UnusableAccounts, PortUnavailable, BrokerUnreachable, TopicMissing, RightMissing: before anything starts.
    """
    accounts = Accounts.read(settings.accounts_file)
    rights.check(kafka, "console", topics.PUBLIC)
    listener = listen(settings.host, settings.port)
    app = make_app(kafka, settings, groups, accounts, partial(watching, kafka))
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, timeout_graceful_shutdown=DRAIN_SECONDS
    )
    uvicorn.Server(config).run(sockets=[listener])
