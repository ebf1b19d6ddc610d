// The tree as a picture: from left to right, or, where the page is narrow, as rows from top to bottom.
import { rate, svg, time } from "./dom.js";
import { words } from "./model.js";

const card = { width: 166, height: 62, gap: 14, along: 48 };
const row = 26;
const indent = 14;
const leastLeaf = 300;
const seen = 220;

// mark of a state: a form besides the colour.
const marks = {
  ok: "M5 0a5 5 0 1 0 .01 0z",
  slow: "M5 -1l6 6l-6 6l-6 -6z",
  open: "M5 0a5 5 0 1 0 .01 0zM5 2a3 3 0 1 1 -.01 0z",
  flaky: "M5 -1l6 11h-12z",
  missing: "M1.2 -.2l3.8 3.8l3.8 -3.8l1.4 1.4l-3.8 3.8l3.8 3.8l-1.4 1.4l-3.8 -3.8l-3.8 3.8l-1.4 -1.4l3.8 -3.8l-3.8 -3.8z",
};
export const mark = (state, x, y) => svg("path", { class: `mark ${state}`, d: marks[state], transform: `translate(${x} ${y})`, "fill-rule": "evenodd" });

const cut = (text, width) => {
  const most = Math.max(3, Math.floor(width / 7.2));
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
};

// scale of latencies is logarithmic: whole powers of ten, so that it stays when numbers move a little.
export function scale(all) {
  const known = all.flatMap((i) => (i.child ? [i.child.p50_seconds, i.child.p99_seconds] : [])).filter((v) => v > 0);
  if (known.length === 0) return { low: 0.001, high: 1 };
  const low = 10 ** Math.floor(Math.log10(Math.min(...known)));
  return { low, high: Math.max(10 * low, 10 ** Math.ceil(Math.log10(Math.max(...known)))) };
}

const place = ({ low, high }, v) => Math.min(1, Math.max(0, Math.log(v / low) / Math.log(high / low)));

// latencies as a bar from the 50th to the 99th percentile, thick until the 95th.
function latencies(c, x, y, width, range) {
  const out = [svg("rect", { class: "rail", x, y: y - 1, width, height: 2 })];
  if (c.p50_seconds > 0) {
    const [a, b, d] = [c.p50_seconds, c.p95_seconds || c.p50_seconds, c.p99_seconds || c.p95_seconds || c.p50_seconds].map((v) => x + width * place(range, v));
    out.push(svg("rect", { class: "tail", x: a, y: y - 2, width: Math.max(1, d - a), height: 4 }));
    out.push(svg("rect", { class: "body", x: a, y: y - 5, width: Math.max(3, b - a), height: 10, rx: 2 }));
  }
  return out;
}

const most = 6; // replicas that are drawn one by one

function replicas(c, right, y) {
  const n = c.replicas.length;
  if (n === 0) return svg("text", { class: "soft", x: right, y: y + 4, "text-anchor": "end" }, "none");
  if (n > most) {
    const well = c.replicas.filter((r) => r.breaker === "closed").length;
    return svg("text", { class: well < n ? "bad" : "soft", x: right, y: y + 4, "text-anchor": "end" }, `${well} of ${n}`);
  }
  return c.replicas.map((r, i) => svg("rect", { class: `replica ${r.breaker}`, x: right - (n - i) * 13 + 2, y: y - 5, width: 10, height: 10, rx: 2 }));
}

function coverageBar(node, x, y, width) {
  const c = node.coverage;
  const parts = [["complete", c.complete], ["partial", c.partial], ["insufficient", c.insufficient + c.failed]];
  const total = parts.reduce((n, p) => n + p[1], 0);
  const out = [svg("rect", { class: "rail", x, y, width, height: 5, rx: 2 })];
  for (const [kind, n] of parts) {
    if (n === 0) continue;
    const w = (width * n) / total;
    out.push(svg("rect", { class: kind, x, y, width: Math.max(2, w), height: 5 }));
    x += w;
  }
  return out;
}

