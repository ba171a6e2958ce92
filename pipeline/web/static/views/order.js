// One order: where it stands, what was paid, what is wrong, and everything that happened to it.
import { call, path } from "../api.js";
import { amount, clockOf, count, dayOf, money, words } from "../format.js";
import { Component, html } from "../html.js";
import { Load, Trouble } from "../load.js";
import { Banner, Copy, Facts, Icon, Section, Table, Title, Value, When } from "../parts.js";
import { STATED_BY, STATUSES } from "../words.js";
import { AlertList, OnlyParked, Parked } from "./entity.js";
import { nameOf, StatusBadge, sums } from "./lists.js";
import { Timeline } from "./timeline.js";

const EVERY = 5000; // milliseconds

export function Order({ route, me }) {
  const key = route.parts[1];
  return html`<${Load} resource=${path("orders", key)} every=${EVERY} what="the order"
    show=${(data) => html`<${Whole} data=${data} me=${me} />`} />`;
}

function Whole({ data, me }) {
  const { key, record } = data;
  if (!record) return html`<${OnlyParked} data=${data} over="Order" />`;
  return html`<${Title} over="Order" aside=${html`<${StatusBadge} status=${record.status} />`}
      subtitle=${html`Last change <${When} at=${record.last_changed_at} />`}>${nameOf("orders", key, record)}<//>
    <${Parked} parked=${data.parked} />
    <${Track} record=${record} />
    <${AlertList} alerts=${data.alerts} />
    <div class="columns">
      <div class="what">
        <${Payments} record=${record} />
        <${Lines} record=${record} />
        <${Conflicts} conflicts=${record.conflicts} />
        <${Failures} failures=${record.subscription_failures} />
      </div>
      <div class="who">
        <${Identity} data=${data} />
        <${Person} orderKey=${key} me=${me} />
      </div>
      <div class="when">
        <${Section} id="timeline" title="Timeline" note="Everything that happened, in order">
          <${Load} resource=${path("orders", key, "timeline")} every=${EVERY} what="the timeline"
            show=${(timeline) => html`<${Timeline} timeline=${timeline} omitted=${record.timeline_omitted} />`} />
        <//>
      </div>
    </div>`;
}

const ALWAYS = ["received", "confirmed", "delivered"];
const SOMETIMES = ["partly_delivered", "ready_for_pickup"];

/** The life cycle as a track: steps that an event stated are filled. Those that some orders lack appear if stated. */
function Track({ record }) {
  const stated = new Set(record.statuses);
  const cancelled = stated.has("cancelled");
  const order = ["received", "confirmed", ...SOMETIMES, "delivered"];
  const steps = order.filter((status) => stated.has(status) || (ALWAYS.includes(status) && !cancelled));
  if (cancelled) steps.push("cancelled");
  const stating = (status) => record.timeline.find((entry) => STATED_BY[status].includes(entry.event_type));
  return html`<ol class="track" aria-label="Life cycle">${steps.map((status) => {
    const done = stated.has(status);
    const at = done && stating(status)?.received_at;
    const tone = status === "cancelled" ? "bad" : done ? "done" : "open";
    return html`<li key=${status} class=${tone} aria-current=${status === record.status ? "step" : undefined}>
      <i aria-hidden="true"></i><b>${STATUSES[status][0]}</b>
      <span class="quiet">
        ${at ? html`<time datetime=${at}>${dayOf(at)} ${clockOf(at)}</time>` : done ? "stated" : "not yet"}
      </span>
    </li>`;
  })}</ol>`;
}

function Payments({ record }) {
  const { payments } = record;
  const unsure = record.payments_without_amount + record.payments_without_currency;
  if (payments.length === 0) {
    return html`<${Section} id="payments" title="Payments"><p class="quiet">No payment was received.</p><//>`;
  }
  return html`<${Section} id="payments" title="Payments" note=${`Paid: ${sums(record.paid)}`}>
    <${Table} caption="Payments" rows=${payments} keyOf=${(payment) => payment.payment_code} columns=${[
        { title: "Code", cell: (payment) => html`<code>${payment.payment_code}</code>` },
        { title: "Method", cell: (payment) => payment.payment_method ?? "–" },
        { title: "Reference", cell: (payment) => payment.payment_ref ?? "–", wide: true },
        { title: "Received", cell: (payment) => html`<${When} at=${payment.first_received_at} />` },
        { title: "Amount", cell: (payment) => money(payment.amount, payment.currency), number: true },
      ]} />
    <p class="sum">Sum <b>${sums(record.paid)}</b></p>
    ${unsure > 0 && html`<${Banner} tone="warn" icon="bell">
      Not in the sum: ${count(record.payments_without_amount)} without an amount,
      and ${count(record.payments_without_currency)} without a currency.<//>`}
  <//>`;
}

