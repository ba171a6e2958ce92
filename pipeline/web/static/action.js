// A button that changes something: it says first what will happen, wants a reason, and shows what came of it.
import { Component, createRef, html } from "./html.js";
import { Banner, Icon } from "./parts.js";
import { link } from "./route.js";

/**
 * `label` is on the button, `title` over the dialog, `explain` what will happen in plain words, `confirm` on the
 * button that does it. `run(reason)` returns {message, done}, where done is false
 * for what stands but is not carried out yet; `done` is called once the dialog is closed after it.
 */
export class Action extends Component {
  state = { open: false, asking: false, error: null, outcome: null };
  dialog = createRef();
  opener = createRef();
  field = createRef();
  closer = createRef();

  open = () => {
    const fresh = { open: true, asking: false, error: null, outcome: null };
    this.setState(fresh, () => this.dialog.current.showModal());
  };

  close = () => {
    if (!this.state.asking) this.dialog.current.close();
  };

  /** The browser closes the dialog with Escape too. */
  closed = () => {
    const { outcome } = this.state;
    this.setState({ open: false }, () => {
      this.opener.current?.focus();
      if (outcome !== null) this.props.done?.();
    });
  };

  cancelled = (event) => {
    if (this.state.asking) event.preventDefault(); // the answer is awaited; closing would hide it
  };

  send = async (event) => {
    event.preventDefault();
    if (this.state.asking) return;
    const reason = this.field.current.value.trim();
    if (!reason) {
      this.setState({ error: "Please say why: the reason is kept with what was done." });
      this.field.current.focus();
      return;
    }
    this.setState({ asking: true, error: null });
    try {
      const outcome = await this.props.run(reason);
      this.setState({ outcome, asking: false }, () => this.closer.current?.focus()); // what had the focus is gone
    } catch (error) {
      this.setState({ error: `${error.message} Nothing is known to have been done.`, asking: false });
    }
  };

  render({ label, title, tone = "primary", icon, disabled }, { open, outcome }) {
    return html`<button type="button" class=${tone} ref=${this.opener} disabled=${disabled} onClick=${this.open}>
        ${icon && html`<${Icon} name=${icon} />`} ${label}</button>
      ${open && html`<dialog ref=${this.dialog} aria-labelledby="dialog-title" onClose=${this.closed}
          onCancel=${this.cancelled}>
        <h2 id="dialog-title">${outcome === null ? title : "What came of it"}</h2>
        ${outcome === null ? this.question() : this.answer(outcome)}
      </dialog>`}`;
  }

  question() {
    const { explain, confirm, tone = "primary" } = this.props;
    const { asking, error } = this.state;
    return html`<form onSubmit=${this.send} novalidate>
      <div class="explain">${explain}</div>
      <label for="reason">Reason <span class="quiet">(kept with your name)</span></label>
      <textarea id="reason" ref=${this.field} rows="2" maxlength="500" required autofocus
        aria-describedby="reason-error" aria-invalid=${String(Boolean(error))}></textarea>
      <p id="reason-error" class="error" role="alert">${error}</p>
      <div class="buttons">
        <button type="button" onClick=${this.close} disabled=${asking}>Cancel</button>
        <button type="submit" class=${tone} disabled=${asking}>
          ${asking ? "Waiting for the answer …" : confirm}
        </button>
      </div>
    </form>`;
  }

  answer({ message, done }) {
    const pending = done === false;
    const [tone, icon] = pending ? ["warn", "bell"] : ["good", "check"];
    return html`<${Banner} tone=${tone} icon=${icon} role="status">${message}<//>
      <div class="buttons">
        <button type="button" class="primary" ref=${this.closer} onClick=${this.close}>Close</button>
      </div>`;
  }
}

/** Stands where the buttons would be, and says why they are not there. */
export function NeedsRole({ me, role, what }) {
  if (!me.known || me.roles.includes(role)) return null;
  return html`<p class="quiet needs"><${Icon} name="key" /><span>
    You can look, not change: ${what} needs the role <b>${role}</b>.
    ${me.name && ` Your account (${me.name}) has not got it.`}
    ${!me.name && me.accounts && html` <a href=${link(["sign-in"], { from: location.hash })}>Sign in</a>`}
    ${!me.name && !me.accounts && " No accounts are set up on this console."}</span></p>`;
}
