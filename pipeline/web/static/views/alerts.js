// Open alerts, the worst first. The server filters, so that the numbers are of all alerts; more is loaded on request.
import { call, withQuery } from "../api.js";
import { count, words } from "../format.js";
import { Component, html } from "../html.js";
import { Empty, Load, Trouble } from "../load.js";
import { Title } from "../parts.js";
import { link } from "../route.js";
import { ALERTS, KIND_OF, SEVERITIES } from "../words.js";
import { Alert } from "./entity.js";

const LIMIT = 200;

export function Alerts({ route }) {
  const chosen = { severity: route.query.get("severity"), kind: route.query.get("kind") };
  const resource = (after) => withQuery("alerts", { ...chosen, after, limit: LIMIT });
  const filtered = Boolean(chosen.severity || chosen.kind);
  return html`<${Title} subtitle="What somebody should look at. An alert closes once it is so no more.">Alerts<//>
    <${Choice} chosen=${chosen} />
    <${Load} key=${resource()} resource=${resource()} every=${10_000} what="the alerts"
      show=${(data) => html`<${Pile} first=${data} resource=${resource} filtered=${filtered} />`} />`;
}

function Choice({ chosen }) {
  const go = (event) => {
    location.hash = link(["alerts"], { ...chosen, kind: event.target.value });
  };
  const severities = [[null, ["All"]], ...Object.entries(SEVERITIES)];
  return html`<div class="choice">
    <nav class="chips" aria-label="Severity">${severities.map(([name, [text, , help]]) => html`<a key=${text}
      class="chip" title=${help} aria-current=${name === chosen.severity ? "true" : undefined}
      href=${link(["alerts"], { ...chosen, severity: name })}>${text}</a>`)}</nav>
    <label>Kind <select value=${chosen.kind ?? ""} onChange=${go}>
      <option value="">All kinds</option>
      ${Object.entries(ALERTS).map(([name, [title]]) => html`<option key=${name} value=${name}>${title}</option>`)}
    </select></label>
  </div>`;
}

/** The first page, which is kept up to date, and the further ones that were asked for. */
class Pile extends Component {
  state = { more: [], next: undefined, error: null, asking: false };

  load = async () => {
    this.setState({ asking: true, error: null });
    try {
      const page = await call(this.props.resource(this.state.next ?? this.props.first.next));
      this.setState(({ more }) => ({ more: [...more, ...page.items], next: page.next, asking: false }));
    } catch (error) {
      this.setState({ error, asking: false });
    }
  };

  render({ first, filtered }, { more, next, error, asking }) {
    const known = new Set();
    const loaded = [...first.items, ...more].filter((alert) => !known.has(alert.id) && known.add(alert.id));
    const shown = loaded.sort((one, other) => rank(one) - rank(other) || other.opened_at.localeCompare(one.opened_at));
    const further = next === undefined ? first.next : next;
    if (loaded.length === 0) {
      return filtered
        ? html`<${Empty} title="None of these">No open alert fits the filter.<//>`
        : html`<${Empty} title="No alert is open">Nothing needs a look at the moment.<//>`;
    }
    const number = further ? `${count(shown.length)} of ${count(first.total)}` : count(shown.length);
    return html`<p class="quiet" role="status">${number} open</p>
      <ul class="alerts">${shown.map((alert) => html`<li key=${alert.id}>
        <${Alert} alert=${alert}><${Subject} alert=${alert} /><//>
      </li>`)}</ul>
      ${error && html`<${Trouble} error=${error} retry=${this.load} />`}
      ${further && html`<p>
        <button type="button" disabled=${asking} onClick=${this.load}>
          ${asking ? "Loading …" : "Load more"}
        </button>
      </p>`}`;
  }
}

function rank(alert) {
  const place = Object.keys(SEVERITIES).indexOf(alert.severity);
  return place < 0 ? 99 : place;
}

function Subject({ alert }) {
  const kind = KIND_OF[alert.subject];
  const order = alert.order_key === alert.subject_key ? null : alert.order_key;
  return html`<p class="links">
    ${kind && html`<a href=${link([kind, alert.subject_key])}>${words(alert.subject)} ${alert.subject_key}</a>`}
    ${!kind && html`<span>${words(alert.subject)} ${alert.subject_key}</span>`}
    ${order && html`<a href=${link(["orders", order])}>Order ${order}</a>`}
  </p>`;
}
