// Small parts that the views share.
import { ago, moment, NONE, words } from "./format.js";
import { Component, createRef, html } from "./html.js";
import { link } from "./route.js";

const ICONS = {
  flow: "M4 7h5c4 0 3 10 7 10h4M4 17h5c1.500 0 2.300-1.300 3-3M20 7h-4c-1.500 0-2.300 1.300-3 3",
  box: "M4 8l8-4 8 4v8l-8 4-8-4zM4 8l8 4 8-4M12 12v8",
  tag: "M4 4h8l8 8-8 8-8-8zM8.500 8.500h.01",
  person: "M12 12a4 4 0 100-8 4 4 0 000 8zM4 20c1-4 4-5 8-5s7 1 8 5",
  house: "M5 20V5h9v15M14 10h5v10M3 20h18M8 9h3M8 13h3",
  repeat: "M5 11a7 7 0 0112-4l2 2M19 5v4h-4M19 13a7 7 0 01-12 4l-2-2M5 19v-4h4",
  paper: "M6 3h9l4 4v14H6zM9 11h7M9 15h7",
  gear: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  bell: "M6 17V11a6 6 0 0112 0v6l2 1H4zM10 21h4",
  stop: "M8 3h8l5 5v8l-5 5H8l-5-5V8zM12 8v5M12 16h.01",
  jar: "M7 3h10M8 3v4L5 10v11h14V10l-3-3V3M5 14h14",
  scales: "M12 4v16M7 20h10M5 7h14M5 7l-3 7h6zM19 7l-3 7h6z",
  drift: "M3 8c3-3 6 3 9 0s6 3 9 0M3 16c3-3 6 3 9 0",
  search: "M11 18a7 7 0 100-14 7 7 0 000 14zM16 16l5 5",
  clock: "M12 21a9 9 0 100-18 9 9 0 000 18zM12 7v5l3 3",
  key: "M8 16a4 4 0 100-8 4 4 0 000 8zM12 12h9M17 12v4M21 12v3",
  move: "M4 9h14l-4-4M20 15H6l4 4",
  check: "M12 21a9 9 0 100-18 9 9 0 000 18zM8 12l3 3 5-6",
  event: "M4 12h12M11 7l5 5-5 5M20 5v14",
  copies: "M8 8h12v12H8zM4 16V4h12",
  pen: "M4 20l1-5L16 4l4 4L9 19zM14 6l4 4",
  send: "M4 12l16-8-6 16-3-7z",
  eye: "M2 12c4-7 16-7 20 0-4 7-16 7-20 0zM12 15a3 3 0 100-6 3 3 0 000 6z",
  menu: "M4 7h16M4 12h16M4 17h16",
  skip: "M5 6l8 6-8 6zM18 6v12",
  go: "M5 12h14M13 6l6 6-6 6",
};

/** A drawing beside words; readers of the screen are spared it. */
export function Icon({ name }) {
  return html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name] ?? ICONS.event} /></svg>`;
}

export function Badge({ tone = "quiet", title, children }) {
  return html`<span class="badge ${tone}" title=${title}>${children}</span>`;
}

/** A sentence that stands out, such as a warning. */
export function Banner({ tone, icon, role, children }) {
  return html`<div class="banner ${tone}" role=${role}><${Icon} name=${icon} /><div>${children}</div></div>`;
}

/** A point in time: how long ago, with the exact time behind it. `exact` shows that instead. */
export function When({ at, exact = false }) {
  if (!at) return NONE;
  const title = exact ? at : `${moment(at)} (${at})`;
  return html`<time datetime=${at} title=${title}>${exact ? moment(at) : ago(at)}</time>`;
}

/** Names and values. `facts` is a list of [name, value]; what has no value is left out. */
export function Facts({ facts }) {
  const given = facts.filter(([, value]) => value !== null && value !== undefined && value !== "");
  const pairs = given.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`);
  return html`<dl class="facts">${pairs}</dl>`;
}

/**
 * A table that becomes cards where the screen is narrow. `columns` is a list of {title, cell(row), key, number, wide};
 * a column of keys has room for one in a line, and the first column names the row. The roles stay, because display: block would take them from the elements.
 */
