// A resource that only the leader can write, and no leader of old. Run it with: node resource.mjs FOLDER [PORT]
//
//   curl -X PUT -H 'Fencing-Token: 7' --data hello http://localhost:8090/greeting
//   curl http://localhost:8090/greeting
//
// Who writes says the term that it leads in, in the header Fencing-Token. Terms only grow. So whoever comes with a smaller one than
// somebody before has led once, and does not know that it is over: perhaps it was paused for a minute, just before it wrote.

import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";

const [folder = "values", port = "8090"] = process.argv.slice(2);
mkdirSync(folder, { recursive: true });

// Tokens are whole numbers of up to 64 bits, which is more than the numbers of JavaScript can hold exactly: so they are BigInt.
const mostToken = 2n ** 64n - 1n;

// What is kept of a name: {token, value}. Both are in one file, so that one never changes without the other.
function read(name) {
  try {
    const { token, value } = JSON.parse(readFileSync(join(folder, name + ".json"), "utf8"));
    return { token: BigInt(token), value: Buffer.from(value, "base64") };
  } catch (error) {
    if (error.code === "ENOENT") return { token: 0n, value: undefined };
    throw error; // a file that cannot be read may have any token: nobody may write
  }
}

// Replace a file so that, whenever the machine stops, it has what it had, or what it shall have, and nothing between:
// write another file, have it on the disk (fsync), give it the name, and have the name on the disk.
function write(name, token, value) {
  const path = join(folder, name + ".json");
  const file = openSync(path + ".new", "w");
  try {
    writeSync(file, JSON.stringify({ token: String(token), value: value.toString("base64") }));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(path + ".new", path);
  const names = openSync(folder, "r");
  try {
    fsyncSync(names);
  } finally {
    closeSync(names);
  }
}

// The body of a refusal. (JSON.stringify knows no BigInt.)
function refusal(error, token, highest) {
  const numbers = token === undefined ? "" : `,"token":${token},"highest":${highest}`;
  return `{"error":${JSON.stringify(error)}${numbers}}\n`;
}

// What to answer: [status, body].
function put(name, header, value) {
  if (header === undefined) return [428, refusal("say the term that you lead in: Fencing-Token: TERM")];
  if (!/^[1-9][0-9]{0,19}$/.test(header) || BigInt(header) > mostToken) {
    return [400, refusal(`Fencing-Token must be one decimal number, got ${JSON.stringify(header)}`)];
  }
  const token = BigInt(header);
  // From here on nothing is waited for, so no other request comes between the check and the write.
  const highest = read(name).token;
  if (token < highest) {
    return [412, refusal(`the fencing token ${token} is smaller than ${highest}: another one leads by now`, token, highest)];
  }
  write(name, token, value);
  return [204, ""];
}

function get(name) {
  const { value } = read(name);
  return value === undefined ? [404, refusal("there is no such value")] : [200, value];
}

const server = createServer(async (request, response) => {
  let status, body;
  try {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    const name = request.url.slice(1);
    if (!/^[a-z0-9-]{1,64}$/.test(name)) [status, body] = [404, refusal("names are of lower-case letters, digits and dashes")];
    else if (request.method === "GET") [status, body] = get(name);
    else if (request.method === "PUT") [status, body] = put(name, request.headers["fencing-token"], Buffer.concat(chunks));
    else [status, body] = [405, refusal("GET or PUT")];
  } catch (error) {
    [status, body] = [503, refusal(String(error))];
  }
  const type = status === 200 ? "application/octet-stream" : "application/json";
  response.writeHead(status, status === 204 ? {} : { "Content-Type": type }).end(body);
});
server.listen(Number(port), () => console.log(`listening on ${server.address().port}`));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
