"""The views of customers and companies: which of their tables changed, how often, and in which shops."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from pipeline.domain import facts
from pipeline.domain.keys import CompanyKey, CustomerKey
from pipeline.domain.limits import REPEAT_WINDOW
from pipeline.domain.records import (
    ClientId,
    EntityChange,
    FirstReceivedAt,
    LastChangedAt,
    ReceiptVersion,
    Record,
    RecordId,
)
from pipeline.domain.registers import Held, Registers
from pipeline.domain.state import State, version

Applications = Annotated[tuple[int, ...], Meta(description="Norce ApplicationIds that changes were tied to, sorted")]
EntityChanges = Annotated[tuple[EntityChange, ...], Meta(description="Changes, by table and application")]


class CustomerView(Record, frozen=True):
    """A customer (a person) as the notifications tell it: that something changed, and nothing about the person."""

    client_id: ClientId
    customer_id: Annotated[int, Meta(description="Norce CustomerId")]
    application_ids: Applications
    changes: EntityChanges
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: ReceiptVersion


class EnrichedCustomer(CustomerView, frozen=True):
    """The record of the enriched customers topic."""

    id: RecordId


class CompanyView(Record, frozen=True):
    """A company as the notifications tell it: that something changed, and nothing about the company."""

    client_id: ClientId
    company_id: Annotated[int, Meta(description="Norce CompanyId")]
    application_ids: Applications
    changes: EntityChanges
    first_received_at: FirstReceivedAt
    last_changed_at: LastChangedAt
    version: ReceiptVersion


class EnrichedCompany(CompanyView, frozen=True):
    """The record of the enriched companies topic."""

    id: RecordId


def customer_view(key: CustomerKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> CustomerView:
    """The customer's changes. Raises ``ValueError`` if the state is empty."""
    registers = Registers(state, repeat_window)
    held = registers.of(facts.CustomerChanged)
    first, last = registers.span()
    return CustomerView(
        client_id=key.client_id,
        customer_id=key.customer_id,
        application_ids=_applications(held),
        changes=registers.entity_changes(held),
        first_received_at=first,
        last_changed_at=last,
        version=version(state),
    )


def company_view(key: CompanyKey, state: State, *, repeat_window: int = REPEAT_WINDOW) -> CompanyView:
    """The company's changes. Raises ``ValueError`` if the state is empty."""
    registers = Registers(state, repeat_window)
    held = registers.of(facts.CompanyChanged)
    first, last = registers.span()
    return CompanyView(
        client_id=key.client_id,
        company_id=key.company_id,
        application_ids=_applications(held),
        changes=registers.entity_changes(held),
        first_received_at=first,
        last_changed_at=last,
        version=version(state),
    )


def _applications(held: list[Held[facts.CustomerChanged]] | list[Held[facts.CompanyChanged]]) -> tuple[int, ...]:
    named = {one.fact.application_id for one in held}
    return tuple(sorted([number for number in named if number is not None]))
