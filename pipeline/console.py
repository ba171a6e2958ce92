"""What the commands share: exit codes, named errors, settings, and output for people and for programs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    TopicAuthorizationFailedError,
)
from rich.console import Console
from rich.table import Table

from pipeline import logs, tracing
from pipeline.connecting import BrokerError
from pipeline.domain import InvalidPolicy
from pipeline.listening import PortUnavailable
from pipeline.settings import LogSettings, SettingsError, SettingsGroup, TracingSettings, load

OK, FAILED, USAGE, ENVIRONMENT = 0, 1, 2, 3

_NOT_ALLOWED = (TopicAuthorizationFailedError, GroupAuthorizationFailedError, ClusterAuthorizationFailedError)

A = TypeVar("A", bound=SettingsGroup)
B = TypeVar("B", bound=SettingsGroup)


Json = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@contextmanager
def named_errors() -> Iterator[None]:
    """Turn what an operator can mend into one message and an exit code."""
    try:
        yield
    except SettingsError as error:
        fail(error, USAGE, "'norce-pipeline settings' shows all of them with their meaning.")
    except InvalidPolicy as error:
        fail(error, USAGE, "It is the file that NORCE_WORKER_PUSH_POLICY_FILE names.")
    except _NOT_ALLOWED as error:
        fail(error, ENVIRONMENT, "'norce-pipeline topics export --users' prints the rights that each user needs.")
    except (BrokerError, PortUnavailable, OSError) as error:
        fail(error, ENVIRONMENT)


def fail(error: Exception, code: int, hint: str = "") -> NoReturn:
    """Say what is wrong on standard error and end."""
    print(f"error: {type(error).__name__}: {error}", *([hint] if hint else []), sep="\n", file=sys.stderr)
    raise SystemExit(code)


def read(first: type[A], second: type[B]) -> tuple[A, B]:
    """Two groups of settings and the logging set up, or every problem at once."""
    one, two, log = load(first, second, LogSettings)
    logs.configure(log)
    return one, two


def read_traced(first: type[A], second: type[B], service: str) -> tuple[A, B]:
    """As ``read``, for a process on the way of events: its traces go by the name of ``service``."""
    one, two, log, traces = load(first, second, LogSettings, TracingSettings)
    logs.configure(log)
    tracing.configure(traces, service)
    return one, two


def table(rows: Iterable[Mapping[str, Any]], *columns: str) -> None:
    """Print rows for people."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, overflow="fold", no_wrap=column in {"topic", "variable"})
    for row in rows:
        shown.add_row(*(str(row[column]) for column in columns))
    Console(width=None if sys.stdout.isatty() else 200).print(shown)
