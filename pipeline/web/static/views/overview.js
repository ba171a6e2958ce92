// The stages from the webhook to Norce as a flow, and what the ledger says of everything that went through.
import { count, duration, NONE, rate, words } from "../format.js";
import { Component, html } from "../html.js";
import { Load } from "../load.js";
import { Badge, Banner, Icon, Section, Title, When } from "../parts.js";
import { BREAKERS, meaning, OUTCOMES } from "../words.js";

const EVERY = 2000; // milliseconds
const ALERTS_EVERY = 10_000; // every worker has to be asked for them
const REMEMBERED = 60; // looks, which makes two minutes in the small curves

const COLUMNS = [["webhook"], ["worker"], ["sink-connect", "sink-checkout"]];
const MAIN = {
  webhook: "accepted",
  worker: "events",
  "sink-connect": "delivered",
  "sink-checkout": "delivered",
  lookup: "answered",
};
const APIS = { connect: "Connect", checkout: "Checkout", identity: "Identity", query: "Query" };

export class Overview extends Component {
  state = { curves: {}, alerts: null };

  /** Keeps the main rate of each stage for its curve. */
  remember = (data) => {
    this.setState(({ curves }) => ({
      curves: Object.fromEntries(
        data.stages.map((stage) => {
          const before = curves[stage.name] ?? [];
          return [stage.name, [...before, mainRate(stage)?.[1] ?? null].slice(-REMEMBERED)];
        }),
      ),
    }));
  };

  countAlerts = ({ total }) => this.setState({ alerts: total });

  render(_, { curves, alerts }) {
    return html`<${Title} subtitle="Live: what Norce posts, what becomes of it, and what Norce is told.">
        Overview
      <//>
      <${Load} resource="overview" every=${EVERY} what="the overview" onData=${this.remember}
        show=${(data) => html`<${Flow} data=${data} curves=${curves} alerts=${alerts} />`} />
      <${Load} quiet resource="alerts?limit=1" every=${ALERTS_EVERY} onData=${this.countAlerts} />`;
  }
}

function Flow({ data, curves, alerts }) {
  const stages = new Map(data.stages.map((stage) => [stage.name, stage]));
  const flow = COLUMNS.map((names) => names.filter((name) => stages.has(name))).filter((names) => names.length);
  const inFlow = new Set(COLUMNS.flat());
  const beside = data.stages.filter((stage) => !inFlow.has(stage.name));
  const card = (stage) => html`<${Stage} key=${stage.name} stage=${stage} curve=${curves[stage.name] ?? []} />`;
  return html`<${Attention} data=${data} alerts=${alerts} />
    <section aria-label="Stages" class="flow">
      <div class="end"><${Icon} name="go" /><span>Norce posts</span></div>
      ${flow.map((names) => html`<div class="step">${names.map((name) => card(stages.get(name)))}</div>`)}
      <div class="end"><${Icon} name="check" /><span>Norce knows</span></div>
    </section>
    ${beside.length > 0 && html`<section aria-labelledby="beside">
      <h2 id="beside" class="small">Beside the flow</h2><div class="beside">${beside.map(card)}</div>
    </section>`}
    <${Ledger} ledger=${data.ledger} balance=${data.balance} />
    <p class="quiet small">As of <${When} at=${data.at} exact />.</p>`;
}

/**
 * What somebody should look at, with links; one calm line if nothing is. `alerts` and what waits in quarantine are null
 * until they are counted. Of dead letters the processes tell what went there, not what is left.
 */
function Attention({ data, alerts }) {
  const silent = titles(data.stages, (process) => !process.up);
  const unready = titles(data.stages, (process) => process.up && !process.ready);
  const held = data.stages.some((stage) => Object.values(stage.breakers ?? {}).some((state) => state !== "closed"));
  const inside = data.in_quarantine;
  const bodies = inside === 1 ? "1 body waits" : `${count(inside)} bodies wait`;
  const dead = data.stages.filter((stage) => stage.name !== "webhook").reduce((sum, stage) => sum + stage.errors, 0);
  const parked = `${many(data.parked_keys, "key")} parked, ${many(data.parked_events, "event")} waiting`;
  const items = [
    silent && ["bad", "stop", `${silent}: not every process answers`, null],
    unready && ["warn", "clock", `${unready}: not every process is ready`, null],
    held && ["warn", "clock", "Calls to Norce are held back by a breaker", null],
    data.parked_keys > 0 && ["bad", "stop", parked, "#/dead-letters"],
    alerts > 0 && ["warn", "bell", `${many(alerts, "alert")} open`, "#/alerts"],
    dead > 0 && ["info", "stop", `${many(dead, "dead letter")} since the start`, "#/dead-letters"],
    inside > 0 && ["info", "jar", `${bodies} in quarantine`, "#/quarantine"],
  ].filter(Boolean);
  if (items.length === 0) {
    const text = alerts === null || inside === null ? "Every process answers." : "All is well: every process answers, no alert is open.";
    return html`<${Banner} tone="good" icon="check" role="status">${text}<//>`;
  }
  return html`<div role="status"><ul class="attention">${items.map(([tone, icon, text, target]) => html`<li key=${text}>
    <${Banner} tone=${tone} icon=${icon}>${target ? html`<a href=${target}>${text}</a>` : text}<//>
  </li>`)}</ul></div>`;
}

