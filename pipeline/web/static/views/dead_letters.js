// Events that could not be joined and updates that Norce refused: why, what waits behind them, and what can be done.
import { call, path, withQuery } from "../api.js";
import { Action, NeedsRole } from "../action.js";
import { count, eventWords, pretty, words } from "../format.js";
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
  return letter.stage === "join" ? eventWords(letter.event_type || "Event") : `Update for ${words(letter.stage)}`;
}

const COLUMNS = [
  { title: "Key", key: true, cell: (item) => html`<a href=${link(["dead-letters", item.letter])}>${item.key || item.letter}</a>` },
  { title: "What", cell: subject },
  {
    title: "Error",
    cell: (item) => html`<b>${item.error}</b> <span class="quiet small">${item.reason}</span>`,
    wide: true,
  },
  { title: "Since", cell: (item) => html`<${When} at=${item.since} />` },
  { title: "Waiting", cell: (item) => count(item.waiting), number: true },
  { title: "State", cell: (item) => html`<${State} letter=${item} />` },
];

export function DeadLetters({ route, me }) {
  const after = route.query.get("after");
  const subtitle = "Events that could not be joined, and updates that Norce refused. Nothing here is lost.";
  return html`<${Title} subtitle=${subtitle}>Dead letters<//>
    <${NeedsRole} me=${me} role="operator" what="releasing and dropping" />
    <${Load} resource=${withQuery("dead-letters", { after, limit: LIMIT })} every=${10_000} what="the dead letters"
      show=${({ items, next, cut }) => (items.length === 0
        ? html`<${Empty} title="No dead letters">Every event was joined, and Norce refused nothing.<//>`
        : html`<${Table} caption="Dead letters" rows=${items} keyOf=${(item) => item.letter} columns=${COLUMNS} />
          ${cut && html`<p class="quiet">Older ones are not listed;
            see <code>norce-pipeline dead-letters list</code>.</p>`}
          <${Pages} place="dead-letters" after=${after} next=${next} number=${items.length} />`)} />`;
}

export function DeadLetter({ route, me }) {
  const resource = path("dead-letters", route.parts[1]);
  return html`<${Load} resource=${resource} what="the dead letter"
    show=${(letter) => html`<${Whole} letter=${letter} me=${me} resource=${resource} />`} />`;
}

function Whole({ letter, me, resource }) {
  const kind = letter.key && (letter.stage === "join" ? KIND_OF[letter.kind] : "orders");
  const { source, trace, attempt } = letter.record ?? {};
  return html`<${Title} over="Dead letter" aside=${html`<${State} letter=${letter} />`}>
      ${letter.key || letter.letter}
    <//>
    <${Section} id="why" title=${letter.error}>
      <p>${letter.reason}</p>
      <${Facts} facts=${[
        ["What", subject(letter)],
        ["Since", html`<${When} at=${letter.since} exact />`],
        ["Waiting behind it", count(letter.waiting)],
        ["Tries", letter.tries ? count(letter.tries) : null],
        ["Key", kind ? html`<a href=${link([kind, letter.key])}>${letter.key}</a>` : letter.key],
        ["Place", letter.place],
        ["Letter", html`<${Copy} text=${letter.letter} />`],
      ]} />
      <${Buttons} letter=${letter} me=${me} resource=${resource} />
    <//>
    <${Part} id="resolutions" title="What was done" value=${letter.resolutions} />
    ${source && html`<${Section} id="body" title="What came" note="Personal data is masked">
      <pre tabindex="0" aria-label="Body">${pretty(source.value)}</pre>
      ${source.headers && html`<details><summary>Headers</summary><${Value} value=${source.headers} /></details>`}<//>`}
    <${Part} id="attempt" title="The last call to Norce" value=${attempt} />
    <${Part} id="waits" title="What waits behind it" value=${letter.waits} />
    ${trace && html`<${Section} id="trace" title="Where it failed">
      <pre tabindex="0" aria-label="Trace">${[trace].flat().join("\n")}</pre>
    <//>`}`;
}

/** A section with a value, if there is one. */
function Part({ id, title, value }) {
  if (!value || value.length === 0) return null;
  return html`<${Section} id=${id} title=${title}><${Value} value=${value} /><//>`;
}

function Buttons({ letter, me, resource }) {
  if (!UNSETTLED.includes(letter.state)) return html`<p class="quiet">Nothing is left to do about it.</p>`;
  if (!me.roles.includes("operator")) {
    return html`<${NeedsRole} me=${me} role="operator" what="releasing and dropping" />`;
  }
  const run = (verb, how) => (reason) => call(`${resource}/${verb}`, { method: "POST", body: { reason, ...how } });
  return html`<div class="buttons start">
      ${letter.releasable !== false && html`<${Action} label="Release …" icon="go" title="Release this letter?"
        confirm="Release" explain=${releasing(letter)} run=${run("release")} done=${toTheList} />`}
      <${Action} label="Drop …" icon="stop" tone="danger" title="Drop this letter?"
        confirm="Drop for good" explain=${dropping(letter)} run=${run("drop")} done=${toTheList} />
      ${letter.state === "parked" && letter.waiting > 0 && html`<${Action} label="Drop everything behind it too …"
        icon="stop" tone="danger" title=${`Drop all ${count(letter.waiting + 1)} events?`} confirm="Drop all for good"
        explain=${droppingAll(letter)} run=${run("drop", { everything: true })} done=${toTheList} />`}
    </div>
    ${letter.releasable === false && html`<p class="quiet">
      It names no key to be joined under, so it can be dropped only.</p>`}`;
}

/** The letter is settled after it, or a worker still has to carry it out. */
function toTheList() {
  location.hash = "#/dead-letters";
}

/** What a release will do, in plain words. */
function releasing({ state, key, waiting }) {
  if (state !== "parked") {
    return html`<p>The newest state of <code>${key}</code> is sent to Norce again. Norce may refuse it again;
      then a new letter appears here.</p>`;
  }
  const then = waiting === 1 ? "the event that waits" : `the ${count(waiting)} events that wait`;
  return html`<p>The event of <code>${key}</code> is joined again, as if it came now
      ${waiting > 0 && ` and then ${then} behind it, in order`}.</p>
    <p>Do this once the cause is mended. If the event fails again, the key stays parked and nothing is lost.</p>`;
}

/** What dropping it will do, in plain words. */
function dropping({ state, key, letter, waiting }) {
  const kept = html`<p>What was dropped stays named in the log of resolutions.</p>`;
  if (state !== "parked") {
    return html`<p>The letter of <code>${key || letter}</code> is <b>given up for good</b>. What it holds reaches
      no record and no side of Norce, unless something later of the same key says it.</p>${kept}`;
  }
  const then = waiting === 1 ? "The event that waits is" : `The ${count(waiting)} events that wait behind it are`;
  return html`<p>The event of <code>${key}</code> is <b>given up for good</b>: the record will never know of it.
      ${waiting > 0 && ` ${then} then joined in order.`}</p>${kept}`;
}

/** What dropping it and all that waits behind it will do, in plain words. */
function droppingAll({ key, waiting }) {
  const behind = waiting === 1 ? "the event that waits" : `the ${count(waiting)} events that wait`;
  return html`<p>The event of <code>${key}</code> and ${behind} behind it are <b>given up for good</b>, and so is what
      joins the queue until a worker has carried this out. The record will never know of them.</p>
    <p>Later events of the key are joined again, onto what the record was before.</p>
    <p>What was dropped stays named in the log of resolutions.</p>`;
}
