// The frame of the console: header with search, navigation, and the view that the address names.
import { NOBODY, signOut, whoAmI } from "./api.js";
import { Component, createRef, html, render } from "./html.js";
import { Trouble } from "./load.js";
import { arrival, Icon } from "./parts.js";
import { link, parse } from "./route.js";
import { KINDS } from "./words.js";
import { Alerts } from "./views/alerts.js";
import { DeadLetter, DeadLetters } from "./views/dead_letters.js";
import { Drift } from "./views/drift.js";
import { Entity } from "./views/entity.js";
import { List } from "./views/lists.js";
import { Order } from "./views/order.js";
import { Overview } from "./views/overview.js";
import { Body, Quarantine } from "./views/quarantine.js";
import { Reconciliation } from "./views/reconciliation.js";
import { Search } from "./views/search.js";
import { SignIn } from "./views/sign_in.js";

const NAVIGATION = [
  [null, [["", "Overview", "flow"]]],
  ["Records", [
    ["orders", "Orders", "box"],
    ["products", "Products", "tag"],
    ["customers", "Customers", "person"],
    ["companies", "Companies", "house"],
    ["subscriptions", "Subscriptions", "repeat"],
    ["invoices", "Invoices", "paper"],
    ["jobs", "Jobs", "gear"],
  ]],
  ["Needs a look", [
    ["alerts", "Alerts", "bell"],
    ["dead-letters", "Dead letters", "stop"],
    ["quarantine", "Quarantine", "jar"],
    ["reconciliation", "Reconciliation", "scales"],
    ["drift", "Drift", "drift"],
  ]],
];

const PAGES = {
  search: [Search, "Search"],
  alerts: [Alerts, "Alerts"],
  quarantine: [Quarantine, "Quarantine"],
  reconciliation: [Reconciliation, "Reconciliation"],
  drift: [Drift, "Drift"],
  "sign-in": [SignIn, "Sign in"],
};

/** The view for an address, and the title of its window. */
function view({ parts }) {
  const [first, second] = parts;
  if (first === undefined) return [Overview, "Overview"];
  if (Object.hasOwn(KINDS, first) && second) return [first === "orders" ? Order : Entity, second];
  if (Object.hasOwn(KINDS, first)) return [List, KINDS[first][0]];
  if (first === "dead-letters") return second ? [DeadLetter, "Dead letter"] : [DeadLetters, "Dead letters"];
  if (first === "quarantine" && second) return [Body, "Body in quarantine"];
  return Object.hasOwn(PAGES, first) ? PAGES[first] : [Nowhere, "Not found"];
}

function Nowhere() {
  return html`<${Trouble} error=${{ status: 404, message: "There is no such page." }} />`;
}

class App extends Component {
  state = { route: parse(location.hash), me: NOBODY, open: false, departures: 0 };
  main = createRef();
  search = createRef();

  componentDidMount() {
    addEventListener("hashchange", this.moved);
    addEventListener("keydown", this.pressed);
    this.askWho();
    this.entitle();
  }

  askWho = async () => {
    try {
      this.setState({ me: await whoAmI() });
    } catch {
      setTimeout(this.askWho, 5000); // the views say what is the matter
    }
  };

  moved = () => {
    arrival.awaited = true;
    this.main.current.focus({ preventScroll: true });
    if (!location.hash.startsWith("#/search")) this.search.current.value = "";
    this.setState({ route: parse(location.hash), open: false }, () => {
      this.entitle();
      scrollTo(0, 0);
    });
  };

  entitle() {
    document.title = `${view(this.state.route)[1]} – Norce pipeline`;
  }

  /** "/" goes to the search, unless somebody is writing. */
  pressed = (event) => {
    const writing = event.target.closest?.("input, textarea, select, [contenteditable], dialog");
    if (event.key !== "/" || writing || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.search.current.focus();
    this.search.current.select();
  };

  find = (event) => {
    event.preventDefault();
    const wanted = this.search.current.value.trim();
    if (wanted) location.hash = link(["search"], { q: wanted });
  };

  arrive = (me) => this.setState({ me });

  leave = () => {
    signOut();
    const { me, departures } = this.state;
    this.setState({ me: { ...me, name: null, roles: [] }, departures: departures + 1 }); // views start anew with it
    location.hash = "#/";
  };

  render(_, { route, me, open, departures }) {
    const [View] = view(route);
    const here = route.parts[0] ?? "";
    return html`
      <a class="skip" href="#main" onClick=${this.skip}>Skip to the content</a>
      <header class="top">
        <a class="brand" href="#/"><img src="icon.svg" alt="" width="28" height="28" /><span>Norce pipeline</span></a>
        <form class="search" role="search" onSubmit=${this.find}>
          <label class="sr-only" for="search">Find an order by any reference</label>
          <${Icon} name="search" />
          <input id="search" ref=${this.search} type="search" autocomplete="off" spellcheck="false" maxlength="200"
            placeholder="Order number, basket, payment code …" />
          <kbd aria-hidden="true">/</kbd>
        </form>
        <${Account} me=${me} leave=${this.leave} />
        <button type="button" class="menu" aria-expanded=${String(open)} aria-controls="navigation"
          onClick=${() => this.setState({ open: !open })}><${Icon} name="menu" /><span>Menu</span></button>
      </header>
      <div class="frame">
        <nav id="navigation" class=${open ? "side open" : "side"} aria-label="Views">
          ${NAVIGATION.map(([title, links]) => html`<${Group} title=${title} links=${links} here=${here} />`)}
        </nav>
        <main id="main" ref=${this.main} tabindex="-1">
          <${View} key=${[departures, ...route.parts].join("/")} route=${route} me=${me} signedIn=${this.arrive} />
        </main>
      </div>`;
  }

  skip = (event) => {
    event.preventDefault(); // the part after # is the address of the view
    this.main.current.focus();
  };
}

function Group({ title, links, here }) {
  return html`<div class="group">
    ${title && html`<p class="over">${title}</p>`}
    <ul>${links.map(([place, name, icon]) => html`<li>
      <a href=${`#/${place}`} aria-current=${place === here ? "page" : undefined}><${Icon} name=${icon} />${name}</a>
    </li>`)}</ul>
  </div>`;
}

function Account({ me, leave }) {
  if (me.name) {
    const roles = me.roles.length ? me.roles.join(", ") : "no roles";
    return html`<div class="account">
      <span title=${`Roles: ${roles}`}><${Icon} name="person" /><span>${me.name}</span></span>
      <button type="button" onClick=${leave}>Sign out</button></div>`;
  }
  const signIn = link(["sign-in"], { from: location.hash });
  return html`<div class="account">${me.accounts && html`<a class="button" href=${signIn}>Sign in</a>`}</div>`;
}

render(html`<${App} />`, document.getElementById("app"));
