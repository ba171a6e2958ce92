"""The command ``send``."""

from __future__ import annotations

import difflib
import json
import sys
from pathlib import Path
from typing import Annotated, Any

import httpx
import orjson
import typer

from pipeline import settings_report
from pipeline.console import ENVIRONMENT, FAILED, USAGE, Json, fail, table
from pipeline.events import EVENT_TYPES, EventSpec, UnusableBody, parse
from pipeline.events.registry import find
from pipeline.sending.bodies import UnusableField, changed, example
from pipeline.settings import SettingsError, WebhookSettings

TIMEOUT = 10.0


class UnknownEventType(Exception):
    """The catalogue has no such event type."""


class UnreadableBody(Exception):
    """The body to send is no JSON object that fields could be changed in."""


class ConnectorUnreachable(Exception):
    """Nothing answers at the connector's address."""


class Refused(Exception):
    """The connector did not take the event."""


def _types(incomplete: str) -> list[str]:
    """Event types for a shell to complete."""
    return [name for name in EVENT_TYPES if name.startswith(incomplete)]


def command(
    event_type: Annotated[
        str | None,
        typer.Argument(
            metavar="TYPE",
            help="Event type, such as OrderReceivedEvent; case does not matter.",
            autocompletion=_types,
        ),
    ] = None,
    body: Annotated[
        str | None, typer.Option(metavar="FILE", help="File with the body, - for standard input; else an example.")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="Change a field; may be given repeatedly.")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the connector listens; else 127.0.0.1 and NORCE_WEBHOOK_PORT.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the body and post nothing.")] = False,
    types: Annotated[bool, typer.Option("--types", help="List the event types and end.")] = False,
    as_json: Json = False,
) -> None:
    """Post one event to a running connector. It goes as Norce would send it; says what became of it.

    The secret is the first of NORCE_WEBHOOK_SECRETS. Without --body an example with every documented field is sent. Do
    not send examples to a connector in production: what it takes is joined and told to Norce.

    Example: norce-pipeline send OrderReceivedEvent --set ClientOrderRef=4711 --set Source=POS
    """
    if types:
        _list(as_json)
        return
    if event_type is None:
        raise typer.BadParameter("name an event type; --types lists them", param_hint="TYPE")
    spec = find(event_type)
    if spec is None:
        near = difflib.get_close_matches(event_type, EVENT_TYPES, 3, 0.5)
        hint = f"; is it {' or '.join(near)}?" if near else "; --types lists them"
        fail(UnknownEventType(f"there is no event type {event_type}{hint}"), USAGE)
    data = _body(spec, body, changes or [])
    if dry_run:
        print(data.decode("utf-8", "replace"))
        return
    key, trouble = _judged(spec, data)
    answer = _post(url or f"http://127.0.0.1:{settings_report.value(WebhookSettings, 'port')}", spec, data)
    document = {
        "event_type": spec.name,
        "key": key,
        "topic": spec.topic if trouble is None else None,
        "expected": "event" if trouble is None else "quarantine",
        "reason": trouble,
        "status": answer.status_code,
    }
    if not answer.is_success:
        fail(Refused(f"the connector answered {answer.status_code}: {answer.text or 'nothing'}"), FAILED)
    if as_json:
        print(json.dumps(document, indent=2))
    elif trouble is None:
        print(f"taken ({answer.status_code}): {spec.name} on {spec.topic} with the key {key}")
    else:
        print(f"taken ({answer.status_code}), and kept in quarantine, for it does not fit: {trouble}")


def _list(as_json: bool) -> None:
    rows = [{"type": s.name, "topic": s.topic, "documented": s.documented} for s in EVENT_TYPES.values()]
    if as_json:
        print(json.dumps(rows, indent=2))
    else:
        table(rows, "type", "topic", "documented")


def _body(spec: EventSpec, place: str | None, changes: list[str]) -> bytes:
    try:
        if place is None:
            return orjson.dumps(changed(spec, example(spec), changes), option=orjson.OPT_INDENT_2)
        data = sys.stdin.buffer.read() if place == "-" else Path(place).read_bytes()
        return data if not changes else orjson.dumps(changed(spec, _object(data), changes))
    except UnusableField as error:
        raise typer.BadParameter(str(error), param_hint="--set") from None


def _object(data: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        fail(UnreadableBody(f"the body is no JSON, so no field of it can be set: {error}"), USAGE)
    if not isinstance(found, dict):
        fail(UnreadableBody("the body is no JSON object, so no field of it can be set"), USAGE)
    return found


def _judged(spec: EventSpec, data: bytes) -> tuple[str | None, str | None]:
    """The key that the event will have, or why it will be quarantined; the connector's answer does not say."""
    try:
        return spec.partition_key(parse(spec, data)), None
    except UnusableBody as error:
        return None, f"{error.reason.value}: {error.detail}"


def _post(url: str, spec: EventSpec, data: bytes) -> httpx.Response:
    secret = next((part.strip() for part in settings_report.value(WebhookSettings, "secrets").split(",")), "")
    if not secret:
        raise SettingsError([(WebhookSettings.variable("secrets"), "is not set")])
    header = settings_report.value(WebhookSettings, "secret_header")
    try:
        return httpx.post(
            f"{url.rstrip('/')}/webhooks/norce/{spec.name}",
            content=data,
            headers={header: secret, "content-type": "application/json"},
            timeout=TIMEOUT,
        )
    except (httpx.TransportError, httpx.InvalidURL) as error:
        fail(ConnectorUnreachable(f"no connector answers at {url}: {type(error).__name__} {error}"), ENVIRONMENT)
