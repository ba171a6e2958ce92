// Events that could not be joined and updates that Norce refused: why, what waits behind them, and what can be done.
import { call, path, withQuery } from "../api.js";
import { Action, NeedsRole } from "../action.js";
import { count, eventWords, words } from "../format.js";
import { html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Copy, Facts, Pages, Section, Table, Title, Value, When } from "../parts.js";
import { link } from "../route.js";
import { KIND_OF, LETTERS, meaning } from "../words.js";

const LIMIT = 50;
const UNSETTLED = ["parked", "open"];

function State({ letter }) {
  const [text, tone, help] = meaning(LETTERS, letter.state, words);
  return html`<${Badge} tone=${tone} title=${help}>${text}<//>`;
}

/** What it is about: an event by its type, a refused update by the side that refused it. */
function subject(letter) {
  return letter.stage === "join" || !letter.stage ? eventWords(letter.event_type || "Event") : `Update for ${words(letter.stage)}`;
}

export function DeadLetters({ route, me }) {
  const after = route.query.get("after");
  return html`<${Title} subtitle="Events that could not be joined, and updates that Norce refused. Nothing here is lost.">Dead letters<//>
    <${NeedsRole} me=${me} role="operator" what="releasing and dropping" />
    <${Load} resource=${withQuery("dead-letters", { after, limit: LIMIT })} every=${10_000} what="the dead letters"
      show=${({ items, next, cut }) => (items.length === 0
        ? html`<${Empty} title="No dead letters">Every event was joined, and Norce refused nothing.<//>`
        : html`<${Table} caption="Dead letters" rows=${items} keyOf=${(item) => item.letter} columns=${[
            { title: "Key", cell: (item) => html`<a href=${link(["dead-letters", item.letter])}>${item.key || item.letter}</a>` },
            { title: "What", cell: subject },
            { title: "Error", cell: (item) => html`<b>${item.error}</b> <span class="quiet small">${item.reason}</span>`, wide: true },
            { title: "Since", cell: (item) => html`<${When} at=${item.since} />` },
            { title: "Waiting", cell: (item) => count(item.waiting), number: true },
            { title: "State", cell: (item) => html`<${State} letter=${item} />` },
          ]} />
          ${cut && html`<p class="quiet">Older ones are not listed; <code>norce-pipeline dead-letters list</code> has all.</p>`}
          <${Pages} after=${after} next=${next} shown=${`${items.length} on this page`} linkTo=${(cursor) => link(["dead-letters"], { after: cursor })} />`)} />`;
}

export function DeadLetter({ route, me }) {
  const resource = path("dead-letters", route.parts[1]);
  return html`<${Load} resource=${resource} what="the dead letter"
    show=${(letter) => html`<${Whole} letter=${letter} me=${me} resource=${resource} />`} />`;
}

function Whole({ letter, me, resource }) {
  const kind = KIND_OF[letter.kind] ?? (letter.stage === "join" ? undefined : "orders");
  const { source, trace, attempt } = letter.record ?? {};
  return html`<${Title} over="Dead letter" aside=${html`<${State} letter=${letter} />`}>${letter.key || letter.letter}<//>
    <${Section} id="why" title=${letter.error}>
      <p>${letter.reason}</p>
      <${Facts} facts=${[
        ["What", subject(letter)],
        ["Since", html`<${When} at=${letter.since} exact />`],
        ["Waiting behind it", `${count(letter.waiting)} ${letter.waiting === 1 ? "event" : "events"}`],
        ["Tries", letter.tries ? count(letter.tries) : null],
        ["Key", kind && letter.key ? html`<a href=${link([kind, letter.key])}>${letter.key}</a>` : letter.key],
        ["Place", letter.place],
        ["Letter", html`<${Copy} text=${letter.letter} />`],
      ]} />
      <${Buttons} letter=${letter} me=${me} resource=${resource} />
    <//>
    ${letter.resolutions?.length > 0 && html`<${Section} id="resolutions" title="What was done"><${Value} value=${letter.resolutions} /><//>`}
    ${source && html`<${Section} id="body" title="What came" note="Personal data is masked">
      <pre tabindex="0" aria-label="Body">${pretty(source.value)}</pre>
      ${source.headers && html`<details><summary>Headers</summary><${Value} value=${source.headers} /></details>`}<//>`}
    ${attempt && html`<${Section} id="attempt" title="The last call to Norce"><${Value} value=${attempt} /><//>`}
    ${letter.waits?.length > 0 && html`<${Section} id="waits" title="What waits behind it"><${Value} value=${letter.waits} /><//>`}
    ${trace && html`<${Section} id="trace" title="Where it failed"><pre tabindex="0" aria-label="Trace">${Array.isArray(trace) ? trace.join("\n") : pretty(trace)}</pre><//>`}`;
}

/** JSON with line breaks; anything else as it is. */
function pretty(value) {
  try {
    return JSON.stringify(typeof value === "string" ? JSON.parse(value) : value, null, 2);
  } catch {
    return String(value);
  }
}

function Buttons({ letter, me, resource }) {
  if (!UNSETTLED.includes(letter.state)) return html`<p class="quiet">Nothing is left to do about it.</p>`;
  if (!me.roles.includes("operator")) return html`<${NeedsRole} me=${me} role="operator" what="releasing and dropping" />`;
  const run = (verb) => (reason) => call(`${resource}/${verb}`, { method: "POST", body: { reason } });
  const { release, drop } = explanations(letter);
  return html`<div class="buttons start">
      ${letter.releasable !== false && html`<${Action} label="Release …" icon="go" title="Release this letter?" confirm="Release" explain=${release} run=${run("release")} done=${toTheList} />`}
      <${Action} label="Drop …" icon="stop" tone="danger" title="Drop this letter?" confirm="Drop for good" explain=${drop} run=${run("drop")} done=${toTheList} />
    </div>
    ${letter.releasable === false && html`<p class="quiet">It names no key to be joined under, so it can be dropped only.</p>`}`;
}

/** The letter is settled after it, or a worker still has to carry it out. */
function toTheList() {
  location.hash = "#/dead-letters";
}

/** What release and drop will do, in plain words. */
function explanations(letter) {
  const key = html`<code>${letter.key || letter.letter}</code>`;
  if (letter.state === "parked") {
    const { waiting } = letter;
    const behind = waiting === 0 ? "" : `, and then ${waiting === 1 ? "the event that waits" : `the ${count(waiting)} events that wait`} behind it, in order`;
    return {
      release: html`<p>The event of ${key} is joined again, as if it came now${behind}.</p>
        <p>Do this once the cause is mended. If the event fails again, the key stays parked and nothing is lost.</p>`,
      drop: html`<p>The event of ${key} is <b>given up for good</b>: the record will never know of it.
        ${waiting > 0 && ` ${waiting === 1 ? "The event that waits behind it is" : `The ${count(waiting)} events that wait behind it are`} then joined in order.`}</p>
        <p>What was dropped stays named in the log of resolutions.</p>`,
    };
  }
  return {
    release: html`<p>The newest state of ${key} is sent to Norce again. Norce may refuse it again; then a new letter appears here.</p>`,
    drop: html`<p>This letter of ${key} is <b>given up for good</b>. What it holds reaches no record and no side of Norce, unless something later
        of the same key says it.</p>
      <p>What was dropped stays named in the log of resolutions.</p>`,
  };
}
