// Addresses of the page: everything after # says what is shown, so that a link and a reload show the same.

/** {parts, query} of an address such as #/orders/1%3A2%3A3?after=x. What cannot be read is the overview. */
export function parse(hash) {
  const [place, query = ""] = hash.replace(/^#\/?/, "").split(/\?(.*)/s);
  try {
    return { parts: place.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
  } catch {
    return { parts: [], query: new URLSearchParams() };
  }
}

/** The address of `parts` with the parameters that have a value. */
export function link(parts, parameters = {}) {
  const given = Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined && value !== "");
  const query = given.length ? `?${new URLSearchParams(given)}` : "";
  return `#/${parts.map(encodeURIComponent).join("/")}${query}`;
}
