// Numbers, sums and times as people read them. Amounts stay decimal text: no digit is ever rounded.

const whole = new Intl.NumberFormat("en-GB");
const oneDecimal = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric" });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

export const NONE = "–";

export function count(value) {
  return typeof value === "number" ? whole.format(value) : NONE;
}

/** A rate per second. */
export function rate(value) {
  if (typeof value !== "number") return NONE;
  return value >= 100 || value === 0 ? whole.format(Math.round(value)) : oneDecimal.format(value);
}

/** How long, in the two largest units. */
export function duration(seconds) {
  if (typeof seconds !== "number") return NONE;
  if (seconds < 1) return "< 1 s";
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return days === 1 ? "1 day" : `${whole.format(days)} days`;
}

/** Decimal text with its digits in groups of three, such as 12 345.60. */
export function amount(text) {
  if (text === null || text === undefined) return NONE;
  const [front, ...rest] = String(text).split(".");
  return [front.replace(/\B(?=(\d{3})+$)/g, "\u202f"), ...rest].join(".");
}

export function money(text, currency) {
  return text === null || text === undefined ? NONE : `${amount(text)}\u00a0${currency ?? ""}`.trim();
}

/** Day and time of day where the reader is. What is no time stays as it is. */
export function moment(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : `${day.format(date)}, ${clock.format(date)}`;
}

export function dayOf(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : day.format(date);
}

export function clockOf(text) {
  const date = new Date(text);
  return Number.isNaN(date.getTime()) ? String(text) : clock.format(date);
}

/** "4 min ago"; a time in the future is "just now", since clocks differ. */
export function ago(text, now = Date.now()) {
  const seconds = (now - new Date(text).getTime()) / 1000;
  if (Number.isNaN(seconds)) return String(text);
  return seconds < 1 ? "just now" : `${duration(seconds)} ago`;
}

/** A name of the API in words: first_received_at becomes First received at. */
export function words(name) {
  const spaced = String(name).replaceAll(/[_-]+/g, " ").trim();
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** An event type in words: OrderPartlyDeliveredEvent becomes Order partly delivered. */
export function eventWords(type) {
  const bare = String(type).replace(/(Event|Notification)$/, "");
  const spaced = bare.replaceAll(/([a-z])([A-Z])/g, "$1 $2");
  return spaced.charAt(0) + spaced.slice(1).toLowerCase();
}

/** JSON with line breaks; anything else as it is. */
export function pretty(value) {
  try {
    return JSON.stringify(typeof value === "string" ? JSON.parse(value) : value, null, 2);
  } catch {
    return String(value);
  }
}
