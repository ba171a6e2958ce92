"""One sweep: every order that Norce changed in a span of time is compared with ours, page by page.

A page's missing events are acknowledged before the next page is asked for, so a sweep that dies has done its part and
is simply run again: what it published has been joined by then and is not missing any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import structlog
from aiokafka.errors import KafkaError

from connectors.checkout import CheckoutClient
from connectors.norce import NoChannel, NorceError
from connectors.query import FailedRunRow, OrderRow, QuerySweeper, Span
from connectors.webhook.records import Record
from pipeline.events import UnusableBody
from pipeline.events.keys import order_key
from pipeline.progress import Progress
from pipeline.reconciliation.compare import Difference, Implied, Kind, Missing, compare, compare_run
from pipeline.reconciliation.errors import KafkaUnusable, QueryUnusable, SweepUnfinished, TooManyMissing
from pipeline.reconciliation.ours import OurOrders, wait_for_worker
from pipeline.reconciliation.publish import Publisher, record_of
from pipeline.reconciliation.records import Reconciliation, Sweep
from pipeline.settings import CheckoutSettings, KafkaSettings, ReconcileSettings

MAX_LOOKED_FOR = 200
"""Orders of ours that Norce did not list and that it is asked for one by one."""

NO_FAILED_RUNS = (
    "failed runs of recurring orders: Query lists them under no documented address, and "
    "NORCE_RECONCILE_FAILED_RUNS_PATH names none"
)
NEVER_COMPARED = (
    "steps between an order's placing and its present status, repeated partial deliveries, invoice captures, and all "
    "that is not about orders: Norce tells the present state only"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a sweep is to do."""

    span: Span
    applications: Sequence[str]
    """``ClientId:ApplicationId`` each."""
    dry_run: bool = False
    checkout: CheckoutSettings | None = None
    """Where to look for bought baskets as well."""


def span_of(settings: ReconcileSettings, start: datetime | None, end: datetime | None, now: datetime) -> Span:
    """The span of a sweep: what is settled by now, as far back as the settings say, unless told otherwise."""
    end = end or now - timedelta(seconds=settings.settled_after)
    return Span(start or now - timedelta(seconds=settings.look_back), end)


async def reconcile(
    kafka: KafkaSettings, settings: ReconcileSettings, implied: Implied, asked: Asked, progress: Progress
) -> Reconciliation:
    """Make one sweep. The record is published as well, unless it is a dry run.

    A sweep that could not be finished says so in its record; nothing is raised for it.

    Raises:
        BrokerUnreachable
        NotPublished: not even the record.
    """
    sweep = Sweep(asked.span, list(asked.applications), not_compared=[NEVER_COMPARED])
    if settings.failed_runs_path is None:
        sweep.not_compared.append(NO_FAILED_RUNS)
    async with AsyncExitStack() as stack:
        publisher = None if asked.dry_run else await stack.enter_async_context(Publisher.open(kafka))
        problem = None
        try:
            await wait_for_worker(kafka, settings.worker_group, settings.worker_patience, progress)
            ours = stack.enter_context(OurOrders())
            await ours.load(kafka, progress)
            query = await stack.enter_async_context(QuerySweeper(settings))
            checkout = CheckoutClient(asked.checkout) if asked.checkout else None
            if checkout is not None:
                stack.push_async_callback(checkout.close)
            await _Sweeper(query, checkout, ours, implied, publisher, settings, sweep, progress).run()
        except NorceError as error:
            problem = _said(QueryUnusable(error))
        except KafkaError as error:
            problem = _said(KafkaUnusable(error))
        except SweepUnfinished as error:
            problem = _said(error)
        record = sweep.record(problem)
        if publisher is not None:
            await publisher.report(record.id, msgspec.json.encode(record))
    log.info("sweep ended", id=record.id, complete=record.complete, orders=record.orders, published=record.published)
    return record