/** Titles of the stages of which any process is so, "" if none is. */
function titles(stages, so) {
  return stages.filter((stage) => stage.processes.some(so)).map((stage) => stage.title).join(", ");
}

function many(number, thing) {
  return `${count(number)} ${thing}${number === 1 ? "" : "s"}`;
}

function Stage({ stage, curve }) {
  const health = healthOf(stage);
  const first = mainRate(stage);
  const others = Object.entries(stage.rates ?? {}).filter(([name, value]) => name !== first?.[0] && value > 0);
  const breakers = Object.entries(stage.breakers ?? {});
  const perSecond = (name) => `${words(name).toLowerCase()}/s`;
  return html`<article class="stage ${health.tone}" aria-label=${stage.title}>
    <header><h2>${stage.title}</h2><${Badge} tone=${health.tone} title=${health.details}>${health.text}<//></header>
    <p class="big"><b>${first ? rate(first[1]) : NONE}</b> <span class="quiet">${first && perSecond(first[0])}</span></p>
    <${Curve} values=${curve} />
    ${others.length > 0 && html`<ul class="rates">${others.map(([name, value]) => html`<li key=${name}>
      <b>${rate(value)}</b> <span class="quiet">${perSecond(name)}</span></li>`)}</ul>`}
    <dl class="measures">
      <${Measure} name="Lag" value=${count(stage.lag)} tone=${stage.lag > 1000 && "warn"} />
      <${Measure} name="Oldest" value=${duration(stage.oldest_seconds)} tone=${stage.oldest_seconds > 60 && "warn"} />
      ${stage.pending > 0 && html`<${Measure} name="Pending" value=${count(stage.pending)} />`}
      <${Measure} name="Errors" value=${count(stage.errors)} tone=${stage.errors > 0 && "bad"} />
    </dl>
    ${breakers.map(([api, state]) => html`<${Breaker} key=${api} api=${api} state=${state} />`)}
    <${Counts} counts=${stage.counts} />
    <${Silent} processes=${stage.processes} />
  </article>`;
}

function Breaker({ api, state }) {
  const [text, tone] = meaning(BREAKERS, state, words);
  return html`<p class="breaker"><${Badge} tone=${tone}>${APIS[api] ?? words(api)}: ${text}<//></p>`;
}

function Measure({ name, value, tone }) {
  return html`<div><dt>${name}</dt><dd class=${tone}>${value}</dd></div>`;
}

function Counts({ counts }) {
  const given = Object.entries(counts ?? {});
  if (given.length === 0) return null;
  const rows = given.map(([name, value]) => html`<div key=${name}>
    <dt>${words(name)}</dt><dd>${count(value)}</dd>
  </div>`);
  return html`<details><summary>Since the start</summary><dl class="counts">${rows}</dl></details>`;
}

function Silent({ processes }) {
  return processes.filter((process) => !process.up || !process.ready).map(({ url, up, reason }) => html`<p key=${url}
      class="silent"><${Icon} name=${up ? "clock" : "stop"} />
    <span>${url} ${up ? "is not ready" : "does not answer"}${reason && ` (${reason})`}</span>
  </p>`);
}

function healthOf({ processes }) {
  const ready = processes.filter((process) => process.up && process.ready).length;
  const all = processes.length;
  const details = `${ready} of ${all} processes ready`;
  if (all === 0) return { tone: "quiet", text: "none set up", details };
  if (ready === all) return { tone: "good", text: all === 1 ? "ready" : `${all} ready`, details };
  if (processes.some((process) => process.up)) return { tone: "warn", text: `${ready} of ${all} ready`, details };
  return { tone: "bad", text: "no answer", details };
}

/** The rate that stands for a stage, as [name, value]; undefined if it tells none. */
function mainRate(stage) {
  const rates = Object.entries(stage.rates ?? {});
  return rates.find(([name]) => name === MAIN[stage.name]) ?? rates[0];
}

