// The page: signs in, follows the status, and shows it.
import * as api from "./api.js";
import { chart, style } from "./chart.js";
import { el, span, svg, whole } from "./dom.js";
import { draw } from "./pipeline.js";

const $ = (id) => document.getElementById(id);
const narrow = matchMedia("(max-width: 60rem)");
const rows = 50; // of a table
let status, chosen, following;

function show(error) {
  $("trouble").hidden = !error;
  $("trouble").textContent = error ?? "";
}

function signIn(error) {
  following?.abort();
  api.token.clear();
  for (const id of ["main", "state", "signout"]) $(id).hidden = true;
  $("signin").hidden = false;
  $("signin-error").textContent = error ?? "";
  $("token").value = "";
  $("token").focus();
}

$("signin").addEventListener("submit", (e) => {
  e.preventDefault();
  api.token.set($("token").value.trim());
  start();
});
$("signout").addEventListener("click", () => signIn());
narrow.addEventListener("change", () => status && picture());

function choose(stage) {
  chosen = chosen === stage ? undefined : stage;
  picture();
  $("pipeline").querySelector(`[data-stage="${CSS.escape(stage)}"]`)?.focus();
  tables();
}

function summary() {
  const sum = (state) => status.stages.reduce((n, s) => n + (s.counts[state] ?? 0), 0);
  const busy = sum("in_flight"), open = sum("waiting") + sum("delayed") + sum("blocked"), dead = sum("dead");
  const [kind, words] = status.source.error || status.sink?.error ? ["trouble", "trouble"]
    : status.drained ? ["drained", dead ? `drained, ${whole(dead)} dead` : "drained"]
    : busy || open ? ["working", `${whole(open)} waiting, ${whole(busy)} in flight`] : ["idle", "idle"];
  $("state").className = `pill ${kind}`;
  if ($("state").textContent !== words) $("state").textContent = words;
  $("instance").textContent = status.instance || "Work queue";
  document.title = `${status.instance || "Work queue"}: ${words}`;
  $("n-flight").textContent = whole(busy);
  $("n-dead").textContent = whole(dead);
  $("notes").textContent = [status.source.error && `Source: ${status.source.error}`, status.sink?.error && `Sink: ${status.sink.error}`].filter(Boolean).join(" ");
}

function picture() {
  const had = document.activeElement?.closest?.("#pipeline [data-stage]")?.dataset.stage;
  $("pipeline").replaceChildren(draw(status, narrow.matches, chosen, choose));
  if (had) $("pipeline").querySelector(`[data-stage="${CSS.escape(had)}"]`)?.focus();
}

async function charts() {
  const h = await api.history();
  const series = (field) => h.stages.map((s) => ({ name: s.name, values: s[field] }));
  $("depth").replaceChildren(chart(series("depth"), h.step_seconds, "Waiting"));
  $("done").replaceChildren(chart(series("done"), h.step_seconds, "Done per second"));
  $("series").replaceChildren(...h.stages.map((s, n) => el("li", {}, svg("svg", { viewBox: "0 0 28 8", "aria-hidden": "true" }, svg("path", { class: style(n), d: "M0 4H28" })), ` ${s.name}`)));
}

const stages = (state) => status.stages.filter((s) => (!chosen || s.name === chosen) && (s.counts[state] ?? 0) > 0);

async function list(state) {
  const some = await Promise.all(stages(state).map(async (s) => (await api.items(s.name, state, rows)).items.map((i) => ({ ...i, stage: s.name }))));
  return some.flat().slice(0, rows);
}

function table(head, body) {
  return el("table", {}, el("thead", {}, el("tr", {}, head.map((h) => el("th", { scope: "col" }, h)))), el("tbody", {}, body));
}
const cell = (label, content, kind) => el("td", { "data-label": label, class: kind }, content);
const ago = (time) => span((Date.now() - new Date(time)) / 1000);
const scope = () => (chosen ? ` in ${chosen}` : "");
const rest = (state, shown) => {
  const all = stages(state).reduce((n, s) => n + s.counts[state], 0);
  return all > shown && el("p", { class: "notes" }, `${whole(all - shown)} more.`);
};

