// What is known of one part of the tree.
import { el, number, percent, rate, time, whole } from "./dom.js";

const breakers = { closed: "closed", open: "open", half_open: "half open" };
const rows = (pairs) => el("dl", { class: "pairs" }, pairs.filter(Boolean).map(([k, v]) => el("div", {}, el("dt", {}, k), el("dd", {}, v))));

function table(c) {
  if (c.replicas.length === 0) return el("p", { class: "soft" }, "No replica is known.");
  return el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Replicas of ${c.name}` }, el("table", {},
    el("thead", {}, el("tr", {}, ["replica", "breaker", "latency", "busy", "requests", "failed"].map((h) => el("th", { scope: "col" }, h)))),
    el("tbody", {}, c.replicas.map((r) => [
      el("tr", { "data-id": r.address },
        el("th", { scope: "row" }, r.address), el("td", { class: `breaker ${r.breaker}` }, breakers[r.breaker] ?? r.breaker), el("td", {}, time(r.latency_seconds)),
        el("td", {}, whole(r.outstanding)), el("td", {}, number(r.requests)), el("td", {}, number(r.failures))),
      r.reason ? el("tr", { class: "reason", "data-id": `why ${r.address}` }, el("td", { colspan: 6 }, r.reason)) : null,
    ]))));
}

export function details(item) {
  const { child: c, node } = item;
  const of = c ?? node;
  return [
    el("p", { class: `says ${item.state}` }, el("strong", {}, item.name), `: ${item.says}${c?.reason ? ` (${c.reason})` : ""}`),
    item.stale ? el("p", { class: "soft" }, "This is as it was when it was told the last time.") : null,
    rows([
      ["shards", of.shards],
      ["requests", `${rate(of.requests_per_second)} per second`],
      ["p50 · p95 · p99", `${time(of.p50_seconds)} · ${time(of.p95_seconds)} · ${time(of.p99_seconds)}`],
      c && ["answered", `${number(c.answered)} in the last minute`],
      c && ["partial · invalid · missing", `${number(c.partial)} · ${number(c.invalid)} · ${number(c.missing)}`],
      c && ["attempts", `${number(c.first)} first, ${number(c.retries)} retries, ${number(c.hedges.sent)} hedges (${number(c.hedges.won)} won)`],
      node && ["complete answers", `${percent(node.coverage.complete_ratio)} in the last minute`],
      node && ["in flight", whole(node.in_flight)],
      node && c && ["hedges below", `${number(node.hedges.sent)} (${number(node.hedges.won)} won)`],
      c?.tree_from && ["told by", c.tree_from],
      c?.tree_error && ["not told now", c.tree_error],
      node?.version && ["version", node.version],
    ]),
    c ? table(c) : null,
  ].filter(Boolean);
}