/** The last two minutes of a rate; drawn for the eye, the number above says the same. */
function Curve({ values }) {
  const known = values.map((value) => value ?? 0);
  const top = Math.max(...known, 1);
  const x = (index) => ((REMEMBERED - known.length + index) / (REMEMBERED - 1)) * 100;
  const points = known.map((value, index) => `${x(index).toFixed(2)},${(23 - (value / top) * 21).toFixed(2)}`);
  const area = points.length > 1 ? `${x(0).toFixed(2)},24 ${points.join(" ")} 100,24` : "";
  return html`<svg class="curve" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">
    <line class="base" x1="0" y1="23" x2="100" y2="23" /><polygon points=${area} /><polyline points=${points.join(" ")} />
  </svg>`;
}

/** What the gauges prove of the ledger, in one sentence, and what to look at. */
function Statement({ balance }) {
  const { silent, waiting, parked, unsent, skipped } = balance;
  const open = [
    waiting > 0 && `${many(waiting, "record")} not joined yet`,
    unsent > 0 && `${many(unsent, "record")} of updates not worked through yet`,
  ].filter(Boolean);
  const audit = html`<span class="quiet small"> <code>norce-pipeline audit</code> compares all of it, id by id.</span>`;
  const say = (tone, icon, ...parts) => html`<${Banner} tone=${tone} icon=${icon}>${parts}<//>`;
  if (skipped > 0) {
    return say("bad", "stop", html`<b>${many(skipped, "record")} missing</b>: Kafka had deleted them before they were
      read. See the runbook <code>NorceOffsetsSkipped</code>; <code>norce-pipeline reconcile</code> asks Norce again.`);
  }
  if (silent.length > 0) {
    const text = `Nothing can be said while not every process of these is ready: ${silent.join(", ")}.`;
    return say("warn", "clock", text, audit);
  }
  if (waiting === null || unsent === null) {
    const unknown = waiting === null ? "worker" : "sink";
    return say("warn", "clock", `Nothing can be said: no ${unknown} has told yet how far it is.`, audit);
  }
  if (parked > 0) {
    const text = `${many(parked, "event")} of parked keys ${parked === 1 ? "has" : "have"} no end`;
    const more = open.length > 0 ? ` Besides, ${open.join(", ")}.` : "";
    const letters = html`<a href="#/dead-letters">${text}</a>`;
    return say("bad", "stop", letters, ` until somebody releases or drops them.${more}`, audit);
  }
  if (open.length > 0) return say("info", "clock", `Under way: ${open.join(", ")}.`, audit);
  return say("good", "check", "Every event that is in Kafka has its end in the ledger, and every update.", audit);
}

function Ledger({ ledger, balance }) {
  const targets = Object.entries(ledger?.updates ?? {});
  const title = (target) => `Updates for ${APIS[target] ?? words(target)}`;
  return html`<${Section} id="ledger" title="Ledger" note="How every event and every update for Norce ended">
    <${Statement} balance=${balance} />
    <${Balance} title="Events and answers to look-ups" outcomes=${ledger?.events ?? {}} />
    ${targets.map(([name, outcomes]) => html`<${Balance} key=${name} title=${title(name)} outcomes=${outcomes} />`)}
  <//>`;
}

/** One bar of parts that sum up to the whole. The order is that of the table of outcomes, so nothing jumps. */
function Balance({ title, outcomes }) {
  const unknown = Object.keys(outcomes).filter((name) => !Object.hasOwn(OUTCOMES, name));
  const parts = [...Object.keys(OUTCOMES), ...unknown]
    .filter((name) => outcomes[name] > 0)
    .map((name) => [name, outcomes[name], ...meaning(OUTCOMES, name, words)]);
  const sum = parts.reduce((before, [, number]) => before + number, 0);
  let at = 0;
  const bars = parts.map(([name, number, , tone]) => {
    const width = (number / sum) * 100;
    at += width;
    const x = (at - width).toFixed(3);
    return html`<rect key=${name} class=${`fill-${tone}`} x=${x} width=${width.toFixed(3)} height="1" />`;
  });
  const legend = parts.map(([name, number, text, tone]) => html`<li key=${name}>
    <i class=${`dot fill-${tone}`}></i>${text} <b>${count(number)}</b></li>`);
  return html`<div class="balance">
    <h3>${title} <span class="quiet">${count(sum)}</span></h3>
    <svg class="bar" viewBox="0 0 100 1" preserveAspectRatio="none" aria-hidden="true">${bars}</svg>
    ${sum === 0 ? html`<p class="quiet">Nothing yet.</p>` : html`<ul class="legend">${legend}</ul>`}
  </div>`;
}
