// Requests to the query API of the same origin, and who is signed in.

const BASE = new URL("api/v1/", document.baseURI);
const TOKEN = "norce-console-token";
const PATIENCE = 20_000; // milliseconds for one answer

/** An answer that is no success, or none at all (status 0). `retryAfter` is in seconds. */
export class ApiError extends Error {
  constructor(status, name, message, retryAfter = null) {
    super(message);
    Object.assign(this, { status, name, retryAfter });
  }

  /** Whether the same request may succeed later without anybody doing anything. */
  get passes() {
    return this.status === 0 || this.status === 429 || this.status >= 500;
  }
}

/** The path of an API resource; each part may hold any character. */
export function path(...parts) {
  return parts.map(encodeURIComponent).join("/");
}

/** `resource` with the parameters that have a value. */
export function withQuery(resource, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `${resource}?${new URLSearchParams(given)}` : resource;
}

/** The JSON that the API answers. Throws ApiError; throws AbortError if `signal` ended it. */
export async function call(resource, { method = "GET", body = undefined, signal = undefined, token = undefined } = {}) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), PATIENCE);
  const giveUp = () => patience.abort();
  signal?.addEventListener("abort", giveUp);
  const headers = { Accept: "application/json" };
  const bearer = token ?? sessionStorage.getItem(TOKEN);
  if (bearer) headers.Authorization = `Bearer ${bearer}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  let response;
  let text;
  try {
    const sent = body === undefined ? undefined : JSON.stringify(body);
    response = await fetch(new URL(resource, BASE), { method, headers, body: sent, signal: patience.signal });
    text = await response.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError(0, "NoAnswer", "The console's server cannot be reached.");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", giveUp);
  }
  const answer = parsed(text);
  if (response.ok && answer !== undefined) return answer;
  const retryAfter = Number(response.headers.get("Retry-After")) || null;
  const message = typeof answer?.message === "string" ? answer.message : `The server answered ${response.status}.`;
  throw new ApiError(response.status, String(answer?.error ?? "UnexpectedAnswer"), message, retryAfter);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Nobody; what the page takes for granted until /me has answered. */
export const NOBODY = { known: false, name: null, roles: [], reading_needs_account: false, accounts: false };

function known(me) {
  return { ...me, known: true };
}

/** Who is signed in. A token that is not taken any more is forgotten. */
export async function whoAmI() {
  try {
    return known(await call("me"));
  } catch (error) {
    if (error.status !== 401) throw error;
    sessionStorage.removeItem(TOKEN);
    return known(await call("me"));
  }
}

/** Keep the token for this tab if the server takes it; returns whose it is. Throws ApiError. */
export async function signIn(token) {
  const me = await call("me", { token });
  if (!me.name) throw new ApiError(401, "UnknownToken", "No account has this token.");
  sessionStorage.setItem(TOKEN, token);
  return known(me);
}

export function signOut() {
  sessionStorage.removeItem(TOKEN);
}
