"""The command line as an operator meets it: what is wrong is named, all of it, before anything starts."""

import json
import os
import re
import socket
import subprocess
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from pipeline import topics
from pipeline.broker import KafkaCluster
from pipeline.settings import GROUPS, KafkaSettings
from tests.support.commands import run_command
from tests.support.kafka import configure_topic, topic_configuration

DAY = 86_400_000  # milliseconds

COMPLETE = {
    "NORCE_WEBHOOK_SECRETS": "one,two",
    "NORCE_CONNECT_BASE_URL": "http://127.0.0.1:1/connect",
    "NORCE_CONNECT_TOKEN_URL": "http://127.0.0.1:1/token",
    "NORCE_CONNECT_QUERY_URL": "http://127.0.0.1:1/query",
    "NORCE_CONNECT_CLIENT_ID": "id",
    "NORCE_CONNECT_CLIENT_SECRET": "planted-client-secret",
    "NORCE_CONNECT_SCOPE": "playground",
    "NORCE_CHECKOUT_BASE_URL": "http://127.0.0.1:1/checkout",
    "NORCE_CHECKOUT_TOKEN": "planted-token",
    "NORCE_CHECKOUT_CHANNELS": '{"*": {"merchant": "m", "channel": "c"}}',
}


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run ``norce-pipeline`` with these variables and no other ones of its own."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NORCE_", "KAFKA_"))}
    return run_command(arguments, {**inherited, **environment})


