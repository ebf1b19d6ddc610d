// The tree of GET /tree as a list of what is drawn, from above.
import { rate, time } from "./dom.js";

// states from bad to good, with what they say.
export const states = {
  missing: "does not answer",
  flaky: "misses some answers",
  open: "a replica fails and is not asked",
  slow: "slower than its siblings",
  ok: "well",
};

const seconds = 10;

// A root's own state is that of its answers.
function rootState(node) {
  const last = node.coverage.seconds.slice(-seconds);
  const sum = (kind) => last.reduce((n, s) => n + s[kind], 0);
  if (sum("insufficient") + sum("failed") > 0) return "missing";
  return sum("partial") > 0 ? "flaky" : "ok";
}

const rootWords = { missing: "some requests get no answer", flaky: "some answers are partial", ok: "all answers are complete" };

// items of a tree, parents before their children. Each has an id that stays, and the ids of those above and below.
export function items(root) {
  const out = [];
  const gatherer = (item, node, stale) => {
    item.node = node;
    for (const c of node.children) {
      const id = `${item.id}/${c.name}`;
      const below = {
        id, up: item.id, depth: item.depth + 1, name: c.name, kind: c.parent ? "gatherer" : "leaf", child: c, stale,
        state: states[c.state] ? c.state : "ok", below: [],
      };
      item.below.push(id);
      out.push(below);
      if (c.tree) gatherer(below, c.tree, stale || Boolean(c.tree_error) || c.tree_age_seconds > 4);
    }
  };
  const top = { id: root.name, depth: 0, name: root.name, kind: "gatherer", state: rootState(root), below: [] };
  out.push(top);
  gatherer(top, root, false);
  for (const item of out) item.says = item.child ? states[item.state] : rootWords[item.state];
  return out;
}

// well tells whether an item and all below it are.
export function wellBelow(all) {
  const by = new Map(all.map((i) => [i.id, i]));
  const well = new Map();
  for (const item of all.toReversed()) well.set(item.id, item.state === "ok" && !item.child?.tree_error && item.below.every((id) => well.get(by.get(id).id)));
  return well;
}

// words of an item, for those who hear it.
export function words(item) {
  const of = item.child ?? item.node;
  const parts = [`${item.name}: ${item.says}`];
  if (item.child?.reason) parts.push(item.child.reason);
  if (item.child) {
    const open = item.child.replicas.filter((r) => r.breaker !== "closed").length;
    parts.push(`${item.child.replicas.length} ${item.child.replicas.length === 1 ? "replica" : "replicas"}${open ? `, ${open} with an open breaker` : ""}`);
  }
  parts.push(`95 of 100 requests take ${of.p95_seconds > 0 ? time(of.p95_seconds) : "an unknown time"}`, `${rate(of.requests_per_second)} requests per second`);
  if (item.child?.tree_error) parts.push("what is below is not known now");
  if (item.stale) parts.push("as it was a while ago");
  return parts.join(", ");
}
