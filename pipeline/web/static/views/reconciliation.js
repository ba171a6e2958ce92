// What each comparison with Commerce Query found: events that never came, and differences that no event can mend.
import { count, words } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Banner, Facts, Table, Title, When } from "../parts.js";
import { link } from "../route.js";

export function Reconciliation() {
  const subtitle = "Our orders compared with Norce's, newest first. Events that never came are published.";
  return html`<${Title} subtitle=${subtitle}>Reconciliation<//>
    <${Load} resource="reconciliation" every=${30_000} what="the reports" show=${({ items }) => (items.length === 0
      ? html`<${Empty} title="No comparison was made yet" icon="scales">
          Run <code>norce-pipeline reconcile</code> once an hour or a day.<//>`
      : items.map((sweep) => html`<${Sweep} key=${sweep.id} sweep=${sweep} />`))} />`;
}

function Sweep({ sweep }) {
  const published = Object.entries(sweep.published);
  const differences = Object.entries(sweep.differences);
  const [tone, verdict] = judged(sweep.complete, differences.length);
  return html`<article class="card">
    <header><h2><${When} at=${sweep.finished_at} exact /></h2>
      <${Badge} tone=${tone}>${verdict}<//></header>
    ${sweep.problem && html`<${Banner} tone="bad" icon="stop">${sweep.problem}<//>`}
    <${Facts} facts=${[
      ["Changed from", html`<${When} at=${sweep.changed_since} exact />`],
      ["Changed until", html`<${When} at=${sweep.changed_before} exact />`],
      ["Compared", `${count(sweep.orders)} orders`],
      ["Never heard of", count(sweep.orders_unheard)],
      ["Mended", count(sweep.orders_mended)],
      ["Failed runs compared", sweep.failed_runs === null ? null : count(sweep.failed_runs)],
      ["Shops", sweep.applications.join(", ")],
    ]} />
    ${published.length > 0 && html`<h3>Missing events that were published</h3><${Numbers} pairs=${published} />`}
    ${differences.length > 0 && html`<h3>Differences that no event can mend</h3><${Numbers} pairs=${differences} />`}
    ${sweep.listed.length > 0 && html`<details><summary>The first ${count(sweep.listed.length)} differences</summary>
      <${Table} caption="Differences" rows=${sweep.listed} columns=${[
        { title: "Order", cell: (item) => html`<a href=${link(["orders", item.key])}>${item.key}</a>` },
        { title: "What", cell: (item) => words(item.kind) },
        { title: "Of", cell: (item) => item.item ?? "–" },
        { title: "Ours", cell: (item) => item.ours ?? "–" },
        { title: "Norce's", cell: (item) => item.norce ?? "–" },
      ]} /></details>`}
    ${sweep.not_compared.length > 0 && html`<details><summary>What this comparison could not tell</summary>
      <ul>${sweep.not_compared.map((line) => html`<li>${line}</li>`)}</ul></details>`}
  </article>`;
}

function judged(complete, differences) {
  if (!complete) return ["bad", "not finished"];
  return differences > 0 ? ["warn", "complete, with differences"] : ["good", "complete, no differences"];
}

function Numbers({ pairs }) {
  const items = pairs.map(([name, number]) => html`<li key=${name}>${words(name)} <b>${count(number)}</b></li>`);
  return html`<ul class="legend">${items}</ul>`;
}
