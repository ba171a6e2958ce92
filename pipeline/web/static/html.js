// Preact with templates instead of JSX: nothing has to be built. Values in a template become text, never markup.
import { Component, createRef, h, render } from "./vendor/preact.js";
import htm from "./vendor/htm.js";

export const html = htm.bind(h);
export { Component, createRef, render };
