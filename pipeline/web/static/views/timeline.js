// The timeline of an order, in order of time, with a filter by kind of entry.
import { clockOf, count, dayOf, eventWords, moment, words } from "../format.js";
import { Component, html } from "../html.js";
import { Banner, Icon, Value } from "../parts.js";
import { ENTRIES, meaning } from "../words.js";

const TONES = { delivered: "good", unchanged: "good", dead: "bad", failed: "bad", refused: "bad" };

export class Timeline extends Component {
  state = { hidden: new Set() };

  toggle(what) {
    const hidden = new Set(this.state.hidden);
    if (!hidden.delete(what)) hidden.add(what);
    this.setState({ hidden });
  }

  render({ timeline, omitted }, { hidden }) {
    const { entries, complete } = timeline;
    if (entries.length === 0) return html`<p class="quiet">Nothing is recorded of this order.</p>`;
    const shown = entries.filter((entry) => !hidden.has(entry.what));
    return html`
      <${Filter} entries=${entries} hidden=${hidden} toggle=${(what) => this.toggle(what)} />
      ${!complete && html`<${Banner} tone="warn" icon="clock" role="status">
        Not everything could be read, so entries may be missing.<//>`}
      ${omitted > 0 && html`<p class="quiet">${count(omitted)} earlier occurrences are not kept in the record.</p>`}
      <p class="sr-only" role="status">${shown.length} of ${entries.length} entries shown</p>
      <ol class="timeline">${shown.map((entry, index) => html`<${Entry} key=${identityOf(entry)} entry=${entry}
        newDay=${index === 0 || dayOf(shown[index - 1].at) !== dayOf(entry.at)} />`)}</ol>
      ${shown.length === 0 && html`<p class="quiet">Everything is filtered out.</p>`}`;
  }
}

function identityOf(entry) {
  return `${entry.at} ${entry.what} ${entry.title} ${entry.details?.update_id ?? entry.details?.event_id ?? ""}`;
}

function Filter({ entries, hidden, toggle }) {
  const kinds = Object.keys(ENTRIES).filter((what) => entries.some((entry) => entry.what === what));
  if (kinds.length < 2) return null;
  return html`<fieldset class="chips"><legend class="sr-only">Show in the timeline</legend>${kinds.map((what) => {
    const [name, icon] = ENTRIES[what];
    const number = entries.filter((entry) => entry.what === what).length;
    return html`<label key=${what} class="chip">
      <input type="checkbox" checked=${!hidden.has(what)} onChange=${() => toggle(what)} />
      <${Icon} name=${icon} />${name} <span class="quiet">${count(number)}</span></label>`;
  })}</fieldset>`;
}

/** Event types in words; other titles as they are. */
function titleOf(title) {
  return /(Event|Notification)$/.test(title) ? eventWords(title) : title;
}

/** A call is as good as its answer, an end as good as itself. */
function toneOf({ what, details }) {
  if (what === "call" && details?.operation) return details.reason ? "bad" : "good";
  return what === "outcome" ? (TONES[details?.outcome] ?? "") : "";
}

function Entry({ entry, newDay }) {
  const [name, icon] = meaning(ENTRIES, entry.what, words);
  const details = Object.keys(entry.details ?? {}).length > 0;
  const tone = toneOf(entry);
  const title = titleOf(entry.title);
  const said = title.startsWith(name); // as in "Update for Connect"
  return html`
    ${newDay && html`<li class="day" key=${`day ${entry.at}`}>${dayOf(entry.at)}</li>`}
    <li class="entry is-${entry.what} ${tone}">
      <span class="mark"><${Icon} name=${icon} /></span>
      <div>
        <p class="head"><b title=${entry.title}>${title}</b> ${!said && html`<span class="quiet small">${name}</span>`}
          <time datetime=${entry.at} title=${`${moment(entry.at)} (${entry.at})`}>${clockOf(entry.at)}</time></p>
        <div class="more">${entry.text && html`<p>${entry.text}</p>`}
          ${details && html`<details><summary>Details</summary><${Value} value=${entry.details} /></details>`}</div>
      </div>
    </li>`;
}
