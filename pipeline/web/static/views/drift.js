// What Norce sends and the event models do not document.
import { eventWords, words } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Facts, Title, Value, When } from "../parts.js";

const KINDS = {
  added: ["New field", "info"],
  retyped: ["Another type", "warn"],
  missing: ["Field missing", "warn"],
  refused: ["Value refused", "bad"],
  stopped: ["Field stopped coming", "warn"],
  unknown_type: ["Unknown event type", "bad"],
  too_many: ["Too many shapes", "warn"],
};

export function Drift() {
  const subtitle = "Where Norce's bodies differ from the documented ones: names and types, never values.";
  return html`<${Title} subtitle=${subtitle}>Drift<//>
    <${Load} resource="drift" every=${30_000} what="the reports" show=${({ items }) => (items.length === 0
      ? html`<${Empty} title="No drift" icon="drift">Norce sends what it documents.<//>`
      : items.map((report) => html`<${Report} key=${report.id} report=${report} />`))} />`;
}

function Report({ report }) {
  const [title, tone] = KINDS[report.kind] ?? [words(report.kind), "quiet"];
  return html`<article class="card">
    <header><h2>${eventWords(report.event_type)} <span class="quiet">·</span> <code>${report.field}</code></h2>
      <${Badge} tone=${tone}>${title}<//></header>
    <p>${withCode(report.suggestion)}</p>
    <${Facts} facts=${[
      ["Event type", report.event_type],
      ["Documented as", documented(report.documented)],
      ["Observed", html`<code>${JSON.stringify(report.observed)}</code>`],
      ["Rule", report.rule],
      ["Taken as an event", report.quarantined ? "no, it is in quarantine" : "yes"],
      ["First seen", html`<${When} at=${report.first_seen_at} exact />`],
      ["First body", `${report.source.topic}/${report.source.partition}/${report.source.offset}`],
    ]} />
    <details><summary>Shape of the whole body</summary><${Value} value=${report.example} /></details>
  </article>`;
}

/** Text in which code stands between backticks. */
function withCode(text) {
  return text.split("`").map((part, place) => (place % 2 ? html`<code>${part}</code>` : part));
}

function documented(field) {
  if (!field) return "nothing";
  return `${field.types.join(" or ")}, ${field.required ? "always there" : "may be absent"}`;
}
