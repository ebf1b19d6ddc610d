// The pipeline as a picture: source, stages in layers, and where outputs go. From left to right, or, where the page is
// narrow, from top to bottom.
import { svg, number, rate, span, whole } from "./dom.js";

const box = { width: 178, height: 128 };
const gap = { along: 56, across: 22 };

// layers puts each stage one layer after the last of those that it takes from.
export function layers(stages) {
  const depth = new Map();
  const by = new Map(stages.map((s) => [s.name, s]));
  const of = (name, seen) => {
    if (depth.has(name)) return depth.get(name);
    if (!by.has(name) || seen.has(name)) return 0;
    seen.add(name);
    const d = 1 + Math.max(0, ...by.get(name).from.map((f) => of(f, seen)));
    depth.set(name, d);
    return d;
  };
  const out = [];
  for (const s of stages) (out[of(s.name, new Set()) - 1] ??= []).push(s);
  return out.filter(Boolean);
}

const left = (c) => (c.waiting ?? 0) + (c.delayed ?? 0) + (c.blocked ?? 0);

// words say what the picture shows, for those who hear it.
function words(s) {
  const c = s.counts;
  return `Stage ${s.name}: ${whole(left(c))} waiting, ${whole(c.in_flight ?? 0)} in flight, ${whole(c.done ?? 0)} done, ${whole(c.dead ?? 0)} dead letters, ` +
    `${rate(s.per_second)} per second, ${s.workers} workers${s.wanted == null ? "" : ` of ${s.wanted} wanted`}${s.removed ? ", no longer configured" : ""}.`;
}

function bar(x, y, width, c) {
  const parts = [["done", c.done ?? 0], ["in_flight", c.in_flight ?? 0], ["waiting", left(c)], ["dead", c.dead ?? 0]];
  const total = parts.reduce((n, p) => n + p[1], 0);
  if (total === 0) return svg("rect", { class: "bar none", x, y, width, height: 6, rx: 3 });
  const g = svg("g", {});
  for (const [name, n] of parts) {
    if (n === 0) continue;
    const w = Math.max(2, (width * n) / total);
    g.append(svg("rect", { class: `bar ${name}`, x, y, width: Math.min(w, width), height: 6 }));
    x += (width * n) / total;
  }
  return g;
}

function stageNode(s, x, y, chosen, choose) {
  const c = s.counts;
  const pick = (e) => {
    if (e.type === "keydown" && e.key !== "Enter" && e.key !== " ") return;
    e.preventDefault();
    choose(s.name);
  };
  const cell = (col, row, kind, label, n) => [
    svg("text", { class: `number ${kind}`, x: 14 + col * 82, y: 48 + row * 22 }, number(n)),
    svg("text", { class: "soft", x: 14 + col * 82 + 9 * number(n).length + 5, y: 48 + row * 22 }, label),
  ];
  const crew = s.wanted == null ? `${s.workers} ${s.workers === 1 ? "worker" : "workers"}` : `${s.workers} of ${s.wanted} workers`;
  const oldest = left(c) > 0 ? `oldest waits ${span(s.oldest_seconds)}` : s.removed ? "no longer configured" : "";
  return svg("g", {
    class: `node stage${chosen ? " chosen" : ""}`, transform: `translate(${x} ${y})`, tabindex: 0, role: "button", "aria-pressed": String(chosen), "aria-label": words(s), "data-stage": s.name, onclick: pick, onkeydown: pick,
  },
    svg("rect", { class: "box", width: box.width, height: box.height, rx: 8 }),
    svg("text", { class: "name", x: 14, y: 24 }, s.name.length > 20 ? `${s.name.slice(0, 19)}…` : s.name),
    cell(0, 0, "waiting", "wait", left(c)), cell(1, 0, "in_flight", "busy", c.in_flight ?? 0),
    cell(0, 1, "done", "done", c.done ?? 0), cell(1, 1, "dead", "dead", c.dead ?? 0),
    svg("text", { class: "soft", x: 14, y: 89 }, `${crew}, ${rate(s.per_second)}/s`),
    svg("text", { class: "soft", x: 14, y: 105 }, oldest),
    bar(14, 113, box.width - 28, c),
  );
}

function endNode(name, lines, x, y) {
  return svg("g", { class: "node", transform: `translate(${x} ${y})`, role: "img", "aria-label": `${name}: ${lines.join(", ")}` },
    svg("rect", { class: "box", width: box.width, height: box.height, rx: 34 }),
    svg("text", { class: "name", x: box.width / 2, y: 52, "text-anchor": "middle" }, name),
    lines.map((l, i) => svg("text", { class: "soft", x: box.width / 2, y: 74 + 18 * i, "text-anchor": "middle" }, l)),
  );
}

// draw gives the picture of a status. choose is called with the name of a stage that was picked.
export function draw(status, upright, chosen, choose) {
  const columns = layers(status.stages);
  const across = Math.max(1, ...columns.map((c) => c.length));
  const size = { along: upright ? box.height : box.width, across: upright ? box.width : box.height };
  const at = (layer, i, n) => {
    const a = 8 + layer * (size.along + gap.along);
    const b = 8 + ((across - n) / 2 + i) * (size.across + gap.across);
    return upright ? [b, a] : [a, b];
  };
  const place = new Map([["source", at(0, 0, 1)]]);
  columns.forEach((c, l) => c.forEach((s, i) => place.set(s.name, at(l + 1, i, c.length))));
  const end = at(columns.length + 1, 0, 1);
  const taken = new Set(status.stages.flatMap((s) => s.from));

  const from = ([x, y]) => (upright ? [x + box.width / 2, y + box.height] : [x + box.width, y + box.height / 2]);
  const to = ([x, y]) => (upright ? [x + box.width / 2, y] : [x, y + box.height / 2]);
  const edge = (a, b, busy) => {
    const [x1, y1] = from(a), [x2, y2] = to(b);
    const bend = upright ? `C${x1} ${y1 + 28} ${x2} ${y2 - 28} ${x2} ${y2}` : `C${x1 + 28} ${y1} ${x2 - 28} ${y2} ${x2} ${y2}`;
    return svg("path", { class: `edge${busy ? " busy" : ""}`, d: `M${x1} ${y1}${bend}` });
  };
  const edges = [];
  for (const s of status.stages) {
    for (const f of s.from) if (place.has(f)) edges.push(edge(place.get(f), place.get(s.name), (s.counts.in_flight ?? 0) > 0));
    if (!taken.has(s.name)) edges.push(edge(place.get(s.name), end, s.per_second > 0));
  }
  const source = status.source, sink = status.sink;
  const read = source.error ? "cannot be read" : source.finite ? (source.read ? "read to its end" : "being read") : source.items > 0 ? "stays open" : "what is pushed";
  const kept = sink ? [`${number(sink.exported)} in the bucket`, sink.error ? "cannot be written" : sink.pending ? `${number(sink.pending)} on their way` : ""] : ["kept in the queue", ""];

  const along = (columns.length + 2) * size.along + (columns.length + 1) * gap.along + 16;
  const wide = across * size.across + (across - 1) * gap.across + 16;
  const [width, height] = upright ? [wide, along] : [along, wide];
  return svg("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "group", "aria-label": "The pipeline" },
    edges,
    endNode("Source", [source.items > 0 || source.finite ? `${number(source.items)} items` : "", read].filter(Boolean), ...place.get("source")),
    status.stages.map((s) => stageNode(s, ...place.get(s.name), s.name === chosen, choose)),
    endNode("Outputs", kept.filter(Boolean), ...end),
  );
}
