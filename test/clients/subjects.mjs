// What the scripts of the Node.js clients share: their arguments, the loop over the subjects and a few checks.
//
//   node SCRIPT ADDRESS PROTOCOL     ADDRESS is host:port or the path of a UNIX socket, PROTOCOL 2 or 3
//
// Each subject prints `ok NAME` or `FAIL NAME: reason`; a failed subject ends at its first wrong result and the next
// one goes on, so that one run tells all that is broken. The status is 0 only if all passed.
import assert from "node:assert/strict";
import { createRequire } from "node:module";

const kSubjectPatienceMs = 20_000;
const kOverallPatienceMs = 100_000;

/// Finds the packages where conf/setup/install-clients.sh puts them: the source folder stays clean.
export const require = createRequire(new URL("../../build/deps/clients/package.json", import.meta.url));

const [address, protocolName] = process.argv.slice(2);
if (address === undefined || !["2", "3"].includes(protocolName)) {
  console.error("usage: node SCRIPT host:port|path 2|3");
  process.exit(2);
}

export const protocol = Number(protocolName);
export const unixPath = address.startsWith("/") ? address : undefined;
const colon = address.lastIndexOf(":");
export const [host, port] = unixPath ? [] : [address.slice(0, colon), Number(address.slice(colon + 1))];

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/// A key that nobody else uses.
let keys = 0;
export const uniqueKey = (hint) => `node:${process.pid}:${hint}:${++keys}`;

export const same = assert.deepStrictEqual;
export const holds = assert.ok;

/// Both are lists, in any order.
export const sameSet = (actual, expected) => same([...actual].sort(), [...expected].sort());

/// The promise must fail with a message that matches; returns the error.
export async function fails(promise, pattern) {
  const outcome = await promise.then((value) => ({ value }), (error) => ({ error }));
  assert.ok("error" in outcome, `no error but ${JSON.stringify(outcome.value)} instead of ${pattern}`);
  assert.match(String(outcome.error.message), pattern);
  return outcome.error;
}

/// A command that may end its own connection: the server may have answered 1 or not, but must not have refused it.
export async function answeredOrLost(promise) {
  const outcome = await promise.catch((error) => error);
  assert.ok(outcome === 1 || (outcome instanceof Error && !/^[A-Z]+ /.test(outcome.message)), `${outcome}`);
}

export function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: nothing after ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/// Asks until the answer is true.
export async function eventually(what, isTrue) {
  const end = Date.now() + kSubjectPatienceMs;
  while (!(await isTrue())) {
    if (Date.now() > end) throw new Error(`${what}: not after ${kSubjectPatienceMs} ms`);
    await sleep(5);
  }
}

/// Collects what arrives and hands it out once enough of it is there.
export class Inbox {
  received = [];
  take = async (count) => {
    await eventually(`${count} messages`, () => this.received.length >= count);
    return this.received.splice(0);
  };
}

/// Everything that an iteration in pages brings.
export async function collected(pages) {
  const all = [];
  for await (const page of pages) all.push(...page);
  return all;
}

/// A thousand commands of six kinds on keys below `base`, as [name, ...arguments], and their replies in RESP2's types.
export function mixedCommands(base) {
  const kinds = [
    (i) => [["set", `${base}:s`, `v${i}`], "OK"],
    (i) => [["get", `${base}:s`], `v${i - 1}`],
    (i) => [["incr", `${base}:n`], (i + 4) / 6],
    (i) => [["rpush", `${base}:l`, `${i}`], (i + 3) / 6],
    (i) => [["lindex", `${base}:l`, "-1"], `${i - 1}`],
    (i) => [["hset", `${base}:h`, `f${i}`, "x"], 1],
  ];
  return Array.from({ length: 1000 }, (_, i) => kinds[i % kinds.length](i));
}

/// How often the kind `kind` (0 to 5) of the mixed commands occurs among the thousand.
export const occurrences = (kind) => Math.ceil((1000 - kind) / 6);

export async function runSubjects(subjects) {
  setTimeout(() => {
    console.log(`FAIL the whole: still running after ${kOverallPatienceMs} ms`);
    process.exit(1);
  }, kOverallPatienceMs).unref();

  let failures = 0;
  for (const [name, subject] of Object.entries(subjects)) {
    try {
      await within(kSubjectPatienceMs, name, subject());
      console.log(`ok ${name}`);
    } catch (error) {
      ++failures;
      console.log(`FAIL ${name}: ${error.stack}`);
    }
  }
  // What a failed subject left open must not keep the process.
  process.exit(failures === 0 ? 0 : 1);
}
