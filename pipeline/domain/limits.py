"""Every limit of the domain, so that no order grows into something Kafka or a reader cannot take.

An ordinary order has fewer than twenty facts and a kilobyte of state; the limits are far from that and only meet
floods and mistakes.
"""

from __future__ import annotations

from typing import Final

MAX_FACTS: Final = 500
"""Distinct facts in one state."""

MAX_RECEIPTS: Final = 256
"""Receipts of one fact."""

VALUE_HISTORY: Final = 10
"""Receipts kept of one price, cost or stock point, the newest. What holds now needs one; the others are its changes."""

CHANGE_HISTORY: Final = 50
"""Receipts kept of the changes of one entity, the newest."""

MAX_REGISTER_RECEIPTS: Final = 800
"""Receipts kept in one state of everything that is kept by its newest receipts, shared out evenly. So it is also the
largest number of prices, costs, stock points and entities of one product."""

MAX_STATE_BYTES: Final = 200 * 1024
"""Bytes of one stored state. Together with the other limits it keeps an enriched record under Kafka's default limit of
1,048,588 bytes."""

UNWEIGHED_RECEIPTS: Final = 24
"""A state with no more receipts than this cannot exceed ``MAX_STATE_BYTES`` and is not weighed."""

MAX_LINES: Final = 200
"""Lines kept of a looked-up order; the totals are over all of them."""

MAX_ANSWER_BYTES: Final = 64 * 1024
"""Bytes of one looked-up answer; of an order with longer lines fewer are kept."""

MAX_TEXT: Final = 255
"""Characters of a text field, a key's included. The longest that Norce documents for an order have 50 to 255."""

MAX_ERROR_MESSAGE: Final = 500
"""Characters kept of Norce's ``ErrorMessage``, which is free text of unknown length; the rest is cut off."""

MAX_EVENT_ID: Final = 64
"""Characters of an event id. Ours are UUIDs, 36 characters."""

MAX_AMOUNT_DIGITS: Final = 20
"""Digits of an amount before the decimal point, and again after it."""

MAX_TIMELINE: Final = 200
"""Entries of a timeline; older ones are counted in ``timeline_omitted``."""

MAX_CONFLICT_VALUES: Final = 20
"""Values listed in one conflict."""

MAX_ALERTS: Final = 50
"""Open alerts of one order, product and so on; the ones that sort behind them open when others have closed. Until then
they are counted and logged as withheld."""

MAX_ALERT_VALUES: Final = 20
"""Values listed in one detail of an alert, and event ids in what opened it."""

SWEPT_AT_ONCE: Final = 500
"""Subjects whose alerts are looked at in one go because of their time; more have to wait for the next go."""

MAX_INFO_VALUE: Final = 1000
"""Characters of one value pushed to Norce (assumed; none is documented)."""

MAX_INFO_CODE: Final = 50
"""Characters of a code pushed to Norce (assumed; none is documented)."""

REPEAT_WINDOW: Final = 60_000_000
"""Microseconds. Receipts of a repeatable fact closer together than this are deliveries of one occurrence (assumed)."""

LATEST_RECEIPT: Final = 253_402_300_799_999_999
"""Microseconds since 1970 UTC: the last one of the year 9999, the latest that can be written as a date."""
