// Alerts, the worst first, with filters. What is loaded is filtered here; more is loaded on request.
import { call, withQuery } from "../api.js";
import { count, words } from "../format.js";
import { Component, html } from "../html.js";
import { Empty, Load, Trouble } from "../load.js";
import { Icon, Title } from "../parts.js";
import { link } from "../route.js";
import { ALERTS, KIND_OF, meaning, SEVERITIES } from "../words.js";
import { Alert } from "./entity.js";

const LIMIT = 200;
const STATES = [["open", "Open"], ["closed", "Closed"]];

export function Alerts({ route }) {
  const state = route.query.get("state") === "closed" ? "closed" : "open";
  const chosen = { state: state === "open" ? null : state, severity: route.query.get("severity"), kind: route.query.get("kind") };
  return html`<${Title} subtitle="What somebody should look at. An alert closes by itself once it is so no more.">Alerts<//>
    <nav class="tabs" aria-label="State">${STATES.map(([name, text]) => html`<a href=${link(["alerts"], { ...chosen, state: name === "open" ? null : name })}
      aria-current=${name === state ? "page" : undefined}>${text}</a>`)}</nav>
    <${Load} key=${state} resource=${withQuery("alerts", { state, limit: LIMIT })} every=${10_000} what="the alerts"
      show=${(data) => html`<${Pile} first=${data} state=${state} chosen=${chosen} />`} />`;
}

/** The first page, which is kept up to date, and the further ones that were asked for. */
class Pile extends Component {
  state = { more: [], next: undefined, error: null, asking: false };

  load = async () => {
    this.setState({ asking: true, error: null });
    try {
      const after = this.state.next ?? this.props.first.next;
      const page = await call(withQuery("alerts", { state: this.props.state, limit: LIMIT, after }));
      this.setState(({ more }) => ({ more: [...more, ...page.items], next: page.next, asking: false }));
    } catch (error) {
      this.setState({ error, asking: false });
    }
  };

  render({ first, state, chosen }, { more, next, error, asking }) {
    const known = new Set();
    const loaded = [...first.items, ...more].filter((alert) => !known.has(alert.id) && known.add(alert.id));
    const wanted = loaded.filter((alert) => (!chosen.severity || alert.severity === chosen.severity) && (!chosen.kind || alert.kind === chosen.kind));
    const shown = wanted.sort((one, other) => rank(one) - rank(other) || other.opened_at.localeCompare(one.opened_at));
    const further = next === undefined ? first.next : next;
    if (loaded.length === 0) {
      return html`<${Empty} title=${state === "open" ? "No alert is open" : "No alert was closed yet"}>
        ${state === "open" ? "Nothing needs a look at the moment." : "Closed alerts are kept here."}<//>`;
    }
    return html`<${Filters} loaded=${loaded} chosen=${chosen} />
      <p class="quiet" role="status">${count(shown.length)} of ${count(loaded.length)} alerts${further ? " loaded so far" : ""}</p>
      <ul class="alerts">${shown.map((alert) => html`<li key=${alert.id}><${Alert} alert=${alert}><${Subject} alert=${alert} /><//></li>`)}</ul>
      ${shown.length === 0 && html`<${Empty} title="None of these" icon="search">No loaded alert fits the filter.<//>`}
      ${error && html`<${Trouble} error=${error} retry=${this.load} />`}
      ${further && html`<p><button type="button" disabled=${asking} onClick=${this.load}>${asking ? "Loading …" : "Load more"}</button></p>`}`;
  }
}

function rank(alert) {
  const place = Object.keys(SEVERITIES).indexOf(alert.severity);
  return place < 0 ? 99 : place;
}

function Filters({ loaded, chosen }) {
  const severities = Object.keys(SEVERITIES);
  const kinds = [...new Set(loaded.map((alert) => alert.kind))].sort();
  const number = (field, value) => loaded.filter((alert) => alert[field] === value).length;
  const chip = (field, value, text, icon) => html`<a key=${value} class="chip" aria-current=${(chosen[field] ?? null) === value ? "true" : undefined}
    href=${link(["alerts"], { ...chosen, [field]: value })}>${icon && html`<${Icon} name=${icon} />`}${text}
    ${value && html` <span class="quiet">${count(number(field, value))}</span>`}</a>`;
  return html`<nav class="chips" aria-label="Severity">${chip("severity", null, "All severities")}
      ${severities.map((name) => chip("severity", name, SEVERITIES[name][0]))}</nav>
    ${kinds.length > 1 && html`<nav class="chips" aria-label="Kind">${chip("kind", null, "All kinds")}
      ${kinds.map((name) => chip("kind", name, meaning(ALERTS, name, words)[0]))}</nav>`}`;
}

function Subject({ alert }) {
  const kind = KIND_OF[alert.subject];
  return html`<p class="links">
    ${kind && html`<a href=${link([kind, alert.subject_key])}>${words(alert.subject)} ${alert.subject_key}</a>`}
    ${!kind && html`<span>${words(alert.subject)} ${alert.subject_key}</span>`}
    ${alert.order_key && alert.order_key !== alert.subject_key && html`<a href=${link(["orders", alert.order_key])}>Order ${alert.order_key}</a>`}
  </p>`;
}
