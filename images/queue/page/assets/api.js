// What the page asks of the API. The token is kept in this tab's session storage, and nowhere else.

const key = "work-queue-token";

export const token = {
  get: () => sessionStorage.getItem(key) ?? "",
  set: (value) => sessionStorage.setItem(key, value),
  clear: () => sessionStorage.removeItem(key),
};

// Refused is thrown when the server answers with an error of its own; status is that of HTTP.
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function ask(method, path, body, signal) {
  const answer = await fetch(path, {
    method, signal, cache: "no-store",
    headers: { Authorization: `Bearer ${token.get()}`, ...(body && { "Content-Type": "application/json" }) },
    body: body && JSON.stringify(body),
  });
  const said = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, said.message ?? `${method} ${path}: ${answer.status} ${answer.statusText}`);
  return said;
}

const stage = (name) => `/v1/stages/${encodeURIComponent(name)}`;

// status waits for a version newer than since, at most 20 s.
export const status = (since, signal) => ask("GET", since === undefined ? "/v1/status" : `/v1/status?wait=20s&since=${since}`, undefined, signal);
export const history = () => ask("GET", "/v1/history");
export const items = (name, state, limit) => ask("GET", `${stage(name)}/items?state=${state}&limit=${limit}`);
export const redrive = (name, names) => ask("POST", `${stage(name)}/redrive`, names ? { names } : { all: true });
