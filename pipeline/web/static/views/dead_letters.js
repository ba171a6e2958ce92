// Events that could not be joined and updates that Norce refused: why, what waits behind them, and what can be done.
import { call, path, withQuery } from "../api.js";
import { Action, NeedsRole } from "../action.js";
import { count, eventWords } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Copy, Facts, Pages, Section, Table, Title, Value, When } from "../parts.js";
import { link } from "../route.js";
import { KIND_OF } from "../words.js";

const LIMIT = 50;

function State({ letter }) {
  return letter.state === "parked"
    ? html`<${Badge} tone="bad" title="Later events of this key wait behind it">parked<//>`
    : html`<${Badge} tone="warn" title="Nothing waits behind it">dead<//>`;
}

export function DeadLetters({ route, me }) {
  const after = route.query.get("after");
  return html`<${Title} subtitle="Events that could not be joined, and updates that Norce refused. Nothing here is lost.">Dead letters<//>
    <${NeedsRole} me=${me} role="operator" what="releasing and dropping" />
    <${Load} resource=${withQuery("dead-letters", { after, limit: LIMIT })} every=${10_000} what="the dead letters"
      show=${({ items, next }) => (items.length === 0
        ? html`<${Empty} title="No dead letters">Every event was joined, and Norce refused nothing.<//>`
        : html`<${Table} caption="Dead letters" rows=${items} keyOf=${(item) => item.letter} columns=${[
            { title: "Key", cell: (item) => html`<a href=${link(["dead-letters", item.letter])}>${item.key || item.letter}</a>` },
            { title: "What", cell: (item) => eventWords(item.event_type ?? item.kind) },
            { title: "Error", cell: (item) => html`<b>${item.error}</b> <span class="quiet small">${item.reason}</span>`, wide: true },
            { title: "Since", cell: (item) => html`<${When} at=${item.since} />` },
            { title: "Waiting", cell: (item) => count(item.waiting), number: true },
            { title: "State", cell: (item) => html`<${State} letter=${item} />` },
          ]} />
          <${Pages} after=${after} next=${next} shown=${`${items.length} on this page`} linkTo=${(cursor) => link(["dead-letters"], { after: cursor })} />`)} />`;
}

export function DeadLetter({ route, me }) {
  const resource = path("dead-letters", route.parts[1]);
  return html`<${Load} resource=${resource} what="the dead letter"
    show=${(letter) => html`<${Whole} letter=${letter} me=${me} resource=${resource} />`} />`;
}

function Whole({ letter, me, resource }) {
  const kind = KIND_OF[letter.kind];
  return html`<${Title} over="Dead letter" aside=${html`<${State} letter=${letter} />`}>${letter.key || letter.letter}<//>
    <${Section} id="why" title=${letter.error}>
      <p>${letter.reason}</p>
      <${Facts} facts=${[
        ["What", letter.event_type ?? letter.kind],
        ["Since", html`<${When} at=${letter.since} exact />`],
        ["Waiting behind it", `${count(letter.waiting)} ${letter.waiting === 1 ? "event" : "events"}`],
        ["Key", kind ? html`<a href=${link([kind, letter.key])}>${letter.key}</a>` : letter.key],
        ["Letter", html`<${Copy} text=${letter.letter} />`],
      ]} />
      <${Buttons} letter=${letter} me=${me} resource=${resource} />
    <//>
    <${Section} id="body" title="Body" note="Personal data is masked"><${Value} value=${letter.body} /><//>
    <${Section} id="headers" title="Headers"><${Value} value=${letter.headers} /><//>`;
}

function Buttons({ letter, me, resource }) {
  if (!me.roles.includes("operator")) return html`<${NeedsRole} me=${me} role="operator" what="releasing and dropping" />`;
  const run = (verb) => async (reason) => (await call(`${resource}/${verb}`, { method: "POST", body: { reason } })).message;
  const { release, drop } = explanations(letter);
  return html`<div class="buttons start">
    <${Action} label="Release …" icon="go" title="Release this letter?" confirm="Release" explain=${release} run=${run("release")} done=${toTheList} />
    <${Action} label="Drop …" icon="stop" tone="danger" title="Drop this letter?" confirm="Drop for good" explain=${drop} run=${run("drop")} done=${toTheList} />
  </div>`;
}

/** The letter may be gone after it. */
function toTheList() {
  location.hash = "#/dead-letters";
}

/** What release and drop will do, in plain words. */
function explanations(letter) {
  const key = html`<code>${letter.key || letter.letter}</code>`;
  if (letter.state === "parked") {
    const waiting = letter.waiting === 1 ? "the event that waits" : `the ${count(letter.waiting)} events that wait`;
    return {
      release: html`<p>The event of ${key} is joined again, as if it came now, and then ${waiting} behind it, in order.</p>
        <p>Do this once the cause is mended. If the event fails again, the key stays parked and nothing is lost.</p>`,
      drop: html`<p>The event of ${key} is <b>given up for good</b>: the record will never know of it. Then ${waiting} behind it
        ${letter.waiting === 1 ? "is" : "are"} joined in order.</p><p>What was dropped stays named in the log of resolutions.</p>`,
    };
  }
  return {
    release: html`<p>The newest state of ${key} is sent to Norce again. Norce may refuse it again; then a new letter appears here.</p>`,
    drop: html`<p>This letter of ${key} is <b>given up</b>. Norce is not told what it holds, unless a later update of the same key says it.</p>
      <p>What was dropped stays named in the log of resolutions.</p>`,
  };
}
