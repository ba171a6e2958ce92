// What the API's names mean to people, each in one place.

/** Kinds of records: the title of their list, and of one of them. */
export const KINDS = {
  orders: ["Orders", "Order"],
  products: ["Products", "Product"],
  customers: ["Customers", "Customer"],
  companies: ["Companies", "Company"],
  subscriptions: ["Subscriptions", "Subscription"],
  invoices: ["Invoices", "Invoice"],
  jobs: ["Jobs", "Job"],
};

/** Kind of record that the subject of an alert, or of a dead letter, belongs to. */
export const KIND_OF = {
  order: "orders",
  product: "products",
  customer: "customers",
  company: "companies",
  subscription: "subscriptions",
  invoice: "invoices",
  job: "jobs",
};

/** Status of an order: its name, and its tone. */
export const STATUSES = {
  unknown: ["Unknown yet", "quiet"],
  received: ["Received", "info"],
  confirmed: ["Confirmed", "info"],
  partly_delivered: ["Partly delivered", "info"],
  ready_for_pickup: ["Ready for pickup", "info"],
  delivered: ["Delivered", "good"],
  cancelled: ["Cancelled", "bad"],
};

/** Event types that state a status of the life cycle. */
export const STATED_BY = {
  received: ["OrderReceivedEvent", "ExternalOrderReceivedEvent"],
  confirmed: ["OrderConfirmedEvent"],
  partly_delivered: ["OrderPartlyDeliveredEvent"],
  ready_for_pickup: ["OrderReadyForPickupEvent"],
  delivered: ["OrderDeliveredEvent"],
  cancelled: ["OrderCancelledEvent"],
};

export const SEVERITIES = {
  critical: ["Critical", "bad", "Money or a customer is at stake now"],
  warning: ["Warning", "warn", "Somebody should look at it today"],
  notice: ["Notice", "info", "Worth knowing"],
};

/** Kinds of alerts: a title, and what is so while one is open. */
export const ALERTS = {
  below_cost: ["Sold below cost", "A sale price is lower than the cheapest known cost of any supplier."],
  below_minimum_stock: ["Stock at its minimum", "The stock of a location is at or below its minimum."],
  job_failed: ["Job failed", "The final outcome of a job is: failed."],
  job_validation_failed: ["Job found bad data", "The final outcome of a job is: validation failed."],
  capture_error: ["Capture failed", "The capture of an invoice ended in an error, and no event says that it worked."],
  subscription_failing: ["Subscription keeps failing", "A subscription or recurring order fails again and again."],
  paid_not_confirmed: ["Paid, not confirmed", "The order has a payment, and nothing beyond received was heard of it."],
  delivered_before_confirmed: [
    "Delivered, never confirmed",
    "The order was delivered, and its confirmation has not come.",
  ],
  paid_twice: ["Paid twice?", "Two payments with codes of their own have the same amount and currency."],
  payment_currency_mismatch: ["Currencies differ", "The payments of the order name more than one currency."],
  cancelled_after_payment: [
    "Cancelled after payment",
    "The order is cancelled and has a payment: money may have to go back.",
  ],
  stuck: ["Nothing happens", "The order is neither delivered nor cancelled, and nothing was heard of it for long."],
};

/** What an entry of an order's timeline is: its name, and its icon. */
export const ENTRIES = {
  fact: ["Event", "event"],
  duplicate: ["Duplicate", "copies"],
  update: ["Update", "pen"],
  call: ["Call", "send"],
  outcome: ["Outcome", "check"],
  not_sent: ["Not sent", "skip"],
  alert: ["Alert", "bell"],
  dead_letter: ["Dead letter", "stop"],
  lookup: ["Look-up", "search"],
  resolution: ["Operator", "person"],
};

/** States of a dead letter: its name, its tone, what it means. */
export const LETTERS = {
  parked: ["parked", "bad", "Later events of this key wait behind it"],
  open: ["open", "warn", "Nothing waits behind it, and nobody has dealt with it"],
  overtaken: ["overtaken", "quiet", "A later update of the same order says all that it says"],
  released: ["released", "good", "Somebody released it"],
  dropped: ["dropped", "quiet", "Somebody gave it up"],
};

/** Why a body is in quarantine. */
export const REASONS = {
  not_utf8: "Not UTF-8",
  not_json: "Not JSON",
  not_an_object: "Not an object",
  not_finite: "Not a finite number",
  duplicate_key: "A key twice",
  too_deep: "Nested too deep",
  too_large_number: "Number too large",
  inexact_number: "Number not exact",
  lone_surrogate: "Half a character",
  wrong_fields: "Wrong fields",
  content_encoded: "Compressed",
  unknown_event_type: "Unknown event type",
  missing_event_type: "No event type",
  contradictory_event_type: "Two event types",
};

/** How events and updates end, in the ledger, and the tone of each. */
export const OUTCOMES = {
  applied: ["Applied", "good"],
  delivered: ["Delivered", "good"],
  unchanged: ["Unchanged", "good-2"],
  duplicate: ["Duplicate", "info"],
  superseded: ["Superseded", "info"],
  stale: ["Stale", "info-2"],
  no_order: ["No order there", "info-2"],
  ignored: ["Ignored", "quiet"],
  quarantined: ["Quarantined", "warn"],
  pending: ["Pending", "warn"],
  parked: ["Waits behind a dead letter", "warn"],
  poison: ["Cannot be joined", "bad"],
  dropped: ["Dropped by an operator", "bad"],
  dead: ["Dead", "bad"],
};

export const BREAKERS = {
  closed: ["calls flow", "good"],
  half_open: ["being tried", "warn"],
  open: ["calls held", "bad"],
};

/** Row of a table of words, or the name itself for what is not in it. */
export function meaning(table, name, fallback) {
  return Object.hasOwn(table, name) ? table[name] : [fallback(name), "quiet", ""];
}
