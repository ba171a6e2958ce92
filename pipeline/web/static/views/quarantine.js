// Bodies that fit no event model. Chosen ones are tried again as the connector would take them now.
import { call, path, withQuery } from "../api.js";
import { Action, NeedsRole } from "../action.js";
import { count, NONE, pretty, words } from "../format.js";
import { Component, html } from "../html.js";
import { Empty, Load } from "../load.js";
import { Badge, Copy, Facts, Pages, Section, Table, Title, Value, When } from "../parts.js";
import { link } from "../route.js";
import { REASONS } from "../words.js";

const LIMIT = 50;
const TAKEN = "retried"; // what this state is in is an event by now
const HIDDEN = "***"; // stands for a body that is hidden as a whole

const PLACE = { title: "Place", cell: (item) => html`<a href=${link(["quarantine", item.id])}>${item.id}</a>` };
const COLUMNS = [
  { title: "Posted as", cell: (item) => item.asked_type || NONE },
  { title: "Reason", cell: reason, wide: true },
  { title: "Received", cell: (item) => html`<${When} at=${item.at} />` },
  { title: "State", cell: state },
];

function reason(item) {
  const where = item.where && !item.detail.startsWith(item.where) && html` <code>${item.where}</code>`;
  return html`<b>${because(item)}</b> <span class="quiet small part">${item.detail}${where}</span>`;
}

function because(item) {
  return Object.hasOwn(REASONS, item.reason) ? REASONS[item.reason] : words(item.reason);
}

function state(item) {
  return html`<${Badge} tone=${item.state === TAKEN ? "good" : "warn"}>${words(item.state).toLowerCase()}<//>`;
}

export function Quarantine({ route, me }) {
  const after = route.query.get("after");
  const subtitle = "Bodies that Norce posted and that fit no event model. They are kept as they came.";
  return html`<${Title} subtitle=${subtitle}>Quarantine<//>
    <${NeedsRole} me=${me} role="operator" what="retrying" />
    <${Load} resource=${withQuery("quarantine", { after, limit: LIMIT })} every=${10_000} what="the quarantine"
      show=${(page, reload) => html`<${Bodies} page=${page} after=${after} me=${me} reload=${reload} />`} />`;
}

class Bodies extends Component {
  state = { chosen: new Set() };

  choose(ids, wanted) {
    const chosen = new Set(this.state.chosen);
    for (const id of ids) {
      if (wanted) chosen.add(id);
      else chosen.delete(id);
    }
    this.setState({ chosen });
  }

  retry = async (reason) => {
    const ids = this.wanted().map((item) => item.id);
    const answer = await call("quarantine/retry", { method: "POST", body: { ids, reason } });
    return { message: answer.message, done: answer.refused === 0 };
  };

  done = () => {
    this.setState({ chosen: new Set() });
    this.props.reload();
  };

  /** What is chosen and not taken yet, on this page. */
  wanted() {
    return this.props.page.items.filter((item) => item.state !== TAKEN && this.state.chosen.has(item.id));
  }

  render({ page, after, me }, { chosen }) {
    const { items, next, cut } = page;
    if (items.length === 0) {
      return html`<${Empty} title="Quarantine is empty" icon="jar">Every body that came fits an event model.<//>`;
    }
    const may = me.roles.includes("operator");
    const choose = (item) => item.state !== TAKEN && html`<input type="checkbox" aria-label=${`Choose ${item.id}`}
      checked=${chosen.has(item.id)} onChange=${(event) => this.choose([item.id], event.target.checked)} />`;
    const columns = may ? [PLACE, { title: "Choose", cell: choose }, ...COLUMNS] : [PLACE, ...COLUMNS];
    return html`${may && this.actions()}
      <${Table} caption="Bodies in quarantine" rows=${items} keyOf=${(item) => item.id} columns=${columns} />
      ${cut && html`<p class="quiet">Older ones are not listed; see <code>norce-pipeline quarantine list</code>.</p>`}
      <${Pages} place="quarantine" after=${after} next=${next} number=${items.length} />`;
  }

