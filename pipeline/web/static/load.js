// What every view needs that shows an answer of the API: waiting, trouble, and an answer that is kept up to date.
import { call } from "./api.js";
import { moment } from "./format.js";
import { Component, html } from "./html.js";
import { Banner, Icon } from "./parts.js";
import { link } from "./route.js";

const LONGEST_PAUSE = 30; // seconds between two attempts while the server is away

/**
 * Shows `show(data, reload)` once `resource` has answered, and says what is the matter until then.
 * With `every` (milliseconds) it asks again, only while the tab is seen. What was shown stays while an
 * answer is late, and goes if it may not be seen any more.
 * `onData` gets each answer; with `quiet` nothing is shown at all.
 */
export class Load extends Component {
  state = { data: null, error: null, at: null, next: null };
  failures = 0;
  timer = null;
  request = null;

  componentDidMount() {
    document.addEventListener("visibilitychange", this.seen);
    this.load();
  }

  componentDidUpdate(before) {
    if (before.resource === this.props.resource) return;
    this.stop();
    this.failures = 0;
    this.setState({ data: null, error: null, at: null });
    this.load();
  }

  componentWillUnmount() {
    document.removeEventListener("visibilitychange", this.seen);
    this.stop();
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.request?.abort();
    this.request = null;
  }

  seen = () => {
    if (document.hidden) clearTimeout(this.timer);
    else if (this.props.every || this.state.error?.passes) this.load();
  };

  load = async () => {
    this.stop();
    const request = new AbortController();
    this.request = request;
    try {
      const data = await call(this.props.resource, { signal: request.signal });
      if (request !== this.request) return;
      this.failures = 0;
      this.setState({ data, error: null, at: new Date() });
      this.props.onData?.(data);
      this.again(this.props.every);
    } catch (error) {
      if (request !== this.request) return;
      this.failures += 1;
      const pause = error.retryAfter ?? Math.min(2 ** this.failures, LONGEST_PAUSE);
      this.setState({ error, next: pause });
      if (error.passes) this.again(pause * 1000);
    }
  };

  again(milliseconds) {
    clearTimeout(this.timer);
    if (milliseconds && !document.hidden) this.timer = setTimeout(this.load, milliseconds);
  }

  render({ show, what, quiet }, { data, error, at, next }) {
    if (quiet) return null;
    if (data === null && error === null) return html`<${Waiting} what=${what} />`;
    if (data === null || (error && !error.passes)) {
      return html`<${Trouble} error=${error} next=${next} retry=${this.load} />`;
    }
    const late = error && html`<${Banner} tone="warn" icon="clock" role="status">
      As of ${moment(at)}. ${error.message} Trying again.
    <//>`;
    return html`${late}${show(data, this.load)}`;
  }
}

/** Grey lines where text will be; they fade in late, so that a quick answer shows none. */
function Waiting({ what }) {
  return html`<div class="waiting" role="status">
    <span class="sr-only">Loading ${what ?? ""}</span>
    <i></i><i></i><i></i><i></i>
  </div>`;
}

/** An error in words, and what to do. */
export function Trouble({ error, next, retry }) {
  const { title, help, icon } = explained(error, next);
  const signIn = link(["sign-in"], { from: location.hash });
  return html`<div class="state ${error.passes ? "" : "bad"}" role=${error.passes ? "status" : "alert"}>
    <${Icon} name=${icon} />
    <h2>${title}</h2>
    <p>${error.message}</p>
    <p class="quiet">${help}</p>
    ${error.status === 401 && html`<p><a class="button primary" href=${signIn}>Sign in</a></p>`}
    ${retry && error.status !== 401 && html`<p><button type="button" onClick=${retry}>Try again now</button></p>`}
  </div>`;
}

function explained(error, next) {
  if (error.name === "PartitionMoving") {
    const help = `That takes some seconds when a worker starts or stops; nothing is lost. Trying again in ${next} s.`;
    return { title: "The partition is moving to another worker", help, icon: "move" };
  }
  if (error.passes) {
    return { title: "No answer at the moment", help: `Trying again in ${next} s.`, icon: "clock" };
  }
  if (error.status === 401) return { title: "Please sign in", help: "Reading needs an account here.", icon: "key" };
  if (error.status === 403) {
    return { title: "Your account may not see this", help: "An administrator can give it the role.", icon: "key" };
  }
  if (error.status === 404) {
    const help = "It may not have arrived yet, or the link is mistyped. The search finds orders by any reference.";
    return { title: "Not found", help, icon: "search" };
  }
  return { title: "This did not work", help: `${error.name} (${error.status || "no answer"})`, icon: "stop" };
}

/** What stands where a list has nothing in it. */
export function Empty({ title, children, icon = "check" }) {
  return html`<div class="state"><${Icon} name=${icon} /><h2>${title}</h2><p class="quiet">${children}</p></div>`;
}
