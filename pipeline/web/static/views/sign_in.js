// Signing in with a token. It stays in this tab only and is forgotten when the tab is closed.
import { signIn } from "../api.js";
import { Component, createRef, html } from "../html.js";
import { Icon, Title } from "../parts.js";

export class SignIn extends Component {
  state = { error: null, asking: false };
  field = createRef();

  send = async (event) => {
    event.preventDefault();
    const token = this.field.current.value.trim();
    if (!token) {
      this.setState({ error: "Please enter a token." });
      return;
    }
    this.setState({ asking: true, error: null });
    try {
      this.props.signedIn(await signIn(token));
      const from = this.props.route.query.get("from") ?? "";
      location.replace(from.startsWith("#/") ? from : "#/");
    } catch (error) {
      const refused = error.status === 401 || error.status === 403;
      this.setState({ asking: false, error: refused ? "This token is not known here." : error.message });
      this.field.current.focus();
    }
  };

  render({ me }, { error, asking }) {
    if (me.name) {
      return html`<${Title}>Signed in<//><p>You are signed in as <b>${me.name}</b>, with
        ${me.roles.length ? ` the roles ${me.roles.join(" and ")}` : " no roles: you may read"}.</p>`;
    }
    return html`<${Title}>Sign in<//>
      <form class="card narrow" onSubmit=${this.send}>
        <p class="quiet">${me.reading_needs_account ? "Reading and acting need" : "Acting needs"} a token
          from whoever runs the pipeline. It is kept in this tab until you sign out or close it.</p>
        <label for="token">Token</label>
        <input id="token" ref=${this.field} type="password" autocomplete="current-password"
          aria-describedby="token-error" aria-invalid=${String(Boolean(error))} />
        <p id="token-error" class="error" role="alert">${error}</p>
        <button type="submit" class="primary" disabled=${asking}>
          <${Icon} name="key" /> ${asking ? "Asking …" : "Sign in"}
        </button>
      </form>`;
  }
}