// draw gives the picture of the items that are shown, for a width in px. The one whose id is at is where the Tab key leads.
export function draw(all, width, at, selected) {
  const by = new Map(all.map((i) => [i.id, i]));
  const below = (item) => item.below.map((id) => by.get(id)).filter(Boolean);
  const columns = Math.max(1, ...all.map((i) => (i.kind === "leaf" ? i.depth : i.depth + 1)));
  const leafX = columns * (card.width + card.along);
  const rows = width - leafX < leastLeaf;
  const range = scale(all);
  const spots = new Map();
  let bottom = 0;

  if (rows) {
    bottom = 4;
    for (const item of all) {
      const x = 2 + item.depth * indent;
      const height = item.kind === "leaf" ? row : card.height;
      spots.set(item.id, { x, y: bottom, width: width - x - 2, height, middle: bottom + height / 2 });
      bottom += height + (item.kind === "leaf" ? 0 : 6);
    }
  } else {
    const put = (item, top) => {
      const children = below(item);
      const x = item.kind === "leaf" ? leafX : 2 + item.depth * (card.width + card.along);
      if (item.kind === "leaf") {
        spots.set(item.id, { x, y: top, width: width - x - 2, height: row, middle: top + row / 2 });
        return row;
      }
      const wants = children.length === 0 ? 0 : childrenHeight(children);
      const height = Math.max(card.height + card.gap, wants);
      let y = top + (height - wants) / 2;
      for (const c of children) y += put(c, y);
      // In the middle of its children, but no further down than one sees without scrolling.
      const middle = Math.min(top + seen, children.length ? (spots.get(children[0].id).middle + spots.get(children.at(-1).id).middle) / 2 : top + height / 2);
      spots.set(item.id, { x, y: middle - card.height / 2, width: card.width, height: card.height, middle });
      return height;
    };
    const heightOf = (item) => (item.kind === "leaf" ? row : Math.max(card.height + card.gap, childrenHeight(below(item))));
    const childrenHeight = (children) => children.reduce((n, c) => n + heightOf(c), 0);
    bottom = 4 + put(all[0], 4);
  }

  const edge = (item) => {
    const a = spots.get(item.up), b = spots.get(item.id);
    if (!a) return null;
    const d = rows
      ? `M${a.x + indent / 2} ${a.y + a.height}V${b.middle}H${b.x}`
      : `M${a.x + a.width} ${a.middle}C${a.x + a.width + 26} ${a.middle} ${b.x - 26} ${b.middle} ${b.x - 4} ${b.middle}`;
    return svg("path", { class: `edge ${item.state}${item.stale ? " stale" : ""}`, d, "data-id": `edge ${item.id}` });
  };

  const one = (item) => {
    const s = spots.get(item.id);
    const attributes = {
      class: `item ${item.kind} ${item.state}${item.stale ? " stale" : ""}${item.id === selected ? " selected" : ""}`,
      transform: `translate(${s.x} ${s.y})`, "data-id": item.id, role: "treeitem", tabindex: item.id === at ? 0 : -1,
      "aria-level": item.depth + 1, "aria-label": words(item), "aria-selected": String(item.id === selected), "aria-expanded": item.below.length ? "true" : null,
    };
    return svg("g", attributes, item.kind === "leaf" ? leaf(item, s.width) : gatherer(item, s.width));
  };

  const leaf = (item, w) => {
    const name = w < 340 ? 74 : 104, right = Math.min(most, Math.max(3, ...all.map((i) => (i.kind === "leaf" ? i.child.replicas.length : 0)))) * 13 + 6;
    const bars = Math.max(30, w - 24 - name - 62 - right);
    const middle = row / 2;
    return [
      svg("rect", { class: "back", width: w, height: row - 2, y: 1, rx: 4 }),
      mark(item.state, 7, middle - 5),
      svg("text", { class: "name", x: 24, y: middle + 4.5 }, cut(item.name, name)),
      latencies(item.child, 24 + name, middle, bars, range),
      svg("text", { class: "number", x: 24 + name + bars + 58, y: middle + 4.5, "text-anchor": "end" }, item.state === "missing" ? "missing" : time(item.child.p95_seconds)),
      replicas(item.child, w - 4, middle),
    ];
  };

  const gatherer = (item, w) => {
    const of = item.child ?? item.node;
    return [
      svg("rect", { class: "box", width: w, height: card.height, rx: 8 }),
      mark(item.state, 11, 12),
      svg("text", { class: "name", x: 28, y: 22 }, cut(item.name, w - 40 - (item.child ? item.child.replicas.length * 13 : 0))),
      item.child ? replicas(item.child, w - 8, 17) : null,
      svg("text", { class: "soft", x: 12, y: 41 }, item.state === "missing" && item.child ? "missing" : `${rate(of.requests_per_second)}/s · p95 ${time(of.p95_seconds)}`),
      item.node ? coverageBar(item.node, 12, 50, w - 24) : svg("text", { class: "soft", x: 12, y: 56 }, "below: not known"),
    ];
  };

  const { low, high } = range;
  return {
    range: `${time(low)} to ${time(high)}`,
    element: svg("svg", { width, height: bottom + 6, viewBox: `0 0 ${width} ${bottom + 6}`, role: "tree", "aria-label": "The tree of gatherers and leaves", class: rows ? "rows" : "columns" },
      all.filter((i) => i.up !== undefined).map(edge), all.map(one)),
  };
}
