"""Logging of every process: text for people or JSON for log collectors, on standard error.

Libraries log through the standard library and come out in the same form; the chatty ones only from warnings on.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog
from structlog.typing import EventDict

from pipeline import tracing
from pipeline.settings import LogSettings

# Never below INFO: at DEBUG aiokafka writes whole records, and httpx the addresses it calls.
_CHATTY = ("aiokafka", "faust", "mode", "httpx", "httpcore", "asyncio", "aiohttp.access", "kafka")

# Without local variables: those of the connector and the joins hold bodies, and with them personal data.
_TRACEBACK = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)


def configure(settings: LogSettings) -> None:
    """Set up structlog and the standard library's logging for the whole process."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        # Methods below the level do nothing: otherwise each line, of which there is one per request, would be put
        # together before the standard library drops it.
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings.level.upper())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_rendering(settings)],
        )
    )
    level = settings.level.upper()
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in _CHATTY:
        quiet = logging.INFO if settings.level == "debug" else logging.WARNING
        logging.getLogger(name).setLevel(max(quiet, logging.getLevelName(level)))


def _rendering(settings: LogSettings) -> list[Any]:
    if settings.format == "json":
        return [_trace_ids, structlog.processors.ExceptionRenderer(_TRACEBACK), structlog.processors.JSONRenderer()]
    return [
        structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
    ]


def _trace_ids(logger: Any, method: str, line: EventDict) -> EventDict:
    """Name the span that a line was written in, by OpenTelemetry's names for that."""
    return {**line, **tracing.ids()}