  actions() {
    const left = this.props.page.items.filter((item) => item.state !== TAKEN).map((item) => item.id);
    const number = this.wanted().length;
    const all = number > 0 && number === left.length;
    return html`<div class="buttons start">
      <label class="chip">
        <input type="checkbox" disabled=${left.length === 0} checked=${all}
          onChange=${(event) => this.choose(left, event.target.checked)} />
        All that wait on this page
      </label>
      <${Action} label=${number ? `Retry ${number} …` : "Retry …"} icon="repeat" disabled=${number === 0}
        confirm="Retry" title=${number === 1 ? "Retry one body?" : `Retry ${number} bodies?`} explain=${retrying(number)}
        run=${this.retry} done=${this.done} />
    </div>`;
  }
}

/** What a retry will do, in plain words. */
function retrying(number) {
  return html`<p>
      ${number === 1 ? "The body is" : `Each of the ${number} bodies is`} checked again,
      as the connector would take it now.
    </p>
    <p>What fits becomes an event with its own id and time of receipt, and is joined like any other. What still does not
      fit stays here, with the reason it has now. Retrying twice counts once.</p>`;
}

export function Body({ route, me }) {
  const resource = path("quarantine", route.parts[1]);
  return html`<${Load} resource=${resource} what="the body"
    show=${(item, reload) => html`<${Whole} item=${item} me=${me} resource=${resource} reload=${reload} />`} />`;
}

function Whole({ item, me, resource, reload }) {
  const run = async (reason) => {
    const answer = await call("quarantine/retry", { method: "POST", body: { ids: [item.id], reason } });
    return { message: answer.message, done: answer.refused === 0 };
  };
  return html`<${Title} over="Body in quarantine" aside=${state(item)}>${item.asked_type || item.id}<//>
    <${Section} id="why" title=${because(item)}>
      <p>${item.detail}</p>
      <${Facts} facts=${[
        ["Where in it", item.where && html`<code>${item.where}</code>`],
        ["Received", html`<${When} at=${item.at} exact />`],
        ["Posted as", item.asked_type],
        ["Topic", item.topic],
        ["Partition and offset", html`<${Copy} text=${item.id} />`],
        ["Id", item.ce_id && html`<${Copy} text=${item.ce_id} />`],
        ["Size", `${count(item.bytes)} bytes`],
      ]} />
      ${item.state === TAKEN && html`<p class="quiet">It is an event by now; nothing is left to do about it.</p>`}
      ${item.state !== TAKEN && me.roles.includes("operator") && html`<div class="buttons start">
        <${Action} label="Retry …" icon="repeat" confirm="Retry" title="Retry this body?" explain=${retrying(1)}
          run=${run} done=${reload} />
      </div>`}
      <${NeedsRole} me=${me} role="operator" what="retrying" />
    <//>
    <${Content} masked=${item.body} me=${me} resource=${resource} />
    <${Section} id="headers" title="Headers"><${Table} caption="Headers" keyOf=${([name]) => name}
      rows=${Object.entries(item.headers)} columns=${HEADERS} /><//>
    ${item.retries.length > 0 && html`<${Section} id="retries" title="What was tried">
      <${Value} value=${item.retries} />
    <//>`}`;
}

const HEADERS = [
  { title: "Name", cell: ([name]) => html`<code>${name}</code>` },
  { title: "Value", cell: ([, value]) => value, wide: true },
];

/** The body, masked until somebody who may asks for it as it came. */
class Content extends Component {
  state = { body: null, error: null, asking: false };

  reveal = async () => {
    this.setState({ asking: true, error: null });
    try {
      const { body } = await call(`${this.props.resource}/body`);
      this.setState({ body, asking: false });
    } catch (error) {
      this.setState({ error: error.message, asking: false });
    }
  };

  render({ masked, me }, { body, error, asking }) {
    const may = me.roles.includes("privacy");
    const note = body === null ? "Personal data is masked" : "As it came; that you looked is recorded";
    return html`<${Section} id="body" title="Body" note=${note}>
      ${body === null && masked === HIDDEN && html`<p>It is no JSON object, so nobody can tell what in it is personal.
        It is hidden as a whole.</p>`}
      <pre tabindex="0" aria-label="Body">${pretty(body ?? masked)}</pre>
      ${may && body === null && html`<div class="buttons start">
        <button type="button" disabled=${asking} onClick=${this.reveal}>Show it as it came</button>
        <span class="quiet small">That you looked is recorded.</span></div>`}
      ${me.known && !may && html`<p class="quiet">Masked. Seeing it as it came needs the role <b>privacy</b>.</p>`}
      ${error && html`<p class="error" role="alert">${error}</p>`}
    <//>`;
  }
}
