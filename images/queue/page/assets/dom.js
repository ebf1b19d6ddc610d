// Making elements.

const namespaces = { svg: "http://www.w3.org/2000/svg" };

function make(namespace, name, attributes, children) {
  const e = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (v === undefined || v === null || v === false) continue;
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false));
  return e;
}

export const el = (name, attributes, ...children) => make(undefined, name, attributes, children);
export const svg = (name, attributes, ...children) => make(namespaces.svg, name, attributes, children);

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });
const exact = new Intl.NumberFormat("en");

// number is short in pictures and exact in words.
export const number = (n) => (n < 10000 ? exact.format(n) : compact.format(n));
export const whole = (n) => exact.format(n);
export const rate = (n) => (n === 0 ? "0" : n < 0.1 ? "<0.1" : n < 10 ? n.toFixed(1) : number(Math.round(n)));

// span is a length of time: "4 s", "3 min", "2 h 05 min".
export function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 90) return `${s} s`;
  if (s < 5400) return `${Math.round(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${String(Math.round((s % 3600) / 60)).padStart(2, "0")} min`;
  return `${Math.round(s / 86400)} days`;
}
