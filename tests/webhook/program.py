"""The connector as a process of its own, as the command line runs it: settings from the environment."""

from __future__ import annotations

import logging
import sys

import structlog

from connectors.webhook import PortInUse
from connectors.webhook.server import serve
from pipeline.settings import KafkaSettings, LogSettings, WebhookSettings


def main() -> int:
    log = LogSettings()
    logging.basicConfig(level=log.level.upper())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(log.level),
    )
    try:
        return serve(WebhookSettings(), KafkaSettings())
    except PortInUse as error:
        print(f"PortInUse: {error}", flush=True)
        return 2


if __name__ == "__main__":
    sys.exit(main())
