"""Connect Order Service: changes orders of Commerce."""

import json
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

from connectors.simulator.commerce import Commerce, Order, Update
from connectors.simulator.contract import Incoming, Operation
from connectors.simulator.journal import MONEY_MOVED, Call, Journal, version_of
from connectors.simulator.services.service import Answer, Refused, Service, Tokens, bearer_token, json_of


class Connect(Service):
    """All its operations; the money ones only write down that they were called."""

    name = "connect"

    def __init__(self, commerce: Commerce, tokens: Tokens, journal: Journal) -> None:
        super().__init__(journal)
        self._commerce = commerce
        self._tokens = tokens
        self._notes: set[tuple[str, str]] = set()
        self._operations: MappingProxyType[str, Callable[[Call, Order, dict[str, Any]], None]] = MappingProxyType(
            {
                "SendOrderStatus": self._send_order_status,
                "CancelOrder": self._cancel_order,
                "CreateDeliveryNote": self._once("NoteNo"),
                "CreateInvoice": self._create_invoice,
                "CreditPayment": self._credit_payment,
            }
        )

    def admit(self, incoming: Incoming) -> None:
        token = bearer_token(incoming)
        if token is None or not self._tokens.accepts(token):
            raise Refused(Answer(401, headers={"WWW-Authenticate": "Bearer"}))

    def order_of(self, operation: Operation, incoming: Incoming) -> str | None:
        content = json_of(incoming.body)
        order = self._find(content) if isinstance(content, dict) else None
        return order.client_order_ref if order else None

    def handle(self, operation: Operation, incoming: Incoming, content: Any, call: Call) -> Answer:
        if operation.id == "SendPosShipment":  # names no order
            self._enter_once("shipment", content["ShipmentNo"])
            return Answer(200)
        order = self._find(content)
        application = incoming.headers.get("applicationid")
        if order is None or (application is not None and int(application) != order.application_id):
            self.journal.remarks["unknown_order"] += 1
            raise Refused(self.error(400, "no such order", code="order-not-found"))
        self._operations[operation.id](call, order, content)
        order.updates.append(Update(call.number, self.name, operation.id, content))
        order.applied[f"{operation.id} {json.dumps(content, sort_keys=True)}"] += 1
        return Answer(200)

    def error(self, status: int, message: str, *, code: str = "error") -> Answer:
        return Answer(status, {"code": code, "message": message})

    def _find(self, content: dict[str, Any]) -> Order | None:
        reference = content.get("ClientOrderRef")
        number = content.get("ErpOrderNo", content.get("OrderNo"))
        return self._commerce.find(
            str(reference) if isinstance(reference, int) else None, number if isinstance(number, str) else None
        )

    def _send_order_status(self, call: Call, order: Order, content: dict[str, Any]) -> None:
        for info in content.get("Infos", ()):
            version = version_of(info.get("Value")) if info["Code"].lower().endswith("version") else None
            if version is not None:
                self.journal.applied_version(call, info["Code"], version)
            order.infos[info["Code"]] = info.get("Value")
        if "ErpOrderNo" in content and not self._commerce.set_number(order, content["ErpOrderNo"]):
            self.journal.remarks["former_number_sent"] += 1
        if not self._commerce.set_status(order, content["OrderStatus"]):
            self.journal.remarks["earlier_status_sent"] += 1

    def _cancel_order(self, call: Call, order: Order, content: dict[str, Any]) -> None:
        if content.get("Payments"):
            self.journal.violate(MONEY_MOVED, call, "CancelOrder with payments")
        self._commerce.set_status(order, "Cancelled")

    def _create_invoice(self, call: Call, order: Order, content: dict[str, Any]) -> None:
        if "InvoiceNo" in content:
            self._enter_once("InvoiceNo", content["InvoiceNo"])
        if not content.get("SuppressPspCall"):
            self.journal.violate(MONEY_MOVED, call, "CreateInvoice without SuppressPspCall")

    def _credit_payment(self, call: Call, order: Order, content: dict[str, Any]) -> None:
        self.journal.violate(MONEY_MOVED, call, "CreditPayment")

    def _once(self, field: str) -> Callable[[Call, Order, dict[str, Any]], None]:
        return lambda call, order, content: self._enter_once(field, content[field])

    def _enter_once(self, kind: str, number: str) -> None:
        """Numbers of notes, invoices and shipments are unique; what Norce answers to a second one is assumed."""
        if (kind, number) in self._notes:
            raise Refused(self.error(400, f"{kind} {number} is there already", code="duplicate"))
        self._notes.add((kind, number))