function Lines({ record }) {
  const { lines, totals } = record;
  if (!lines?.length) {
    return html`<${Section} id="lines" title="Lines"><p class="quiet">Not looked up: events carry no lines.
      With look-ups running they appear some seconds after the order.</p><//>`;
  }
  return html`<${Section} id="lines" title="Lines" note=${html`Looked up <${When} at=${record.looked_up_at} />`}>
    <${Table} caption="Order lines" rows=${lines} keyOf=${(line) => line.line_no} columns=${[
      { title: "Product", cell: product },
      { title: "Quantity", cell: (line) => amount(line.quantity), number: true },
      { title: "Price", cell: (line) => amount(line.unit_price), number: true },
      { title: "VAT %", cell: (line) => amount(line.vat_rate), number: true },
      { title: "Sum", cell: (line) => amount(line.line_total), number: true },
    ]} />
    ${record.lines_omitted > 0 && html`<p class="quiet">${count(record.lines_omitted)} more lines are not shown.</p>`}
    ${totals && html`<${Facts} facts=${[
      ["Excluding VAT", money(totals.excluding_vat, totals.currency)],
      ["VAT", money(totals.vat, totals.currency)],
      ["Including VAT", html`<b>${money(totals.including_vat, totals.currency)}</b>`],
    ]} />`}
  <//>`;
}

function product({ product_name: name, part_no: part }) {
  return html`${name ?? part} <span class="quiet small part">${part}</span>`;
}

function Conflicts({ conflicts }) {
  if (!conflicts?.length) return null;
  return html`<${Section} id="conflicts" title="Contradictions" note="Events that do not agree">
    <${Table} caption="Contradictions" rows=${conflicts} columns=${[
      { title: "Field", cell: (conflict) => words(conflict.field) },
      { title: "Of", cell: (conflict) => conflict.item ?? "the order" },
      { title: "Shown", cell: (conflict) => html`<b>${conflict.chosen}</b>` },
      { title: "All that was stated", cell: (conflict) => conflict.values.join(", "), wide: true },
    ]} />
  <//>`;
}

function Failures({ failures }) {
  if (!failures?.length) return null;
  return html`<${Section} id="failures" title="Failed subscription runs">
    <${Table} caption="Failed runs" rows=${failures} columns=${[
      { title: "Subscription", cell: (failure) => failure.subscription_id ?? failure.recurring_order_id ?? "–" },
      { title: "Times", cell: (failure) => count(failure.occurrences), number: true },
      { title: "Last", cell: (failure) => html`<${When} at=${failure.last_received_at} />` },
      { title: "Message", cell: (failure) => failure.error_message ?? "–", wide: true },
    ]} />
  <//>`;
}

function Identity({ data }) {
  const { key, record } = data;
  return html`<${Section} id="identity" title="References">
    <${Facts} facts=${[
      ["Client reference", html`<${Copy} text=${record.client_order_ref} />`],
      ["Order number", record.order_no && html`<${Copy} text=${record.order_no} />`],
      ["OrderId", record.order_id && html`<${Copy} text=${String(record.order_id)} />`],
      ["Source", record.source],
      ["Client / shop", `${record.client_id} / ${record.application_id}`],
      ["Drop points", record.drop_points?.join(", ")],
      ["First heard of", html`<${When} at=${record.first_received_at} exact />`],
      ["Last change", html`<${When} at=${record.last_changed_at} exact />`],
      ["Key", html`<${Copy} text=${key} />`],
      ["Version, partition", `${record.version}, ${data.partition}`],
    ]} />
  <//>`;
}

/** Personal data: never fetched before somebody who may asks for it. */
class Person extends Component {
  state = { values: null, error: null, asking: false };

  show = async () => {
    this.setState({ asking: true, error: null });
    try {
      const { values } = await call(path("orders", this.props.orderKey, "person"));
      this.setState({ values, asking: false });
    } catch (error) {
      this.setState({ error, asking: false });
    }
  };

  componentDidUpdate(before) {
    if (before.me.name !== this.props.me.name && this.state.values) this.setState({ values: null });
  }

  render({ me }, { values, error, asking }) {
    const may = me.roles.includes("privacy");
    return html`<${Section} id="person" title="Personal data">
      ${me.known && !may && html`<p class="quiet">Masked. Seeing who bought needs the role <b>privacy</b>.</p>`}
      ${may && !values && html`<p class="quiet">Masked. Each look is recorded with your name (${me.name}).</p>
        <button type="button" disabled=${asking} onClick=${this.show}>
          <${Icon} name="eye" /> Show personal data
        </button>`}
      <div role="status">${values && html`<${Value} value=${values} />`}</div>
      ${values && html`<button type="button" onClick=${() => this.setState({ values: null })}>Hide</button>`}
      ${error && html`<${Trouble} error=${error} retry=${this.show} />`}
    <//>`;
  }
}