def test_an_unknown_command_is_wrong_usage() -> None:
    done = command("nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr


@pytest.mark.parametrize(
    "words", [["webhook"], ["worker"], ["sink", "connect"], ["sink", "checkout"], ["lookup"]], ids=" ".join
)
def test_every_missing_setting_is_named_at_once(words: list[str]) -> None:
    done = command(*words)
    assert done.returncode == 2
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set" in done.stderr
    own = {
        "webhook": ["NORCE_WEBHOOK_SECRETS"],
        "worker": [],
        "sink connect": [
            f"NORCE_CONNECT_{name}" for name in ("BASE_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "SCOPE")
        ],
        "sink checkout": [f"NORCE_CHECKOUT_{name}" for name in ("BASE_URL", "TOKEN", "CHANNELS")],
        "lookup": [
            f"NORCE_LOOKUP_{name}" for name in ("QUERY_URL", "TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET", "SCOPE")
        ],
    }[" ".join(words)]
    for variable in own:
        assert f"{variable}: is not set" in done.stderr
    assert "Traceback" not in done.stderr


def test_contradicting_and_malformed_settings_are_named_together() -> None:
    done = command(
        "sink",
        "checkout",
        **{
            **COMPLETE,
            "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
            "NORCE_KAFKA_REPLICATION_FACTOR": "1",
            "NORCE_CHECKOUT_BASE_URL": "norce",
            "NORCE_CHECKOUT_RATE": "-1",
        },
    )
    assert done.returncode == 2
    assert "NORCE_KAFKA_MIN_INSYNC_REPLICAS (2) is larger than NORCE_KAFKA_REPLICATION_FACTOR (1)" in done.stderr
    assert "NORCE_CHECKOUT_BASE_URL: String should match" in done.stderr
    assert "NORCE_CHECKOUT_RATE: Input should be greater than 0" in done.stderr


def test_a_setting_that_should_be_json_and_is_not_is_named() -> None:
    servers = "127.0.0.1:1"
    done = command(
        "sink", "checkout", **{**COMPLETE, "KAFKA_BOOTSTRAP_SERVERS": servers, "NORCE_CHECKOUT_CHANNELS": "{"}
    )
    assert done.returncode == 2
    assert "NORCE_CHECKOUT_CHANNELS: is not JSON" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "wrong"),
    [
        ("NORCE_RECONCILE_APPLICATIONS", "101", "101: not ClientId:ApplicationId"),
        ("NORCE_RECONCILE_IMPLIED", '{"Dispatched": []}', "Dispatched: no order status of Connect"),
    ],
)
def test_a_reconciliation_that_asks_for_what_does_not_exist_does_not_start(
    variable: str, value: str, wrong: str
) -> None:
    needed = ("BASE_URL", "TOKEN_URL", "QUERY_URL", "CLIENT_ID", "CLIENT_SECRET", "SCOPE")
    settings = {f"NORCE_RECONCILE_{name}": COMPLETE[f"NORCE_CONNECT_{name}"] for name in needed}
    settings |= {"NORCE_RECONCILE_APPLICATIONS": "101:1011", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", variable: value}
    done = command("reconcile", **settings)
    assert done.returncode == 2
    assert f"{variable}: " in done.stderr
    assert wrong in done.stderr


def test_a_connect_sink_that_could_not_keep_an_orders_status_does_not_start() -> None:
    settings = {**COMPLETE, "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    del settings["NORCE_CONNECT_QUERY_URL"]
    done = command("sink", "connect", **settings)
    assert done.returncode == 2
    assert "NORCE_CONNECT_QUERY_URL" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["worker"],
        ["sink", "connect"],
        ["topics", "create"],
        ["topics", "list"],
        ["topics", "in-sync"],
        ["dead-letters", "list"],
        ["quarantine", "list"],
        ["quarantine", "retry", "--all"],
    ],
    ids=" ".join,
)
def test_an_unreachable_broker_is_a_named_error(words: list[str]) -> None:
    done = command(*words, **COMPLETE, KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1")
    assert done.returncode == 3
    assert "BrokerUnreachable: no Kafka broker answers at 127.0.0.1:1" in done.stderr


def test_a_push_policy_that_cannot_be_used_is_refused_with_every_place_that_is_wrong(tmp_path: Path) -> None:
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": {"connect": {"nonsense": 1}}, "applications": {"x": {}}}))
    done = command("worker", KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1", NORCE_WORKER_PUSH_POLICY_FILE=str(policy))
    assert done.returncode == 2
    assert "InvalidPolicy" in done.stderr
    assert "default.connect.nonsense" in done.stderr
    assert "applications.x" in done.stderr


def test_settings_shows_each_variable_with_source_and_meaning_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "norce_checkout_secondary_token").write_text("planted-in-a-file\n")
    done = command("settings", "--json", **COMPLETE, NORCE_SECRETS_DIR=str(tmp_path), NORCE_KAFKA_PARTITIONS="7")
    assert done.returncode == 0
    rows = {row["variable"]: row for row in json.loads(done.stdout)}
    assert set(rows) == {group.variable(name) for group in GROUPS for name in group.model_fields}
    assert all(row["meaning"] for row in rows.values())
    assert rows["NORCE_KAFKA_PARTITIONS"] | {"meaning": ""} == {
        "variable": "NORCE_KAFKA_PARTITIONS",
        "value": "7",
        "source": "environment",
        "meaning": "",
    }
    assert rows["KAFKA_BOOTSTRAP_SERVERS"]["source"] == "not set"
    assert rows["NORCE_WORKER_PORT"]["source"] == "default"
    assert rows["NORCE_CHECKOUT_SECONDARY_TOKEN"]["source"] == f"file {tmp_path / 'norce_checkout_secondary_token'}"
    for secret in ("planted-client-secret", "planted-token", "planted-in-a-file", "one,two"):
        assert secret not in done.stdout
    table = command("settings", **COMPLETE, NORCE_SECRETS_DIR=str(tmp_path))
    assert table.returncode == 0
    assert "planted" not in table.stdout


def test_secrets_are_read_from_files(tmp_path: Path) -> None:
    (tmp_path / "norce_webhook_secrets").write_text("from-a-file")
    done = command("webhook", NORCE_SECRETS_DIR=str(tmp_path))
    assert "KAFKA_BOOTSTRAP_SERVERS: is not set" in done.stderr
    assert "NORCE_WEBHOOK_SECRETS" not in done.stderr


# -- with a broker ---------------------------------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def own_kafka() -> AsyncIterator[KafkaCluster]:
    """A broker on which only these tests make topics."""
    async with KafkaCluster() as cluster:
        yield cluster


@pytest.fixture
def own_topics(own_kafka: KafkaCluster) -> dict[str, str]:
    """Settings under which the changelogs of a test are nobody else's."""
    name = uuid.uuid4().hex[:8]
    return {
        "KAFKA_BOOTSTRAP_SERVERS": own_kafka.bootstrap_servers,
        "NORCE_KAFKA_PARTITIONS": "3",
        "NORCE_KAFKA_REPLICATION_FACTOR": "1",
        "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "1",
        "NORCE_WORKER_GROUP": f"worker-{name}",
        "NORCE_CONNECT_GROUP": f"connect-{name}",
        "NORCE_CHECKOUT_GROUP": f"checkout-{name}",
    }


async def test_topics_create_makes_what_is_missing_and_can_be_repeated(own_topics: dict[str, str]) -> None:
    done = command("topics", "create", **own_topics)
    assert done.returncode == 0, done.stderr
    changelog = f"{own_topics['NORCE_WORKER_GROUP']}-orders-changelog"
    assert f"made     {changelog}" in done.stdout
    again = command("topics", "create", **own_topics)
    assert again.returncode == 0
    assert "made" not in again.stdout
    rows = {row["topic"]: row for row in json.loads(command("topics", "list", "--json", **own_topics).stdout)}
    assert {row["partitions"] for row in rows.values()} == {3}
    kafka = KafkaSettings.model_validate(
        {
            "KAFKA_BOOTSTRAP_SERVERS": own_topics["KAFKA_BOOTSTRAP_SERVERS"],
            "replication_factor": 1,
            "min_insync_replicas": 1,
        }
    )
    (spec,) = [spec for spec in topics.PUBLIC if spec.name == topics.ORDERS_ENRICHED]
    assert (await topic_configuration(own_topics["KAFKA_BOOTSTRAP_SERVERS"], spec.name)).items() >= spec.configuration(
        kafka
    ).items()


async def test_topics_create_names_what_is_configured_otherwise_and_alters_it_only_when_told_to(
    own_topics: dict[str, str],
) -> None:
    assert command("topics", "create", **own_topics).returncode == 0
    servers = own_topics["KAFKA_BOOTSTRAP_SERVERS"]
    name = topics.QUARANTINE
    before = await topic_configuration(servers, name)
    assert before["retention.ms"] == str(28 * DAY)
    shorter = {**own_topics, "NORCE_KAFKA_BODY_RETENTION_DAYS": "7"}

    told = command("topics", "create", **shorter)
    assert told.returncode == 0, told.stderr
    difference = f"{name}: retention.ms is {28 * DAY}, the catalogue says {7 * DAY}"
    assert f"differs  {difference}" in told.stdout
    assert topics.ORDERS_ENRICHED not in re.sub(r"^present .*$", "", told.stdout, flags=re.MULTILINE)
    assert "--update" in told.stderr
    assert await topic_configuration(servers, name) == before

    await configure_topic(servers, name, {**own_values(before), "max.message.bytes": "2000000"})
    done = command("topics", "create", "--update", **shorter)
    assert done.returncode == 0, done.stderr
    assert f"altered  {difference}" in done.stdout
    after = await topic_configuration(servers, name)
    assert after["retention.ms"] == str(7 * DAY)
    assert after["max.message.bytes"] == "2000000"  # what somebody else has set stays
    assert "differs" not in command("topics", "create", **shorter).stdout


def test_more_replicas_in_sync_than_there_are_replicas_are_refused_before_anything_is_altered(
    own_topics: dict[str, str],
) -> None:
    assert command("topics", "create", **own_topics).returncode == 0
    changed = {**own_topics, "NORCE_KAFKA_REPLICATION_FACTOR": "3", "NORCE_KAFKA_MIN_INSYNC_REPLICAS": "2"}
    done = command("topics", "create", "--update", **changed)
    assert done.returncode == 3
    assert "TooFewReplicas" in done.stderr
    assert "min.insync.replicas is 1" in command("topics", "create", **changed).stdout


def own_values(configuration: dict[str, str]) -> dict[str, str]:
    """What the catalogue sets, of everything that a topic is configured with."""
    return {name: configuration[name] for name in ("cleanup.policy", "min.insync.replicas", "retention.ms")}


def test_a_process_whose_topics_are_missing_says_so_and_how_to_make_them(own_topics: dict[str, str]) -> None:
    done = command("worker", **own_topics)
    assert done.returncode == 3
    assert "TopicMissing" in done.stderr
    assert "norce-pipeline topics create" in done.stderr


def test_a_wrong_partition_count_is_refused_by_every_process(own_topics: dict[str, str]) -> None:
    assert command("topics", "create", **own_topics).returncode == 0
    for words in (["worker"], ["sink", "connect"], ["topics", "create"]):
        done = command(*words, **{**COMPLETE, **own_topics, "NORCE_KAFKA_PARTITIONS": "5"})
        assert done.returncode == 3
        assert "WrongPartitionCount" in done.stderr
        assert "norce.events.order has 3" in done.stderr


def test_a_port_in_use_is_named_before_anything_starts(own_topics: dict[str, str], tmp_path: Path) -> None:
    assert command("topics", "create", **own_topics).returncode == 0
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        settings = {
            "NORCE_WORKER_HOST": "127.0.0.1",
            "NORCE_WORKER_PORT": port,
            "NORCE_WORKER_DATA_DIR": str(tmp_path / "w"),
        }
        done = command("worker", **own_topics, **settings)
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1 port {port}: another process listens there" in done.stderr
    assert not (tmp_path / "w").exists()
