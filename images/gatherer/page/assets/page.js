// The page: asks for the tree each second while it is looked at, and shows it.
import { chart, kinds } from "./coverage.js";
import { details } from "./details.js";
import { el, fill, number, percent, rate, svg, time, whole } from "./dom.js";
import { items, states, wellBelow } from "./model.js";
import { draw, mark } from "./picture.js";

const $ = (id) => document.getElementById(id);
const every = 1000, patience = 5000, listed = 12;
let tree, all = [], shown = [], at, selected, hovered, lastAnswer;

// show what is known.
function show() {
  if (!tree) return;
  all = items(tree);
  const well = wellBelow(all);
  const only = $("only").checked;
  shown = only ? all.filter((i) => i.depth === 0 || !well.get(i.id)) : all;
  if (!shown.some((i) => i.id === at)) at = shown[0].id;
  if (!all.some((i) => i.id === selected)) selected = undefined;
  summary();
  picture();
  wrong();
  sheet();
}

function summary() {
  const bad = all.filter((i) => i.child && i.state !== "ok");
  const top = all[0].state;
  const kind = top !== "ok" ? top : bad.length ? "open" : "ok";
  const missing = bad.filter((i) => i.state === "missing").length;
  const text = missing ? `${missing} missing` : bad.length ? `${bad.length} not well` : "all is well";
  $("state").hidden = false;
  $("state").className = `pill ${kind}`;
  if ($("state").textContent !== text) $("state").textContent = text;
  const title = tree.instance ? `${tree.instance}: ${tree.name}` : tree.name;
  $("name").textContent = title;
  document.title = `${title}, ${text}`;
  $("place").textContent = `${whole(tree.shard_count)} ${tree.shard_count === 1 ? "shard" : "shards"}, ${tree.depth === 1 ? "one level" : `${tree.depth} levels`}` +
    (tree.level > 0 ? `, level ${tree.level}` : tree.require ? `, requires ${tree.require.replace("_", " ")}` : "");
  const tile = (name, value, more) => el("div", { "data-id": name }, el("dt", {}, name), el("dd", {}, value, more ? el("small", {}, more) : null));
  fill($("tiles"), [
    tile("requests", `${rate(tree.requests_per_second)}/s`, `${whole(tree.in_flight)} in flight`),
    tile("complete", percent(tree.coverage.complete_ratio), `${number(tree.coverage.partial)} partial${tree.coverage.insufficient ? `, ${number(tree.coverage.insufficient)} too few` : ""}`),
    tile("p50", time(tree.p50_seconds)), tile("p95", time(tree.p95_seconds)), tile("p99", time(tree.p99_seconds)),
    tile("hedges", number(tree.hedges.sent), `${number(tree.hedges.won)} won`),
  ]);
  fill($("coverage"), [chart(tree.coverage, Math.max(200, Math.floor($("coverage").clientWidth)))]);
}

function picture() {
  const { element, range } = draw(shown, Math.max(280, Math.floor($("tree").clientWidth)), at, selected);
  fill($("tree"), [element]);
  fill($("legend"), [
    ...Object.entries(states).map(([state, says]) => el("div", {}, el("dt", {}, svg("svg", { width: 14, height: 14, viewBox: "-2 -2 14 14", "aria-hidden": "true" }, mark(state, 0, 0))), el("dd", {}, says))),
    el("div", {}, el("dt", {}, svg("svg", { width: 30, height: 12, "aria-hidden": "true" },
      svg("rect", { class: "tail", x: 2, y: 4, width: 26, height: 4 }), svg("rect", { class: "body", x: 2, y: 1, width: 14, height: 10, rx: 2 }))),
    el("dd", {}, `latency, p50 to p95 and p99, ${range} (logarithmic)`)),
    el("div", {}, el("dt", {}, svg("svg", { width: 26, height: 12, "aria-hidden": "true" },
      svg("rect", { class: "replica closed", x: 1, y: 1, width: 10, height: 10, rx: 2 }), svg("rect", { class: "replica open", x: 14, y: 1, width: 10, height: 10, rx: 2 }))),
    el("dd", {}, "replicas: asked, and not asked")),
    ...Object.entries(kinds).map(([kind, text]) => el("div", {}, el("dt", { class: `k ${kind}` }), el("dd", {}, text))),
  ]);
}

