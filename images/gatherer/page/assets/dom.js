// Making elements, and changing those that are there into others.

const namespaces = { svg: "http://www.w3.org/2000/svg" };

function make(namespace, name, attributes, children) {
  const e = namespace ? document.createElementNS(namespace, name) : document.createElement(name);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (v === undefined || v === null || v === false) continue;
    e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== undefined && c !== null && c !== false).map(asNode));
  return e;
}

const asNode = (c) => (c instanceof Node ? c : document.createTextNode(String(c)));

export const el = (name, attributes, ...children) => make(undefined, name, attributes, children);
export const svg = (name, attributes, ...children) => make(namespaces.svg, name, attributes, children);

// patch changes an element into another one of its kind. What is the same in both stays, with its focus, so that neither the
// keyboard nor a screen reader notices more than what has changed. Children with data-id are found again by that.
export function patch(old, next) {
  for (const { name } of [...old.attributes]) if (!next.hasAttribute(name)) old.removeAttribute(name);
  for (const { name, value } of next.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  fill(old, [...next.childNodes]);
}

// fill gives an element these children, as patch does.
export function fill(parent, wanted) {
  const known = new Map();
  for (const c of parent.childNodes) if (c.dataset?.id !== undefined) known.set(c.dataset.id, c);
  wanted.forEach((next, i) => {
    const at = parent.childNodes[i];
    const id = next.dataset?.id;
    const old = id === undefined ? at : known.get(id);
    if (!old || old.nodeName !== next.nodeName || old.dataset?.id !== id) {
      parent.insertBefore(next, at ?? null);
      return;
    }
    if (old !== at) parent.insertBefore(old, at ?? null);
    if (old.nodeType === Node.TEXT_NODE) {
      if (old.data !== next.data) old.data = next.data;
    } else patch(old, next);
  });
  while (parent.childNodes.length > wanted.length) parent.lastChild.remove();
}

const exact = new Intl.NumberFormat("en");
const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export const whole = (n) => exact.format(n);
export const number = (n) => (n < 10000 ? exact.format(n) : compact.format(n));
export const rate = (n) => (n === 0 ? "0" : n < 0.1 ? "<0.1" : n < 10 ? n.toFixed(1) : number(Math.round(n)));

// time is seconds as people say them; a dash where nothing is known.
export function time(seconds) {
  if (!(seconds > 0)) return "–";
  const ms = seconds * 1000;
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${Math.round(ms)} ms`;
  return `${seconds.toFixed(seconds < 10 ? 1 : 0)} s`;
}

// percent never says 100 of what is less.
export const percent = (part) => (part >= 1 ? "100 %" : `${(Math.floor(part * 1000) / 10).toFixed(1)} %`);
