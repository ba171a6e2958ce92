"""The public records say what each of their fields means."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from pipeline.domain import KINDS, Alert
from pipeline.domain.records import CheckoutUpdate, ConnectUpdate, EnrichedOrder, Record


def definitions(record: type[Record]) -> dict[str, Any]:
    _, components = msgspec.json.schema_components([record])
    return components


@pytest.mark.parametrize("record", [*[kind.record for kind in KINDS.values()], Alert, ConnectUpdate, CheckoutUpdate])
def test_every_field_of_a_public_record_has_a_description(record: type[Record]) -> None:
    for name, definition in definitions(record).items():
        assert definition.get("description"), name
        for field, schema in definition.get("properties", {}).items():
            if field != "target":
                assert schema.get("description"), f"{name}.{field}"


def test_an_enriched_order_has_the_fields_that_others_rely_on() -> None:
    promised = {"client_id", "application_id", "client_order_ref", "order_id", "order_no", "status", "payments", "paid"}
    promised |= {"subscription_failures", "timeline", "version"}
    assert promised <= set(definitions(EnrichedOrder)["EnrichedOrder"]["required"])