// wrong is the list of what is not well.
function wrong() {
  const order = Object.keys(states);
  const bad = all.filter((i) => i.child && i.state !== "ok").sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state));
  $("n-wrong").textContent = bad.length ? whole(bad.length) : "";
  const icon = (state) => svg("svg", { width: 14, height: 14, viewBox: "-2 -2 14 14", "aria-hidden": "true" }, mark(state, 0, 0));
  fill($("wrong"), bad.length === 0 ? [el("p", { class: "soft" }, "Nothing: all children answer in time.")] : [
    el("ul", {}, bad.slice(0, listed).map((i) => el("li", { "data-id": i.id },
      el("button", { type: "button", "data-go": i.id }, icon(i.state), el("span", {}, el("strong", {}, i.name), ` ${i.says}${i.child.reason ? `: ${i.child.reason}` : ""}`))))),
    ...(bad.length > listed ? [el("p", { class: "soft" }, `and ${whole(bad.length - listed)} more`)] : []),
  ]);
}

function sheet() {
  const item = all.find((i) => i.id === (hovered ?? selected));
  $("sheet").classList.toggle("shown", Boolean(item));
  fill($("details"), item ? details(item) : [el("p", { class: "soft" }, "Point at a part of the tree, or go through it with the arrow keys.")]);
}

const idOf = (target) => target.closest?.("#tree [data-id][role=treeitem]")?.dataset.id;
const elementOf = (id) => $("tree").querySelector(`[role=treeitem][data-id="${CSS.escape(id)}"]`);

function go(id) {
  if (!shown.some((i) => i.id === id)) {
    $("only").checked = false;
  }
  at = selected = id;
  hovered = undefined;
  show();
  const element = elementOf(id);
  element?.focus({ preventScroll: true });
  element?.scrollIntoView({ block: "nearest" });
}

$("tree").addEventListener("focusin", (e) => {
  const id = idOf(e.target);
  if (id && id !== selected) {
    at = selected = id;
    show();
  }
});
$("tree").addEventListener("click", (e) => {
  const id = idOf(e.target);
  if (id) go(id);
});
$("tree").addEventListener("pointerover", (e) => {
  if (e.pointerType !== "mouse") return;
  hovered = idOf(e.target);
  sheet();
});
$("tree").addEventListener("pointerleave", () => {
  hovered = undefined;
  sheet();
});
$("tree").addEventListener("keydown", (e) => {
  const i = shown.findIndex((item) => item.id === idOf(e.target));
  if (i < 0 || e.ctrlKey || e.altKey || e.metaKey) return;
  const to = {
    ArrowDown: shown[i + 1]?.id, ArrowUp: shown[i - 1]?.id, ArrowLeft: shown[i].up, Home: shown[0].id, End: shown.at(-1).id,
    ArrowRight: shown[i].below.find((id) => shown.some((s) => s.id === id)),
  };
  if (!(e.key in to)) return;
  e.preventDefault();
  if (to[e.key]) go(to[e.key]);
});
$("wrong").addEventListener("click", (e) => {
  const id = e.target.closest("[data-go]")?.dataset.go;
  if (id) go(id);
});
function close() {
  selected = hovered = undefined;
  show();
}
$("close").addEventListener("click", close);
addEventListener("keydown", (e) => e.key === "Escape" && close());
$("only").addEventListener("change", show);
new ResizeObserver(() => {
  if (tree) summary(), picture();
}).observe($("tree"));

// follow the tree. A page that nobody sees asks for nothing.
async function follow() {
  for (;;) {
    if (document.hidden) await new Promise((seen) => document.addEventListener("visibilitychange", seen, { once: true }));
    const begun = performance.now();
    try {
      const answer = await fetch("/tree", { cache: "no-store", signal: AbortSignal.timeout(patience) });
      if (!answer.ok) throw new Error(`${answer.status} ${answer.statusText}`);
      tree = await answer.json();
      lastAnswer = new Date();
      $("trouble").hidden = true;
      document.body.classList.remove("away");
      $("main").hidden = false;
    } catch {
      const text = lastAnswer ? `The gatherer does not answer. This is as it was at ${lastAnswer.toLocaleTimeString()}.` : "The gatherer does not answer.";
      if ($("trouble").textContent !== text) $("trouble").textContent = text;
      $("trouble").hidden = false;
      document.body.classList.add("away");
    }
    show();
    await new Promise((r) => setTimeout(r, Math.max(100, every - (performance.now() - begun))));
  }
}

follow();