def _said(error: SweepUnfinished) -> str:
    return f"{type(error).__name__}: {error}"


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Sweeper:
    query: QuerySweeper
    checkout: CheckoutClient | None
    ours: OurOrders
    implied: Implied
    publisher: Publisher | None
    settings: ReconcileSettings
    sweep: Sweep
    progress: Progress

    async def run(self) -> None:
        for number, application in enumerate(self.sweep.applications, 1):
            client_id, application_id = map(int, application.split(":"))
            # Query does not say how many there are; which of the applications it is, is what is known.
            self.progress.begin(f"comparing {application}, {number} of {len(self.sweep.applications)}", None)
            async for orders in self.query.orders(client_id, application_id, self.sweep.span):
                await self._publish(self._orders(orders))
                self.progress.advance(len(orders))
            async for runs in self.query.failed_runs(client_id, application_id, self.sweep.span):
                await self._publish(self._runs(runs))
                self.progress.advance(len(runs))
            await self._look_for_ours(client_id, application_id)
            if self.checkout is not None:
                await self._look_for_bought(self.checkout, client_id, application_id)

    def _orders(self, orders: Iterable[OrderRow]) -> list[Missing]:
        missing: list[Missing] = []
        for order in orders:
            reference = order.reference
            if not order.is_sale or not reference:
                continue
            key = order_key(order.client_id, order.application_id, reference)
            ours = self.ours.get(key)
            found = compare(order, key, reference, ours, self.implied)
            self.ours.told(key)
            self.sweep.orders += 1
            self.sweep.unheard += ours is None
            self.sweep.differ(found.differences)
            missing += found.missing
        return missing

    def _runs(self, runs: Sequence[FailedRunRow]) -> list[Missing]:
        self.sweep.failed_runs = (self.sweep.failed_runs or 0) + len(runs)
        missing = []
        for run in runs:
            if run.quotation_id is None:
                continue  # no order of ours can tell of it
            key = order_key(run.client_id, run.application_id, str(run.quotation_id))
            found = compare_run(run, key, self.ours.get(key))
            if found is not None:
                missing.append(found)
        return missing

    async def _publish(self, missing: Sequence[Missing]) -> None:
        records: list[Record] = []
        usable: list[Missing] = []
        for each in missing:
            try:
                records.append(record_of(each, self.settings.source))
                usable.append(each)
            except UnusableBody as error:
                self.sweep.differ([Difference(Kind.UNUSABLE, each.key, each.event_type, None, str(error))])
        if self.sweep.missing.total() + len(records) > self.settings.max_events:
            raise TooManyMissing(self.settings.max_events)
        if self.publisher is not None:
            await self.publisher.publish(records)
        self.sweep.miss(usable)

    async def _look_for_ours(self, client_id: int, application_id: int) -> None:
        """Orders that we have and Norce did not list, though they came and went quiet inside the span."""
        start, end = (moment.isoformat() for moment in (self.sweep.span.start, self.sweep.span.end))
        quiet = (
            (key, ours)
            for key, ours in self.ours.untold(client_id, application_id)
            if start <= ours.first_received_at and ours.last_changed_at < end
        )
        wanted = list(islice(quiet, MAX_LOOKED_FOR))
        if wanted:
            self.progress.begin(f"asking for orders of {client_id}:{application_id} that were not listed", len(wanted))
        for key, ours in wanted:
            self.progress.advance(1)
            if not await self.query.knows(application_id, key.split(":", 2)[2]):
                status = str(ours.statuses[-1]) if ours.statuses else "unknown"
                self.sweep.differ([Difference(Kind.ORDER, key, None, status, None)])
        if next(quiet, None) is not None:
            left = "orders of ours that Norce did not list"
            self.sweep.not_compared.append(f"{client_id}:{application_id}: more than {len(wanted)} {left}")

    async def _look_for_bought(self, checkout: CheckoutClient, client_id: int, application_id: int) -> None:
        """Baskets that Checkout says were bought, and that became no order.

        No event is derived from that: it would have to name what only Commerce decides.
        """
        try:
            channel = checkout.channel_for(client_id, application_id)
        except NoChannel as error:
            self.sweep.not_compared.append(f"Checkout: {error}")
            return
        self.progress.begin(f"looking through what {client_id}:{application_id} sold by Checkout", None)
        async for page in checkout.bought(channel, self.sweep.span.start, self.sweep.span.end):
            self.sweep.checkout_orders = (self.sweep.checkout_orders or 0) + len(page)
            for order in page:
                if order.cart_reference is None:
                    continue
                key = order_key(client_id, application_id, order.cart_reference)
                if not self.ours.is_known(key) and not await self.query.knows(application_id, order.cart_reference):
                    self.sweep.differ([Difference(Kind.BOUGHT, key, order.id, None, order.status)])
            self.progress.advance(len(page))
