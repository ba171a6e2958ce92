"""Alive means that work moves; ready means that tables are restored and partitions assigned."""

import socket
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from pipeline.engine import Slice, SliceApp
from pipeline.engine.slices import TopicPartition
from pipeline.health import Health, HealthServer
from pipeline.listening import PortUnavailable, listen


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def app(tmp_path: Path) -> SliceApp:
    made = SliceApp("g", bootstrap_servers="127.0.0.1:1", data_dir=str(tmp_path), partitions=1)
    made.finalize()
    made.tables.actives_ready = True
    return made


def open_slice(app: SliceApp, first: int = 0) -> list[Slice]:
    return app.slices.begin([app.slices.open(TopicPartition("t", 0), [SimpleNamespace(offset=first)])])


def test_work_that_does_not_move_is_a_reason_to_restart_only_after_the_stall_timeout(app: SliceApp) -> None:
    clock = Clock()
    health = Health(app, 10.0, clock=clock)
    open_slice(app)
    assert health.alive() is None
    clock.now = 9.0
    assert health.alive() is None
    clock.now = 11.0
    assert health.alive() == "work waits and nothing was finished for 11 s"


def test_an_idle_process_is_alive_for_ever(app: SliceApp) -> None:
    clock = Clock()
    health = Health(app, 10.0, clock=clock)
    clock.now = 1e6
    assert health.alive() is None


def test_finished_work_starts_the_time_anew(app: SliceApp) -> None:
    clock = Clock()
    health = Health(app, 10.0, clock=clock)
    first = open_slice(app)
    open_slice(app, 1)
    clock.now = 9.0
    app.slices.finish(first)
    assert health.alive() is None
    clock.now = 18.0
    assert health.alive() is None
    clock.now = 20.0
    assert health.alive() is not None


def test_waiting_for_norce_is_no_reason_to_restart(app: SliceApp) -> None:
    clock = Clock()
    health = Health(app, 10.0, excused=lambda: True, clock=clock)
    open_slice(app)
    clock.now = 1e6
    assert health.alive() is None


def test_a_process_that_restores_is_not_ready_and_alive(app: SliceApp) -> None:
    clock = Clock()
    health = Health(app, 10.0, clock=clock)
    assert health.ready() is None
    app.tables.actives_ready = False
    open_slice(app)
    clock.now = 100.0
    assert health.ready() == "tables are being restored"
    assert health.alive() is None


async def test_the_port_answers_with_the_reason(app: SliceApp) -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    server = HealthServer(Health(app, 10.0), listener)
    await server.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/livez")).json() == {"status": "ok"}
            assert (await client.get("/readyz")).status_code == 200
            app.tables.actives_ready = False
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.json()["reason"]) == (503, "tables are being restored")
            metrics = await client.get("/metrics")
            assert metrics.headers["content-type"].startswith("text/plain")
            assert "norce_pipeline_ready 0.0" in metrics.text
    finally:
        await server.stop()


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(PortUnavailable, match=f"127.0.0.1 port {port}: another process listens there"):
            listen("127.0.0.1", port)
