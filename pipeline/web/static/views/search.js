// Results of the search. One hit goes straight to it.
import { withQuery } from "../api.js";
import { words } from "../format.js";
import { html } from "../html.js";
import { Load } from "../load.js";
import { Badge, Banner, Icon, Table, Title, When } from "../parts.js";
import { link } from "../route.js";
import { KINDS, meaning, STATUSES } from "../words.js";

export function Search({ route }) {
  const wanted = route.query.get("q") ?? "";
  if (!wanted) return html`<${Title}>Search<//><p class="quiet">Write a reference into the field above.</p>`;
  return html`<${Title} subtitle=${html`for <code>${wanted}</code>`}>Search<//>
    <${Load} resource=${withQuery("search", { q: wanted })} what="the results" onData=${goToOnlyOne}
      show=${(data) => html`<${Results} data=${data} wanted=${wanted} />`} />`;
}

/** The address of the search is replaced, so that Back leads to where the search began. */
function goToOnlyOne({ results, complete }) {
  if (results.length === 1 && complete) location.replace(link([results[0].kind, results[0].key]));
}

function Results({ data, wanted }) {
  const partial = !data.complete && html`<${Banner} tone="warn" icon="move" role="status">
    Not every worker answered, so there may be more. Search again in some seconds.<//>`;
  if (data.results.length === 0) return html`${partial}<${Nothing} wanted=${wanted} />`;
  return html`${partial}
    <p class="quiet" role="status">${data.results.length === 1 ? "One record" : `${data.results.length} records`}</p>
    <${Table} caption="Records with this reference" rows=${data.results} columns=${[
      { title: "Record", cell: (hit) => html`<a href=${link([hit.kind, hit.key])}>${hit.title || hit.key}</a>` },
      { title: "Kind", cell: (hit) => meaning(KINDS, hit.kind, words)[1] },
      { title: "Found by", cell: (hit) => words(hit.matched) },
      { title: "Key", cell: (hit) => html`<code>${hit.key}</code>`, wide: true },
      { title: "Status", cell: (hit) => hit.status && status(hit.status) },
      { title: "Last change", cell: (hit) => html`<${When} at=${hit.changed_at} />` },
    ]} />`;
}

function status(name) {
  const [text, tone] = meaning(STATUSES, name, words);
  return html`<${Badge} tone=${tone}>${text}<//>`;
}

function Nothing({ wanted }) {
  return html`<div class="state" role="status">
    <${Icon} name="search" />
    <h2>Nothing found</h2>
    <p>No record has the reference <code>${wanted}</code>.</p>
    <div class="quiet help">
      <p>Looked for as order number, basket or client reference, OrderId, payment code, and key of any record.
        What helps:</p>
      <ul>
        <li>Write the whole reference: parts of one are not found.</li>
        <li>An ERP's order number is known only after an event named it; try the basket or the payment code.</li>
        <li>An event that could not be used names no order: look
          into <a href="#/quarantine">quarantine</a> and <a href="#/dead-letters">dead letters</a>.</li>
        <li>Was it posted just now? See on the <a href="#/">overview</a> whether the worker lags behind.</li>
      </ul>
    </div>
  </div>`;
}
