// A record of any kind but orders, field by field; and what alerts and parked events look like on every record.
import { path } from "../api.js";
import { words } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Copy, Facts, Icon, Section, Title, Value, When } from "../parts.js";
import { link } from "../route.js";
import { ALERTS, KINDS, meaning, SEVERITIES } from "../words.js";
import { nameOf } from "./lists.js";

const SHOWN_ABOVE = new Set(["id", "version", "first_received_at", "last_changed_at", "looked_up_at", "lookup_number"]);

export function Entity({ route }) {
  const [kind, key] = route.parts;
  return html`<${Load} resource=${path(kind, key)} every=${10_000} what="the record"
    show=${(data) => html`<${Record} kind=${kind} data=${data} />`} />`;
}

function Record({ kind, data }) {
  const { key, record } = data;
  if (!record) return html`<${OnlyParked} data=${data} over=${KINDS[kind][1]} />`;
  const fields = Object.entries(record).filter(([name]) => !SHOWN_ABOVE.has(name));
  const plain = fields.filter(([, value]) => typeof value !== "object" || value === null);
  const rich = fields.filter(([, value]) => typeof value === "object" && Object.keys(value ?? {}).length > 0);
  return html`<${Title} over=${KINDS[kind][1]}>${nameOf(kind, key, record)}<//>
    <${Parked} parked=${data.parked} />
    <${AlertList} alerts=${data.alerts} />
    <${Section} id="fields" title="What is known">
      <${Facts} facts=${[
        ["Key", html`<${Copy} text=${key} />`],
        ...plain.map(([name, value]) => [words(name), html`<${Field} name=${name} value=${value} />`]),
        ["First heard of", html`<${When} at=${record.first_received_at} exact />`],
        ["Last change", html`<${When} at=${record.last_changed_at} exact />`],
        ["Partition", data.partition],
      ]} />
    <//>
    ${rich.map(([name, value]) => html`<${Section} key=${name} id=${`field-${name}`} title=${words(name)}>
      <${Field} name=${name} value=${value} />
    <//>`)}`;
}

/** The value of a field; keys of orders are links. */
function Field({ name, value }) {
  if (!value || (name !== "order_key" && name !== "order_keys")) return html`<${Value} value=${value} />`;
  const order = (key) => html`<li><a href=${link(["orders", key])}>${key}</a></li>`;
  return html`<ul class="values">${[value].flat().map(order)}</ul>`;
}

/** A thing of which nothing could be joined yet. */
export function OnlyParked({ data, over }) {
  return html`<${Title} over=${over}>${data.key}<//>
    <${Parked} parked=${data.parked} />
    <${Empty} title="Nothing is known yet" icon="clock">All its events wait behind one that could not be joined.<//>
    <${AlertList} alerts=${data.alerts} />`;
}

/** Says that later events of a key wait, and where to do something about it. */
export function Parked({ parked }) {
  if (!parked) return null;
  const waiting = parked.waiting === 1 ? "One event waits" : `${parked.waiting} events wait`;
  return html`<div class="banner bad" role="alert"><${Icon} name="stop" /><div>
    <p><strong>Parked <${When} at=${parked.since} />.</strong> ${waiting} behind one that could not be joined,
      so what is shown here is older than what Norce sent.</p>
    <p class="small">${parked.error}: ${parked.reason}</p>
    <p><a href=${link(["dead-letters", parked.letter])}>Look at the dead letter</a></p>
  </div></div>`;
}

export function AlertList({ alerts }) {
  if (!alerts?.length) return null;
  const items = alerts.map((alert) => html`<li key=${alert.id}><${Alert} alert=${alert} /></li>`);
  return html`<ul class="alerts" aria-label="Open alerts">${items}</ul>`;
}

/** One alert. `children` is what stands below it, such as a link to its subject. */
export function Alert({ alert, children }) {
  const [title, text] = meaning(ALERTS, alert.kind, words);
  const [severity, tone, help] = meaning(SEVERITIES, alert.severity, words);
  const details = Object.entries(alert.details ?? {}).map(([name, value]) => [words(name), value]);
  const item = alert.item?.split(",").map((part) => part.split("=").map(words).join(" ")).join(", ");
  return html`<article class="alert ${tone}">
    <header><${Icon} name="bell" /><h2>${title}</h2><${Badge} tone=${tone} title=${help}>${severity}<//>
      <span class="quiet">opened <${When} at=${alert.opened_at} /></span>
      ${alert.closed_at && html`<span class="quiet">closed <${When} at=${alert.closed_at} /></span>`}</header>
    <p>${text}</p>
    <${Facts} facts=${[["Which", item], ...details]} />
    ${children}
  </article>`;
}
