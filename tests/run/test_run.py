"""``norce-pipeline run``: the proof it prints can be trusted, and it leaves nothing behind."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.broker.ports import free_ports
from pipeline.run.stack import PROCESSES
from tests.support.processes import ROOT, Process


@pytest.fixture
def environment() -> dict[str, str]:
    """Ports of its own, and nothing inherited that would change the run."""
    ports = {
        group.variable("port"): str(port)
        for group, port in zip(PROCESSES.values(), free_ports(len(PROCESSES)), strict=True)
    }
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NORCE_", "KAFKA_"))}
    return {**inherited, **ports, "PYTHONPATH": str(ROOT), "NORCE_SIMULATOR_ORDERS": "40", "NORCE_SIMULATOR_BAD": "0.1"}


def run(folder: Path, environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline.cli", "run", *arguments],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )


def test_a_run_ends_with_0_when_every_check_holds(tmp_path: Path, environment: dict[str, str]) -> None:
    done = run(tmp_path, environment, "--exit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("✓") == 12
    assert re.search(r"✓ drift: [1-9]\d* shapes are reported, as planted", done.stdout)
    assert re.search(r"✓ the buyers of all \d{2,} orders and subscriptions", done.stdout)
    assert "✗" not in done.stdout
    assert "all 40 orders are joined" in done.stdout
    assert "all 40 orders carry totals and lines" in done.stdout
    assert re.search(r"^order \d+:\d+:", done.stdout, re.MULTILINE)
    assert "where to look next" in done.stdout
    assert running_in(tmp_path) == []


def test_a_run_whose_result_is_not_right_ends_with_1_and_names_what_is_wrong(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    done = run(tmp_path, environment | {"NORCE_SIMULATOR_DROPS": "0.1"}, "--exit")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"✗ Norce was rid of all \d+ events", done.stdout)
    assert "is dropped" in done.stdout
    assert running_in(tmp_path) == []


@pytest.mark.long
def test_without_java_a_run_says_what_its_broker_cannot_show_and_works_all_the_same(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    without = tmp_path / "bin"
    without.mkdir()
    changed = environment | {"PATH": str(without), "HOME": str(tmp_path), "JAVA_HOME": "", "XDG_CACHE_HOME": ""}
    done = run(tmp_path, changed, "--exit")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing survives a restart" in done.stdout
    assert "✗" not in done.stdout


def test_a_run_stays_up_for_an_order_of_ones_own_until_it_is_interrupted_and_then_leaves_nothing_running(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    log = tmp_path / "run.log"
    with Process("-m", "pipeline.cli", "run", log=log, environment=environment) as process:
        process.until_output("Everything stays up until Ctrl-C", seconds=150)
        assert running_in(tmp_path) != []
        assert "with the key 101:1011:4711" in said_by(process.output, "post an order")
        process.until(lambda: "OrderReceivedEvent" in said_by(process.output, "look at it"))
        assert "waiting" in said_by(process.output, "what is refused")
        assert "norce.orders.enriched" in said_by(process.output, "topics")
        process.signal(signal.SIGINT)
        assert process.wait(60) == 0
    assert running_in(tmp_path) == []


def test_a_run_beside_another_one_names_the_port_that_is_taken(tmp_path: Path, environment: dict[str, str]) -> None:
    with Process(
        "-m", "http.server", environment["NORCE_WEBHOOK_PORT"], "--bind", "127.0.0.1", log=tmp_path / "other.log"
    ) as other:
        other.until_output("Serving HTTP")
        done = run(tmp_path, environment, "--exit")
    assert done.returncode == 3
    assert f"port {environment['NORCE_WEBHOOK_PORT']}: another process listens there" in done.stderr
    assert running_in(tmp_path) == []


def said_by(output: str, name: str) -> str:
    """What the command says that the run tells under a name, typed as it stands there into another terminal."""
    first, command = (re.search(rf"^{row} +(.*)$", output, re.MULTILINE) for row in ("another terminal", name))
    assert first is not None
    assert command is not None
    typed = f"{first[1]}\n{command[1]}"
    path = "/usr/local/bin:/usr/bin:/bin"  # no command of ours is there
    done = subprocess.run(
        ["sh", "-c", typed], env={"PATH": path}, capture_output=True, text=True, timeout=60, check=False
    )
    return done.stdout + done.stderr


def running_in(folder: Path) -> list[str]:
    """Command lines of living processes that work in a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if Path(os.readlink(entry / "cwd")) == folder and int(entry.name) != os.getpid():
                found.append((entry / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue  # it ended meanwhile
    return found