async function flight() {
  const all = await list("in_flight");
  $("flight").replaceChildren(...(all.length === 0 ? [el("p", { class: "empty" }, `Nothing is in flight${scope()}.`)] : [
    table(["Item", "Stage", "Worker", "Attempt", "For"], all.map((i) => el("tr", {},
      cell("Item", i.name), cell("Stage", i.stage), cell("Worker", i.worker ?? ""), cell("Attempt", String(i.attempt), "n"), cell("For", ago(i.changed), "n")))),
    rest("in_flight", all.length) || "",
  ]));
}

// act does something with dead letters, once, and says so when it fails.
async function act(button, what) {
  const buttons = [button];
  buttons.forEach((b) => (b.disabled = true));
  try {
    await what();
    show();
    status = await api.status();
    render();
    $("h-dead").setAttribute("tabindex", "-1");
    $("h-dead").focus();
  } catch (e) {
    failed(e);
    buttons.forEach((b) => (b.disabled = false));
  }
}

async function dead() {
  const opened = new Set([...$("dead").querySelectorAll("details[open]")].map((d) => d.dataset.key));
  const all = await list("dead");
  if ($("dead").contains(document.activeElement) && document.activeElement.tagName === "BUTTON" && !document.activeElement.disabled && all.length === $("dead").querySelectorAll("tbody tr").length) return; // do not take the button from under a finger
  const one = (i) => {
    const f = i.failure ?? {};
    const key = `${i.stage}/${i.name}`;
    const why = f.reason || "no reason was given";
    return el("tr", {}, cell("Item", i.name), cell("Stage", i.stage), cell("Attempts", String(i.attempt), "n"), cell("Since", ago(i.changed), "n"),
      cell("Error", f.error_tail ? el("details", { open: opened.has(key), "data-key": key }, el("summary", {}, why), el("pre", { tabindex: 0 }, f.error_tail)) : why),
      cell("", el("button", { type: "button", "aria-label": `Redrive ${i.name} of ${i.stage}`, onclick: (e) => act(e.currentTarget, () => api.redrive(i.stage, [i.name])) }, "Redrive"), "act"));
  };
  $("dead").replaceChildren(...(all.length === 0 ? [el("p", { class: "empty" }, `There are no dead letters${scope()}.`)] : [
    el("div", { class: "tools" }, stages("dead").map((s) => el("button", { type: "button", onclick: (e) => act(e.currentTarget, () => api.redrive(s.name)) }, `Redrive all ${whole(s.counts.dead)} of ${s.name}`))),
    table(["Item", "Stage", "Attempts", "Since", "Error", ""], all.map(one)),
    rest("dead", all.length) || "",
  ]));
}

const tables = () => Promise.all([flight(), dead()]).catch(failed);

function render() {
  summary();
  picture();
  return tables();
}

// failed says what went wrong; a token that is not taken leads back to the form.
function failed(e) {
  if (e.name === "AbortError") return;
  if (e instanceof api.Refused && (e.status === 401 || e.status === 403)) signIn(e.message);
  else show(e instanceof TypeError ? "The queue server does not answer. Trying again." : e.message);
}

const pause = (ms, signal) => new Promise((done) => {
  const t = setTimeout(done, ms);
  signal.addEventListener("abort", () => (clearTimeout(t), done()), { once: true });
});

async function follow(signal) {
  for (let tries = 0; !signal.aborted; ) {
    try {
      status = await api.status(status?.version, signal);
      if (signal.aborted) return;
      show();
      await render();
      tries = 0;
      await pause(500, signal); // no more than twice a second
    } catch (e) {
      if (signal.aborted) return;
      status = undefined; // a new server counts its versions anew
      failed(e);
      await pause(Math.min(10000, 500 * 2 ** tries++), signal);
    }
  }
}

async function followHistory(signal) {
  while (!signal.aborted) {
    await charts().catch(failed);
    await pause(10000, signal);
  }
}

async function start() {
  following?.abort();
  following = new AbortController();
  const { signal } = following;
  try {
    status = await api.status(undefined, signal);
  } catch (e) {
    failed(e);
    if (!api.token.get()) return;
  }
  if (status) {
    $("signin").hidden = true;
    for (const id of ["main", "state", "signout"]) $(id).hidden = false;
    await render();
    follow(signal);
    followHistory(signal);
  } else {
    await pause(2000, signal);
    if (!signal.aborted) start();
  }
}

if (api.token.get()) start();
else signIn();
