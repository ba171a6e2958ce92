"""Posts events to the pipeline's webhook as Norce does: in parallel, at least once, and again when it was in vain."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack

import aiohttp
import structlog
from pydantic import SecretStr

from connectors.simulator.clock import Clock
from connectors.simulator.deliveries import Deliveries, Delivery, Fate
from connectors.simulator.draws import draw
from connectors.simulator.knobs import Controls
from connectors.simulator.retries import is_taken
from connectors.simulator.script import ScriptedEvent
from pipeline.events.deliveries import ATTEMPT_TIMEOUT, RETRY_DELAYS

MAX_OPEN = 100_000
"""Events between their first post and their end. When there are more, no new ones are posted until some have ended."""

MAX_LAG = 1.0
"""Seconds of the rate that are made up for after a stall."""

MAX_ANSWER_BYTES = 65_536

log = structlog.get_logger()


class Poster:
    """Posts to ``{url}/{EventType}`` with a static secret header.

    ``time_scale`` divides the delays of the retry schedule, and nothing else: an attempt always has
    ``attempt_timeout`` real seconds.
    """

    def __init__(
        self,
        url: str,
        headers: dict[str, SecretStr],
        clock: Clock,
        controls: Controls,
        deliveries: Deliveries,
        *,
        seed: int = 1,
        concurrency: int = 32,
        time_scale: float = 1.0,
        attempt_timeout: float = ATTEMPT_TIMEOUT,
    ) -> None:
        self._url = url
        self._headers = headers
        self._clock = clock
        self._began = clock.now()
        self._controls = controls
        self._deliveries = deliveries
        self._seed = seed
        self._time_scale = time_scale
        self._attempt_timeout = attempt_timeout
        self._slots = asyncio.Semaphore(concurrency)
        self._room = asyncio.Semaphore(MAX_OPEN)
        self._extra: asyncio.Queue[ScriptedEvent] = asyncio.Queue()
        self._open = 0
        self._fed = False
        self._done = asyncio.Event()

    async def run(self, events: Iterator[ScriptedEvent]) -> None:
        """Post these events, then whatever ``post`` adds, until cancelled."""
        connector = aiohttp.TCPConnector(limit=0)  # the slots are the limit
        async with aiohttp.ClientSession(connector=connector) as session, asyncio.TaskGroup() as tasks:
            tasks.create_task(self._feed(events, session, tasks))
            while True:
                await self._begin(await self._extra.get(), session, tasks)

    def post(self, event: ScriptedEvent) -> None:
        """Add an event that is in no script. It is posted as soon as there is a slot."""
        self._done.clear()
        self._open += 1
        self._deliveries.create(event)
        self._extra.put_nowait(event)

    async def done(self) -> None:
        """Wait until every event is accepted, dead or dropped."""
        await self._done.wait()

    @property
    def is_done(self) -> bool:
        """Whether every event so far is accepted, dead or dropped."""
        return self._done.is_set()

    async def _feed(
        self, events: Iterator[ScriptedEvent], session: aiohttp.ClientSession, tasks: asyncio.TaskGroup
    ) -> None:
        due = self._clock.now()
        while True:
            await self._controls.resumed()
            event = next(events, None)
            if event is None:
                break
            self._open += 1
            await self._begin(event, session, tasks)
            due = max(due, self._clock.now() - MAX_LAG) + 1 / self._controls.knobs.rate
            if (ahead := due - self._clock.now()) > 0:
                await self._clock.sleep(ahead)
        self._fed = True
        self._look_if_done()

    async def _begin(self, event: ScriptedEvent, session: aiohttp.ClientSession, tasks: asyncio.TaskGroup) -> None:
        """Start the first post; returns as soon as it has begun, so first posts keep their order."""
        await self._room.acquire()
        delivery = self._deliveries.open(event)
        if self._happens("drop", event, self._controls.knobs.drops):
            self._end(delivery, Fate.DROPPED)
            return
        slot = await self._slot()
        tasks.create_task(self._deliver(delivery, session, slot))

    async def _deliver(self, delivery: Delivery, session: aiohttp.ClientSession, slot: ExitStack) -> None:
        fate = await self._post_until_taken(delivery, session, slot)
        if fate is Fate.ACCEPTED and self._happens("duplicate", delivery.event, self._controls.knobs.duplicates):
            # As if the answer had come too late: the first retry of something that was taken.
            await self._clock.sleep(RETRY_DELAYS[0] / self._time_scale)
            self._deliveries.duplicates += 1
            await self._post_until_taken(delivery, session, await self._slot())
        self._end(delivery, fate)

    async def _post_until_taken(self, delivery: Delivery, session: aiohttp.ClientSession, slot: ExitStack) -> Fate:
        for delay in (*RETRY_DELAYS, None):
            with slot:
                taken = await self._attempt(delivery, session)
                if taken:
                    return Fate.ACCEPTED
            if delay is not None:
                await self._clock.sleep(delay / self._time_scale)
                self._deliveries.retries += 1
                slot = await self._slot()
        return Fate.DEAD

    async def _attempt(self, delivery: Delivery, session: aiohttp.ClientSession) -> bool:
        event = delivery.event
        at, taken = self._clock.now() - self._began, False
        headers = {name: secret.get_secret_value() for name, secret in self._headers.items()}
        headers["content-type"] = "application/json"
        request = session.post(
            f"{self._url}/{event.event_type}", data=event.body, headers=headers, allow_redirects=False
        )
        try:
            async with asyncio.timeout(self._attempt_timeout), request as response:
                await response.content.read(MAX_ANSWER_BYTES)
                outcome, taken = str(response.status), is_taken(response.status)
        except TimeoutError:
            outcome = "timeout"
        except (aiohttp.ClientError, OSError):
            outcome = "network"
        self._deliveries.attempted(delivery, at, outcome, taken=taken)
        if not taken:
            log.debug("event.not_taken", event_type=event.event_type, number=event.number, outcome=outcome)
        return taken

    async def _slot(self) -> ExitStack:
        """One of the posts in flight; a virtual clock stands still from the wish for one until it is given back."""
        with ExitStack() as slot:
            slot.enter_context(self._clock.busy())
            await self._slots.acquire()
            slot.callback(self._slots.release)
            return slot.pop_all()

    def _happens(self, what: str, event: ScriptedEvent, share: float) -> bool:
        return share > 0 and draw(self._seed, what, event.number) < share

    def _end(self, delivery: Delivery, fate: Fate) -> None:
        self._deliveries.end(delivery, fate)
        if fate is Fate.DEAD:
            log.warning("event.dead", event_type=delivery.event.event_type, number=delivery.event.number)
        self._open -= 1
        self._room.release()
        self._look_if_done()

    def _look_if_done(self) -> None:
        if self._fed and not self._open:
            self._done.set()
