"""Each process as a Kafka user of its own, with the rights that the Strimzi resources give it and no others."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from confluent_kafka.admin import ResourcePatternType

from connectors.webhook.event_types import Requested
from connectors.webhook.records import RecordFactory
from pipeline import rights, topics
from pipeline.access import accesses
from pipeline.connecting import BrokerError, BrokerUnreachable, CredentialsRefused, RightMissing, run_and_close
from pipeline.events import Reason, UnusableBody
from pipeline.run.stack import PROCESSES, Stack
from pipeline.settings import ConnectSettings, KafkaSettings, SettingsError, load
from pipeline.settings_report import all_topics, value
from tests.pipeline.certificates import Authority
from tests.pipeline.guarded import Guarded, Proof, guarded_cluster, password
from tests.pipeline.system import System
from tests.support.kafka import read_all, until
from tests.support.processes import Process

USERS = [access.user for access in accesses() if access.topics]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Guarded]:
    """A broker with all topics, where all users have all their rights; whoever takes one away gives it back."""
    async with guarded_cluster(tmp_path_factory.mktemp("guarded")) as broker:
        await topics.create(_small(KafkaSettings.model_validate(_plain(broker))), all_topics())
        broker.grant_all()
        yield broker


def _plain(broker: Guarded) -> dict[str, str]:
    return {"KAFKA_BOOTSTRAP_SERVERS": broker.cluster.bootstrap_servers}


def _small(kafka: KafkaSettings) -> KafkaSettings:
    return kafka.model_copy(update={"partitions": 1, "replication_factor": 1, "min_insync_replicas": 1})


def command(guarded: Guarded, user: str, folder: Path, *words: str, proof: Proof = "password") -> Process:
    """A command as a user, around the simulated Norce of a stack that is not started."""
    environment = Stack(guarded.cluster, folder).environment | guarded.environment(user, proof)
    environment |= {"NORCE_KAFKA_PARTITIONS": "1", "NORCE_LOG_LEVEL": "debug"}
    environment["NORCE_RECONCILE_QUERY_URL"] = environment["NORCE_RECONCILE_TOKEN_URL"] = "http://127.0.0.1:1"
    environment |= {"NORCE_RECONCILE_CLIENT_ID": "x", "NORCE_RECONCILE_CLIENT_SECRET": "x"}
    environment |= {"NORCE_RECONCILE_SCOPE": "x", "NORCE_RECONCILE_APPLICATIONS": '["103:1032"]'}
    log = folder / f"{'-'.join(words)}.log"
    return Process("-m", "pipeline.cli", *words, log=log, environment=environment)


async def ended(process: Process) -> int:
    return await asyncio.to_thread(process.start().wait)


# -- all of it ---------------------------------------------------------------------------------------------------------


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("proof", ["certificate", "password"])
async def test_every_process_does_its_work_with_the_rights_it_is_given(
    proof: Proof, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.run.stack.READY_SECONDS", 200.0)  # they start one after the other, beside others
    async with guarded_cluster(tmp_path) as guarded, httpx.AsyncClient(timeout=10.0) as client:
        guarded.grant_all()
        environment = Stack(guarded.cluster, tmp_path).environment | guarded.environment("topics", proof)
        for line in ("made     norce.drift", "present  norce.drift"):
            program = Process("-m", "pipeline.cli", "topics", "create", log=tmp_path / "topics.log")
            program.environment |= environment
            assert await ended(program) == 0, program.output
            assert line in program.output
        system = await System.make(guarded.cluster, tmp_path, client, {"NORCE_SIMULATOR_ORDERS": 20})
        try:
            for name in reversed(tuple(PROCESSES)):
                if name != "simulator":
                    system.stack.environment |= guarded.environment(name.replace(" ", "-"), proof)
                await system.start(name)
            await system.until_done()
            assert await system.failed_checks() == []
            for user, words in (
                ("audit", ["audit", "--settled"]),
                ("dead-letters", ["dead-letters", "list", "--json"]),
                ("persons", ["forget", "--email", "nobody@example.com"]),
                ("reconcile", ["reconcile", "--json"]),
            ):
                program = Process("-m", "pipeline.cli", *words, log=tmp_path / f"{user}.log")
                program.environment |= system.stack.environment | guarded.environment(user, proof) | _sweep(system)
                assert await ended(program) == 0, program.output
        finally:
            await system.stack.stop()


def _sweep(system: System) -> dict[str, str]:
    names = ("QUERY_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "SCOPE")
    found = {f"NORCE_RECONCILE_{name}": system.stack.environment[f"NORCE_LOOKUP_{name}"] for name in names}
    return found | {"NORCE_RECONCILE_APPLICATIONS": "103:1031,103:1032"}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("proof", ["certificate", "password"])
async def test_an_event_goes_all_the_way_as_users_who_prove_who_they_are(proof: Proof, tmp_path: Path) -> None:
    """By mutual TLS, as in Kubernetes, or by SCRAM over TLS."""
    one = {"NORCE_SIMULATOR_ORDERS": "1"}
    async with guarded_cluster(tmp_path) as guarded, httpx.AsyncClient(timeout=10.0) as client:
        guarded.grant_all()
        system = await System.make(guarded.cluster, tmp_path, client, one)
        try:
            for name in ("sink connect", "worker", "webhook"):
                system.stack.environment |= guarded.environment(name.replace(" ", "-"), proof)
                await system.start(name)
            await system.start("simulator")
            calls = await until(lambda: system.calls("connect"), lambda seen: seen and seen[0]["status"] == 200)
        finally:
            await system.stack.stop()
    assert calls[0]["operation"] == "SendOrderStatus"


async def test_an_operator_retries_what_is_in_quarantine_with_the_rights_of_that_user(
    guarded: Guarded, tmp_path: Path
) -> None:
    body = b'{"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "77", "Source": "WEB"}'
    refused = UnusableBody(Reason.UNKNOWN_EVENT_TYPE, "the catalogue has no such event type")
    record = RecordFactory("/norce").quarantined(Requested(("OrderRecievedEvent",)), refused, body)
    async with AIOKafkaProducer(bootstrap_servers=guarded.cluster.bootstrap_servers) as producer:
        await producer.send_and_wait(record.topic, record.value, headers=record.headers)
    words = ("quarantine", "retry", "--all", "--as", "OrderReceivedEvent", "--yes")
    program = command(guarded, "quarantine", tmp_path, *words)
    assert await ended(program) == 0, program.output
    assert "0:0  OrderReceivedEvent: retried, norce.events.order/0 offset 0" in program.output
    assert [each.value for each in await read_all(guarded.cluster.bootstrap_servers, "norce.events.order")] == [body]


async def test_an_operator_sees_what_a_replay_would_do_with_the_rights_of_that_user(
    guarded: Guarded, tmp_path: Path
) -> None:
    body = b'{"ClientId": 1, "ApplicationId": 2, "ClientOrderRef": "78", "Source": "WEB"}'
    record = RecordFactory("/norce").accepted(Requested(("OrderReceivedEvent",)), body, accept_unknown=False)
    async with AIOKafkaProducer(bootstrap_servers=guarded.cluster.bootstrap_servers) as producer:
        await producer.send_and_wait(record.topic, record.value, key=record.key, headers=record.headers)
    program = command(guarded, "replay", tmp_path, "replay", "--order", "1:2:78", "--dry-run")
    assert await ended(program) == 0, program.output
    assert "1 events of 1 keys" in program.output


async def test_state_is_made_anew_with_the_rights_of_that_user(guarded: Guarded, tmp_path: Path) -> None:
    program = command(guarded, "rebuild", tmp_path, "rebuild", "--yes")
    assert await ended(program) == 0, program.output
    assert "emptied  norce-orders-orders-changelog" in program.output


async def test_without_the_right_to_delete_nothing_is_made_anew(guarded: Guarded, tmp_path: Path) -> None:
    right = "Delete topic norce-orders-parked-changelog"
    rules = [rule for rule in guarded.rules("rebuild") if _named(rule) == right]
    guarded.withdraw(rules)
    try:
        program = command(guarded, "rebuild", tmp_path, "rebuild", "--yes")
        assert await ended(program) == 3, program.output
    finally:
        guarded.grant(rules)
    assert f"error: RightMissing: the Kafka user of rebuild lacks rights: {right};" in program.output
    assert {spec.name for spec in all_topics()} <= {*await topics.partition_counts(guarded.settings("rebuild"))}


# -- without a right ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", USERS)
async def test_every_right_of_a_user_is_asked_for_by_name(guarded: Guarded, user: str) -> None:
    kafka = guarded.settings(user)
    rules = [rule for rule in guarded.rules(user) if rule.resource_pattern_type is ResourcePatternType.LITERAL]
    await until(lambda: _missing(kafka, user), lambda missing: missing == [])

    guarded.withdraw(rules)
    try:
        left = sorted(map(_named, rules))
        assert await until(lambda: _missing(kafka, user), lambda missing: missing == left) == left
        for rule in rules:
            guarded.grant([rule])
            left.remove(_named(rule))
            await until(lambda: _missing(kafka, user), list(left).__eq__)
    finally:
        guarded.grant(rules)


async def _missing(kafka: KafkaSettings, user: str) -> list[str]:
    try:
        await asyncio.to_thread(rights.confirm, kafka, user)
    except RightMissing as error:
        return sorted(error.missing)
    return []


def _named(rule: Any) -> str:
    return f"{rule.operation.name.title()} {rule.restype.name.lower()} {rule.name}"


@pytest.mark.parametrize(
    ("user", "right"),
    [
        ("webhook", "Write topic norce.quarantine"),
        ("worker", "Read topic norce.events.payment"),
        ("sink-connect", f"Read group {value(ConnectSettings, 'group')}"),
    ],
)
async def test_a_process_without_a_right_ends_and_names_it(
    guarded: Guarded, user: str, right: str, tmp_path: Path
) -> None:
    rules = [rule for rule in guarded.rules(user) if _named(rule) == right]
    assert rules
    program = command(guarded, user, tmp_path, *_words(user))

    guarded.withdraw(rules)
    try:
        assert await ended(program) == 3, program.output
    finally:
        guarded.grant(rules)

    assert f"error: RightMissing: the Kafka user of {user} lacks rights: {right};" in program.output
    assert password(user) not in program.output


async def test_a_user_that_may_see_nothing_is_told_so(guarded: Guarded, tmp_path: Path) -> None:
    rules = guarded.rules("drift")
    guarded.withdraw(rules)
    try:
        program = command(guarded, "drift", tmp_path, "drift")
        assert await ended(program) == 3, program.output
    finally:
        guarded.grant(rules)

    assert "RightMissing" in program.output
    assert "Read topic norce.drift," in program.output


# -- without proof -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", ["webhook", "worker", "audit"])
async def test_a_process_with_a_wrong_password_ends_and_says_so(guarded: Guarded, user: str, tmp_path: Path) -> None:
    program = command(guarded, user, tmp_path, *_words(user))
    program.environment["NORCE_KAFKA_SASL_PASSWORD"] = "planted-wrong-password"

    assert await ended(program) == 3, program.output

    assert "error: CredentialsRefused: the Kafka broker at 127.0.0.1:" in program.output
    assert "Authentication failed" in program.output
    assert "planted" not in program.output


def _words(user: str) -> list[str]:
    return user.replace("sink-", "sink ").split()


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"tls_cert_file": None, "tls_key_file": None}, BrokerError),
        ({"tls_ca_file": "another"}, CredentialsRefused),
        ({"bootstrap_servers": "127.0.0.1:1"}, BrokerUnreachable),
    ],
    ids=["no certificate", "a broker of another authority", "no broker"],
)
async def test_who_cannot_prove_who_he_is_sees_nothing(
    guarded: Guarded, change: dict[str, str | None], kind: type[BrokerError], tmp_path: Path
) -> None:
    if change.get("tls_ca_file"):
        change = {"tls_ca_file": str(Authority(tmp_path).file)}
    kafka = guarded.settings("webhook").model_copy(update=change)

    with pytest.raises(kind):
        await topics.partition_counts(kafka)


@asynccontextmanager
async def _slow_to_answer(address: str) -> AsyncIterator[str]:
    """Another address of a broker, from which everything it says comes late, its last words too."""
    host, port = address.split(":")

    async def forward(source: asyncio.StreamReader, sink: asyncio.StreamWriter, late: float) -> None:
        while data := await source.read(65_536):
            await asyncio.sleep(late)
            sink.write(data)
        await asyncio.sleep(late)
        sink.close()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_broker, to_broker = await asyncio.open_connection(host, int(port))
        await asyncio.gather(forward(reader, to_broker, 0), forward(from_broker, writer, 0.3))

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        yield "{}:{}".format(*server.sockets[0].getsockname())


async def test_who_asked_a_broker_that_is_slow_to_say_goodbye_leaves_no_connection_open(guarded: Guarded) -> None:
    kafka = guarded.settings("privacy")
    async with _slow_to_answer(kafka.bootstrap_servers) as address:
        slow = kafka.model_copy(update={"bootstrap_servers": address})
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            counts = await asyncio.to_thread(lambda: run_and_close(topics.partition_counts(slow)))
            gc.collect()

    assert counts
    assert [str(each.message) for each in seen if each.category is ResourceWarning] == []


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"TLS_CERT_FILE": "x"}, "go together"),
        ({"TLS_CERT_FILE": "x", "TLS_KEY_FILE": "x"}, "needs NORCE_KAFKA_TLS_CA_FILE"),
        ({"SASL_USERNAME": "x", "TLS_CA_FILE": "x"}, "SASL_USERNAME and NORCE_KAFKA_SASL_PASSWORD go together"),
        ({"SASL_PASSWORD": "x", "TLS_CA_FILE": "x"}, "SASL_USERNAME and NORCE_KAFKA_SASL_PASSWORD go together"),
        ({"SASL_USERNAME": "x", "SASL_PASSWORD": "x"}, "SASL_USERNAME needs NORCE_KAFKA_TLS_CA_FILE"),
        ({"SASL_MECHANISM": "PLAINTEXT"}, "NORCE_KAFKA_SASL_MECHANISM"),
    ],
)
def test_settings_for_security_that_are_not_whole_are_named(
    variables: dict[str, str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    for name, given in variables.items():
        monkeypatch.setenv(f"NORCE_KAFKA_{name}", given)

    with pytest.raises(SettingsError, match=named):
        load(KafkaSettings)


def test_a_certificate_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("NORCE_KAFKA_TLS_CA_FILE", str(tmp_path / "none"))
    (kafka,) = load(KafkaSettings)
    with pytest.raises(SettingsError, match=r"NORCE_KAFKA_TLS_CA_FILE.*none"):
        kafka.connection()

    broken = tmp_path / "broken"
    broken.write_text("no certificate")
    monkeypatch.setenv("NORCE_KAFKA_TLS_CA_FILE", str(Authority(tmp_path).file))
    monkeypatch.setenv("NORCE_KAFKA_TLS_CERT_FILE", str(broken))
    monkeypatch.setenv("NORCE_KAFKA_TLS_KEY_FILE", str(broken))
    (kafka,) = load(KafkaSettings)
    with pytest.raises(SettingsError, match=r"NORCE_KAFKA_TLS_CERT_FILE.*broken"):
        kafka.connection()
