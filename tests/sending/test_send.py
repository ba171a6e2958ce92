"""``norce-pipeline send`` against a real connector on a real broker."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.events import EVENT_TYPES, parse
from pipeline.sending.bodies import example
from tests.support.commands import run_command
from tests.support.kafka import read_all
from tests.webhook.support import SECRET, Connector, kafka_settings


@pytest.mark.parametrize("name", EVENT_TYPES)
def test_the_example_of_every_event_type_is_an_event_with_all_its_fields(name: str) -> None:
    spec = EVENT_TYPES[name]
    body = example(spec)
    event = parse(spec, json.dumps(body).encode())
    assert set(body) == {field.alias for field in spec.model.model_fields.values()}
    assert None not in body.values()
    assert spec.partition_key(event)


def send(*arguments: str, stdin: str = "", **environment: str) -> tuple[int, str, str]:
    given = {**os.environ, "NORCE_WEBHOOK_SECRETS": SECRET, **environment}
    done = run_command(["send", *arguments], given, stdin=stdin)
    return done.returncode, done.stdout, done.stderr


async def test_what_is_sent_arrives_or_is_said_to_be_quarantined(fresh_kafka: KafkaCluster, tmp_path: Path) -> None:
    await topics.create(kafka_settings(fresh_kafka.bootstrap_servers), topics.PUBLIC)
    before = len(await read_all(fresh_kafka.bootstrap_servers, "norce.events.order"))
    with Connector(fresh_kafka.bootstrap_servers, tmp_path) as connector:
        connector.until_ready()
        url = connector.url
        code, out, _ = send("orderreceivedevent", "--set", "ClientOrderRef=sent-1", "--set", "Email=null", "--url", url)
        assert (code, out) == (
            0,
            "taken (200): OrderReceivedEvent on norce.events.order with the key 101:1011:sent-1\n",
        )
        body = '{"ClientId": "no number"}'
        code, out, _ = send("OrderReceivedEvent", "--body", "-", "--json", "--url", url, stdin=body)
        assert (code, json.loads(out)["expected"], json.loads(out)["status"]) == (0, "quarantine", 200)
        code, _, err = send("OrderReceivedEvent", "--url", url, NORCE_WEBHOOK_SECRETS="wrong")
        assert (code, err.splitlines()[0][:52]) == (1, 'error: Refused: the connector answered 401: {"error"')
    (record,) = (await read_all(fresh_kafka.bootstrap_servers, "norce.events.order"))[before:]
    assert (record.key, json.loads(record.value)["Email"]) == (b"101:1011:sent-1", None)
    kept = await read_all(fresh_kafka.bootstrap_servers, topics.QUARANTINE)
    assert body.encode() in [each.value for each in kept]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["OrderRecievedEvent"], 2, "UnknownEventType: there is no event type OrderRecievedEvent; is it OrderReceived"),
        (["OrderReceivedEvent", "--set", "Source"], 2, "Source is not of the form Field=Value"),
        (["OrderReceivedEvent", "--body", "/nowhere"], 3, "FileNotFoundError"),
        (["OrderReceivedEvent", "--url", "http://127.0.0.1:9"], 3, "ConnectorUnreachable: no connector answers at"),
        ([], 2, "name an event type"),
    ],
)
def test_what_cannot_be_sent_is_named(arguments: list[str], code: int, says: str) -> None:
    found, out, err = send(*arguments)
    assert (found, out) == (code, "")
    assert says in err


def test_fields_of_what_is_no_object_cannot_be_set_and_a_secret_is_needed(tmp_path: Path) -> None:
    code, _, err = send("OrderReceivedEvent", "--body", "-", "--set", "Source=WEB", stdin="[1]")
    assert (code, "UnreadableBody: the body is no JSON object" in err) == (2, True)
    code, _, err = send("OrderReceivedEvent", NORCE_WEBHOOK_SECRETS="")
    assert (code, "NORCE_WEBHOOK_SECRETS: is not set" in err) == (2, True)


def test_the_types_are_listed_and_a_body_can_be_looked_at_first() -> None:
    code, out, _ = send("--types", "--json")
    assert (code, [row["type"] for row in json.loads(out)]) == (0, list(EVENT_TYPES))
    code, out, _ = send("OrderPaymentReceivedEvent", "--dry-run", "--set", "Amount=12.5")
    assert (code, json.loads(out)["Amount"]) == (0, 12.5)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ("ClientOrderRef=4711", "ClientOrderRef", "4711"),
        ('ClientOrderRef="4711"', "ClientOrderRef", "4711"),
        ("Source=true", "Source", "true"),
        ("Email=null", "Email", None),
        ("ClientId=7", "ClientId", 7),
        ("ClientId=seven", "ClientId", "seven"),
    ],
)
def test_what_is_typed_into_a_text_is_text(change: str, field: str, value: object) -> None:
    code, out, _ = send("OrderReceivedEvent", "--dry-run", "--set", change)
    assert (code, json.loads(out)[field]) == (0, value)
