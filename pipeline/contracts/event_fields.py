"""What the fields of Norce's event bodies mean, by Norce's own names.

A field means the same in every body. A description in the event model stands over the one here. Meanings are from the
Norce docs (Commerce Event webhook reference), or follow from the name where those are silent.
"""

from __future__ import annotations

from collections.abc import Mapping

FIELDS: Mapping[str, str] = {
    "Amount": "Paid amount, major currency unit",
    "ApplicationId": "Norce ApplicationId, the shop",
    "BasketId": "Norce BasketId of the failed run: the number that other events carry as text in ClientOrderRef",
    "CapturedInvoiceId": "Norce CapturedInvoiceId",
    "CellPhone": "Mobile number of the buyer",
    "ClientId": "Norce ClientId, the tenant",
    "ClientOrderRef": "Basket id as text, or the reference of an order that was made outside of Norce",
    "CompanyId": "Norce CompanyId",
    "CurrencyCode": "ISO 4217 code of the currency",
    "CustomerId": "Norce CustomerId, a person",
    "DropPointCode": "Code of the place where the order can be collected",
    "Email": "E-mail address of the buyer",
    "EntityChanged": "Table of Norce that changed, free text",
    "ErpOrderNo": "Order number in the ERP",
    "ErrorMessage": "What went wrong; free text that may name a person, masked in everything that is derived from it",
    "FirstName": "First name of the buyer",
    "JobId": "Norce JobId",
    "LastName": "Last name of the buyer",
    "LocationCode": "Code of the location within the warehouse",
    "LocationId": "Norce LocationId within the warehouse",
    "MinimumValue": "Stock below which the product is short at the location",
    "OnHandValue": "Stock at the location",
    "OrderId": "Norce OrderId, 64 bit",
    "OrderNo": "Order number: the basket id until the ERP gives one, so it may change between two events",
    "PartNo": "Norce part number of the product, or of the supplier's product",
    "PaymentCode": "Norce PaymentCode, unique per payment",
    "PaymentMethodCode": "Code of the payment method",
    "PaymentRef": "Reference of the payment provider",
    "PriceSaleValue": "Price on the price list, or the supplier's cost; major currency unit, no currency is named",
    "PricelistCode": "Code of the price list",
    "PricelistId": "Norce PricelistId",
    "QuantityBreak": "Quantity from which the price holds",
    "RecurringOrderId": "Norce RecurringOrderId",
    "RecurringOrderScheduleId": "Norce RecurringOrderScheduleId",
    "Source": "Where the order came from: WEB, or the name of a marketplace or POS",
    "State": "What became of the capture",
    "StatusId": "1 initialised, 2 succeeded, 3 failed, 4 validation failed, 5 validating, 6 queued",
    "SubscriptionId": "Norce SubscriptionId",
    "SupplierId": "Norce SupplierId",
    "WarehouseCode": "Code of the warehouse",
    "WarehouseId": "Norce WarehouseId",
}