export function Table({ columns, rows, caption, keyOf }) {
  const cell = (column, row, index) => html`<td role="cell" class=${kind(column, index)} data-label=${column.title}>
    <div>${column.cell(row)}</div>
  </td>`;
  const head = (column, index) => html`<th role="columnheader" scope="col" class=${kind(column, index)}>
    ${column.title}
  </th>`;
  return html`<table role="table" class="list">
    <caption class="sr-only">${caption}</caption>
    <thead role="rowgroup"><tr role="row">${columns.map(head)}</tr></thead>
    <tbody role="rowgroup">
      ${rows.map((row) => html`<tr role="row" key=${keyOf?.(row)}>
        ${columns.map((column, index) => cell(column, row, index))}
      </tr>`)}
    </tbody>
  </table>`;
}

function kind(column, index) {
  return [index === 0 && "first", column.key && "key", column.number && "number", column.wide && "wide"].filter(Boolean).join(" ");
}

/** Any JSON value: names and values, lists, tables of alike objects. */
export function Value({ value }) {
  if (value === null || value === undefined || value === "") return NONE;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) {
    if (value.length === 0) return NONE;
    return html`<ul class="values">${value.map((item) => html`<li><${Value} value=${item} /></li>`)}</ul>`;
  }
  if (typeof value === "object") {
    const facts = Object.entries(value).map(([name, inner]) => [words(name), html`<${Value} value=${inner} />`]);
    return facts.length ? html`<${Facts} facts=${facts} />` : NONE;
  }
  return isTime(value) ? html`<${When} at=${value} exact />` : String(value);
}

function isTime(value) {
  return typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d/.test(value);
}

/** A part of a page with a heading of its own. */
export function Section({ title, note, children, id }) {
  return html`<section class="card" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}</h2>${note && html`<span class="quiet">${note}</span>`}</header>
    ${children}
  </section>`;
}

/** Whether the title of a page that was gone to has not been shown yet. */
export const arrival = { awaited: false };

/**
 * The title of a page. It takes the focus after a change of page, so that a reader of the screen starts here; but not
 * from somebody who went on to something else while it was loading.
 */
export class Title extends Component {
  heading = createRef();

  componentDidMount() {
    if (arrival.awaited && ["MAIN", "BODY"].includes(document.activeElement.tagName)) {
      this.heading.current.focus({ preventScroll: true });
    }
    arrival.awaited = false;
  }

  render({ over, children, aside, subtitle }) {
    return html`<header class="title">
      <div>
        ${over && html`<p class="over">${over}</p>`}
        <h1 tabindex="-1" ref=${this.heading}>${children}</h1>
        ${subtitle && html`<p class="quiet">${subtitle}</p>`}
      </div>
      ${aside && html`<div class="aside">${aside}</div>`}
    </header>`;
  }
}

/** Copies its text, and says so. */
export class Copy extends Component {
  state = { done: false };

  copy = async () => {
    try {
      await navigator.clipboard.writeText(this.props.text);
      this.setState({ done: true });
      setTimeout(() => this.setState({ done: false }), 2000);
    } catch {
      this.setState({ done: false }); // the browser forbids it where the page is not served over HTTPS
    }
  };

  render({ text }, { done }) {
    return html`<span class="copy"><code>${text}</code>
      <button type="button" class="bare" onClick=${this.copy} aria-label=${`Copy ${text}`} title="Copy">
        <${Icon} name=${done ? "check" : "copies"} />
      </button>
      <span class="sr-only" role="status">${done ? "Copied" : ""}</span>
    </span>`;
  }
}

/** Links to the first and the next page of the list at `place`; this one has `number` items and began at `after`. */
export function Pages({ place, after, next, number }) {
  return html`<nav class="pages" aria-label="Pages">
    <span class="quiet">${number} on this page</span>
    ${after && html`<a class="button" href=${link([place])}>First page</a>`}
    ${next && html`<a class="button" href=${link([place], { after: next })} rel="next">
      Next page <${Icon} name="go" /></a>`}
  </nav>`;
}
