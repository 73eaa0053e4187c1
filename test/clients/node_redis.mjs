// node-redis 5 over RESP2 and RESP3; see subjects.mjs for arguments and output.
import {
  Inbox, answeredOrLost, collected, eventually, fails, holds, host, mixedCommands, occurrences, port, protocol, require,
  runSubjects, same, sameSet, sleep, uniqueKey, unixPath, within,
} from "./subjects.mjs";

const { ErrorReply, MultiErrorReply, RESP_TYPES, WatchError, createClient, defineScript } = require("redis");

const increaseTwice = defineScript({
  SCRIPT: "redis.call('INCRBY', KEYS[1], ARGV[1]); return redis.call('INCRBY', KEYS[1], ARGV[1])",
  NUMBER_OF_KEYS: 1,
  parseCommand(parser, key, by) {
    parser.pushKey(key);
    parser.push(by.toString());
  },
  transformReply: (reply) => reply,
});

async function connect(more = {}) {
  const client = createClient({
    RESP: protocol,
    name: "clients-test",
    unstableResp3: true, // else XREAD is refused in RESP3 by node-redis itself
    socket: { ...(unixPath ? { path: unixPath, tls: false } : { host, port }), connectTimeout: 10_000,
              reconnectStrategy: (retries, cause) => (retries < 10 ? 20 * retries : cause) },
    ...more,
  });
  client.on("error", () => {}); // a lost connection is seen by what waits for it
  await client.connect();
  return client;
}

/// Runs `subject` with `count` clients and closes them.
const withClients = (count, subject, options) => async () => {
  const clients = await Promise.all(Array.from({ length: count }, () => connect(options)));
  try {
    await subject(...clients);
  } finally {
    for (const client of clients) if (client.isOpen) client.destroy();
  }
};

const withBuffers = (client) => client.withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });

/// Node-redis leaves the prototype out of maps; deepStrictEqual would mind.
const plain = (map) => ({ ...map });

async function handshake(client, other) {
  same(await client.ping(), "PONG");
  same(await client.clientGetName(), "clients-test");
  const [id, otherId] = [await client.clientId(), await other.clientId()];
  holds(Number.isInteger(id) && id > 0 && otherId > 0 && id !== otherId, `ids ${id} and ${otherId}`);
  same(await client.clientId(), id);
  const info = await client.sendCommand(["CLIENT", "INFO"]);
  holds(info.includes(" name=clients-test ") && info.includes(`id=${id} `), info);
  // Redis 7.2 knows what node-redis tells of itself while it connects.
  if (info.includes(" lib-name=")) holds(/ lib-name=node-redis /.test(info), info);
  await fails(client.sendCommand(["NOSUCHCOMMAND", "x"]), /^ERR unknown command/);
  same(await client.echo("still here"), "still here");
}

async function strings(client) {
  const key = uniqueKey("string");
  same(await client.get(key), null);
  same(await client.set(key, "first"), "OK");
  same(await client.get(key), "first");
  same(await client.set(key, "second", { condition: "NX" }), null);
  same(await client.set(key, "second", { GET: true }), "first");
  same(await client.append(key, "!"), 7);
  same(await client.getRange(key, 0, 2), "sec");
  same(await client.strLen(key), 7);
  same(await client.mGet([key, uniqueKey("missing"), key]), ["second!", null, "second!"]);
  same(await client.getDel(key), "second!");
  same([await client.exists(key), await client.del(key)], [0, 0]);
  same(await client.incrByFloat(key, 1.5), "1.5");
  await fails(client.incr(key), /^ERR value is not an integer/);
  await fails(client.lPush(key, "x"), /^WRONGTYPE/);
}

async function binaryStrings(client) {
  const key = uniqueKey("binary");
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await client.set(key, bytes);
  holds(bytes.equals(await withBuffers(client).get(key)));
  const large = Buffer.alloc(1 << 20, bytes);
  await client.set(key, large);
  for (let i = 0; i < 3; ++i) holds(large.equals(await withBuffers(client).get(key)), `reading ${i}`);
  same(await client.strLen(key), 1 << 20);
  const name = Buffer.concat([Buffer.from(uniqueKey("name")), bytes]);
  await client.set(name, "named by bytes");
  same(await client.get(name), "named by bytes");
  same(await client.set(key, "ключ ✓"), "OK");
  same(await client.get(key), "ключ ✓");
}

async function expiry(client) {
  const key = uniqueKey("expiry");
  await client.set(key, "short", { expiration: { type: "PX", value: 60 } });
  const left = await client.pTTL(key);
  holds(left > 0 && left <= 60 || left === -2, `PTTL ${left}`);
  await eventually("the key's end", async () => (await client.get(key)) === null);
  same(await client.pTTL(key), -2);
  await client.set(key, "long");
  same(await client.ttl(key), -1);
  same(await client.expire(key, 100), 1);
  same(await client.get(key), "long");
  holds([99, 100].includes(await client.ttl(key)));
  same(await client.persist(key), 1);
  same(await client.ttl(key), -1);
}

async function hashes(client) {
  const key = uniqueKey("hash");
  same(plain(await client.hGetAll(key)), {});
  same(await client.hSet(key, { a: "1", b: "two", c: "" }), 3);
  same(await client.hSet(key, "a", "10"), 0);
  same(plain(await client.hGetAll(key)), { a: "10", b: "two", c: "" });
  same(await client.hmGet(key, ["b", "missing", "c"]), ["two", null, ""]);
  same(await client.hGet(key, "missing"), null);
  same(await client.hIncrBy(key, "a", 5), 15);
  same(await client.hIncrByFloat(key, "a", 0.5), "15.5");
  sameSet(await client.hKeys(key), ["a", "b", "c"]);
  sameSet(await client.hVals(key), ["15.5", "two", ""]);
  same([await client.hExists(key, "a"), await client.hExists(key, "z"), await client.hLen(key)], [1, 0, 3]);
  const pairs = await client.hRandFieldCountWithValues(key, 10);
  sameSet(pairs.map(({ field, value }) => `${field}=${value}`), ["a=15.5", "b=two", "c="]);
  same(await client.hDel(key, ["a", "b", "z"]), 2);
  same(plain(await client.hGetAll(key)), { c: "" });
  await fails(client.get(key), /^WRONGTYPE/);
}

async function transactions(client, other) {
  const key = uniqueKey("multi");
  same(await client.multi().set(key, "5").incr(key).get(key).hGetAll(key + ":h").zScore(key + ":z", "m").exec(),
       ["OK", 6, "6", Object.create(null), null]);

  await client.watch(key);
  await other.set(key, "changed");
  const conflict = await client.multi().set(key, "mine").exec().catch((error) => error);
  holds(conflict instanceof WatchError, `${conflict}`);
  same(await client.get(key), "changed");

  await client.watch(key);
  same(await client.get(key), "changed");
  same(await client.multi().set(key, "mine").get(key).exec(), ["OK", "mine"]);
  same(await other.get(key), "mine");

  await client.watch(key);
  await other.set(key, "changed");
  await client.unwatch();
  same(await client.multi().get(key).exec(), ["changed"]);

  const failed = await client.multi().set(key, "text").incr(key).get(key).exec().catch((error) => error);
  holds(failed instanceof MultiErrorReply, `${failed}`);
  same(failed.errorIndexes, [1]);
  same([failed.replies[0], failed.replies[2]], ["OK", "text"]);
  holds(failed.replies[1] instanceof ErrorReply);

  const aborted = client.multi().set(key, "not done").addCommand(["NOSUCHCOMMAND"]).exec();
  await fails(aborted, /EXECABORT|unknown command|commands failed/);
  same(await client.get(key), "text");
}

async function pipelines(client) {
  const base = uniqueKey("pipeline");
  const commands = mixedCommands(base);
  const replies = await Promise.all(commands.map(([command]) => client.sendCommand(command)));
  same(replies, commands.map(([, reply]) => reply));
  same([await client.get(`${base}:n`), await client.lLen(`${base}:l`), await client.hLen(`${base}:h`)],
       [`${occurrences(2)}`, occurrences(3), occurrences(5)]);

  const key = `${base}:s`;
  const failing = await Promise.allSettled([client.get(key), client.incr(key), client.get(key)]);
  same(failing.map(({ status }) => status), ["fulfilled", "rejected", "fulfilled"]);
  same((await client.multi().set(base, "1").incr(base).execAsPipeline()), ["OK", 2]);
}

/// In RESP2 node-redis itself gives what is asked for after a subscription as bytes.
const replyAfterSubscription = async (reply) => (protocol === 2 ? String(await reply) : await reply);

async function pubSub(subscriber, publisher) {
  const [channel, second, inbox, patterns] = [uniqueKey("channel"), uniqueKey("channel"), new Inbox(), new Inbox()];
  const listen = (message, from) => inbox.received.push([from, message]);
  await subscriber.subscribe([channel, second], listen);
  await subscriber.pSubscribe(`${second}*`, (message, from) => patterns.received.push([from, message]));

  const expected = Array.from({ length: 200 }, (_, i) => [channel, `message ${i}`]);
  for (const [to, message] of expected) same(await publisher.publish(to, message), 1);
  same(await inbox.take(200), expected);

  await publisher.publish(second, "both");
  same(await inbox.take(1), [[second, "both"]]);
  same(await patterns.take(1), [[second, "both"]]);
  same(await publisher.publish(`${second}:longer`, ""), 1);
  same(await patterns.take(1), [[`${second}:longer`, ""]]);

  const large = "x".repeat(1 << 20);
  await Promise.all(Array.from({ length: 5 }, () => publisher.publish(channel, large)));
  holds((await inbox.take(5)).every(([, message]) => message === large));

  if (protocol === 3) same(await subscriber.echo("while subscribed"), "while subscribed");
  await subscriber.unsubscribe(channel);
  same(await publisher.publish(channel, "nobody listens"), 0);
  await subscriber.unsubscribe(second);
  await subscriber.pUnsubscribe();
  same(await publisher.publish(second, "nobody listens"), 0);
  same([inbox.received, patterns.received], [[], []]);
  same(await replyAfterSubscription(subscriber.set(channel, "ordinary")), "OK");
  same(await replyAfterSubscription(subscriber.get(channel)), "ordinary");
}

async function shardedPubSub(subscriber, publisher) {
  const [channel, inbox] = [uniqueKey("shard"), new Inbox()];
  await subscriber.sSubscribe(channel, (message, from) => inbox.received.push([from, message]));
  for (let i = 0; i < 50; ++i) same(await publisher.sPublish(channel, `${i}`), 1);
  same(await inbox.take(50), Array.from({ length: 50 }, (_, i) => [channel, `${i}`]));
  same(await publisher.publish(channel, "not sharded"), 0);
  await subscriber.sUnsubscribe(channel);
  same(await publisher.sPublish(channel, "nobody listens"), 0);
  same(inbox.received, []);
  same(await replyAfterSubscription(subscriber.echo("ordinary again")), "ordinary again");
}

async function blockingPops(blocked, pusher) {
  const [key, second] = [uniqueKey("list"), uniqueKey("list")];
  const start = Date.now();
  same(await blocked.blPop([key, second], 0.1), null);
  holds(Date.now() - start >= 95, `${Date.now() - start} ms`);

  const popped = blocked.blPop([key, second], 10);
  await sleep(20);
  same(await pusher.rPush(second, ["a", "b"]), 2);
  same(plain(await popped), { key: second, element: "a" });
  same(plain(await blocked.brPop(second, 1)), { key: second, element: "b" });

  const moved = blocked.blMove(key, second, "LEFT", "RIGHT", 10);
  await sleep(20);
  await pusher.rPush(key, "moved");
  same(await moved, "moved");
  same(await pusher.lRange(second, 0, -1), ["moved"]);

  const minimum = blocked.bzPopMin(key, 10);
  await sleep(20);
  await pusher.zAdd(key, [{ score: 2.5, value: "two" }, { score: 1, value: "one" }]);
  same(plain(await minimum), { key, value: "one", score: 1 });
}

/// A client that goes away while it is blocked takes nothing with it.
async function givingUp(blocked, pusher) {
  const key = uniqueKey("given-up");
  const waiting = blocked.blPop(key, 60).catch((error) => error);
  await eventually("a blocked client", async () => /blocked_clients:1\r/.test(await pusher.info("clients")));
  blocked.destroy();
  holds((await waiting) instanceof Error);
  await eventually("its end", async () => /blocked_clients:0\r/.test(await pusher.info("clients")));
  same(await pusher.rPush(key, "kept"), 1);
  same(await pusher.lPop(key), "kept");
}

/// What XREAD and XREADGROUP give, as [[stream, [[id, fields]]]]. In RESP3 node-redis leaves it as the server sends it.
function entriesOf(reply) {
  const pairs = (list) =>
    Object.fromEntries(Array.from({ length: list.length / 2 }, (_, i) => list.slice(2 * i, 2 * i + 2)));
  if (protocol === 3)
    return Object.entries(reply).map(([name, entries]) => [name, entries.map(([id, fields]) => [id, pairs(fields)])]);
  return reply.map(({ name, messages }) => [name, messages.map(({ id, message }) => [id, plain(message)])]);
}

async function streams(client, writer) {
  const [key, group] = [uniqueKey("stream"), "workers"];
  same(await client.xRead({ key, id: "0" }), null);
  same(await client.xAdd(key, "1-1", { n: "1", text: "one" }), "1-1");
  const waiting = client.xRead({ key, id: "1-1" }, { BLOCK: 10_000, COUNT: 10 });
  await sleep(20);
  same(await writer.xAdd(key, "2-0", { n: "2" }), "2-0");
  same(entriesOf(await waiting), [[key, [["2-0", { n: "2" }]]]]);
  same(await client.xRead({ key, id: "$" }, { BLOCK: 50 }), null);
  same((await client.xRange(key, "-", "+")).map(({ id }) => id), ["1-1", "2-0"]);
  await fails(client.xAdd(key, "1-0", { n: "0" }), /^ERR The ID specified in XADD is equal or smaller/);

  same(await client.xGroupCreate(key, group, "0"), "OK");
  await fails(client.xGroupCreate(key, group, "0"), /^BUSYGROUP/);
  same(entriesOf(await client.xReadGroup(group, "me", { key, id: ">" }, { COUNT: 10 })),
       [[key, [["1-1", { n: "1", text: "one" }], ["2-0", { n: "2" }]]]]);
  same((await client.xPending(key, group)).pending, 2);
  same(await client.xAck(key, group, "1-1"), 1);
  const pending = await client.xPendingRange(key, group, "-", "+", 10);
  same(pending.map(({ id, consumer }) => [id, consumer]), [["2-0", "me"]]);
  const next = client.xReadGroup(group, "me", { key, id: ">" }, { BLOCK: 10_000 });
  await sleep(20);
  await writer.xAdd(key, "3-0", { n: "3" });
  same(entriesOf(await next), [[key, [["3-0", { n: "3" }]]]]);
  same((await client.xInfoStream(key)).length, 3);
  same([await client.xTrim(key, "MAXLEN", 1), await client.xLen(key)], [2, 1]);
}

async function scripts(client) {
  const key = uniqueKey("script");
  same(await client.eval("return {KEYS[1], ARGV[1], 7, false, {'in', 'side'}}", { keys: [key], arguments: ["a"] }),
       [key, "a", 7, null, ["in", "side"]]);
  await client.scriptFlush();
  // The script is sent by its hash first; NOSCRIPT makes the client send it whole.
  same(await client.increaseTwice(key, 5), 10);
  same(await client.increaseTwice(key, 5), 20);
  same(await client.get(key), "20");
  const sha = await client.scriptLoad("return redis.call('SET', KEYS[1], ARGV[1])");
  same(await client.scriptExists([sha, "0".repeat(40)]), [1, 0]);
  same(await client.evalSha(sha, { keys: [key], arguments: ["from a script"] }), "OK");
  same(await client.get(key), "from a script");
  await fails(client.evalSha("0".repeat(40)), /^NOSCRIPT/);
  await fails(client.eval("return redis.error_reply('MINE of my own')"), /^MINE of my own/);
}

async function functions(client) {
  const [key, library] = [uniqueKey("function"), `library_${process.pid}`];
  const code = `#!lua name=${library}\nredis.register_function('put_${process.pid}', ` +
    "function(keys, args) return redis.call('SET', keys[1], args[1]) end)\n" +
    `redis.register_function{function_name='look_${process.pid}', flags={'no-writes'}, ` +
    "callback=function(keys) return redis.call('GET', keys[1]) end}";
  same(await client.functionLoad(code, { REPLACE: true }), library);
  same(await client.get(key), null);
  same(await client.fCall(`put_${process.pid}`, { keys: [key], arguments: ["value"] }), "OK");
  same(await client.get(key), "value");
  same(await client.fCallRo(`look_${process.pid}`, { keys: [key] }), "value");
  same((await client.functionList({ LIBRARYNAME: library })).map(({ engine }) => engine), ["LUA"]);
  same(await client.functionDelete(library), "OK");
  await fails(client.fCall(`put_${process.pid}`, { keys: [key] }), /^ERR Function not found/);
}

async function scans(client) {
  const base = uniqueKey("scan");
  const names = Array.from({ length: 5000 }, (_, i) => `${base}:${i}`);
  await client.mSet(names.map((name) => [name, "v"]));
  sameSet(new Set(await collected(client.scanIterator({ MATCH: `${base}:*`, COUNT: 500 }))), names);
  same(await client.unlink(names), 5000);

  await client.hSet(base + "h", Object.fromEntries(names.map((name, i) => [name, `${i}`])));
  const entries = await collected(client.hScanIterator(base + "h", { COUNT: 500 }));
  const fields = new Map(entries.map(({ field, value }) => [field, value]));
  same([fields.size, fields.get(names[4321])], [5000, "4321"]);

  await client.sAdd(base + "s", names);
  sameSet(new Set(await collected(client.sScanIterator(base + "s", { COUNT: 500 }))), names);

  await client.zAdd(base + "z", names.map((value, i) => ({ value, score: i + 0.5 })));
  const scored = await collected(client.zScanIterator(base + "z", { COUNT: 500 }));
  const scores = new Map(scored.map(({ value, score }) => [value, score]));
  same([scores.size, scores.get(names[4321])], [5000, 4321.5]);
}

async function sortedSets(client) {
  const key = uniqueKey("zset");
  const members = [{ score: 1.5, value: "a" }, { score: -3, value: "b" }, { score: Infinity, value: "c" }];
  same(await client.zAdd(key, members), 3);
  same([await client.zScore(key, "a"), await client.zScore(key, "b"), await client.zScore(key, "z")], [1.5, -3, null]);
  // In RESP2 node-redis itself takes "inf" for no number.
  same(await client.zScore(key, "c"), protocol === 3 ? Infinity : NaN);
  same(await client.zmScore(key, ["b", "z", "a"]), [-3, null, 1.5]);
  same((await client.zRangeWithScores(key, 0, 1)).map(plain), [{ value: "b", score: -3 }, { value: "a", score: 1.5 }]);
  same(await client.zRange(key, 0, 0, { REV: true }), ["c"]);
  same(await client.zRangeByScore(key, "-inf", "(1.5"), ["b"]);
  same(await client.zIncrBy(key, 1, "a"), 2.5);
  same([await client.zRank(key, "a"), await client.zRank(key, "z"), await client.zCard(key)], [1, null, 3]);
  same((await client.zRandMemberCountWithScores(key, 10)).length, 3);
  same(plain(await client.zPopMin(key)), { value: "b", score: -3 });
  // Without node-redis's own conversions: RESP3 has doubles and sends pairs nested.
  same(await client.sendCommand(["ZSCORE", key, "a"]), protocol === 3 ? 2.5 : "2.5");
  same(await client.sendCommand(["ZRANGE", key, "0", "0", "WITHSCORES"]), protocol === 3 ? [["a", 2.5]] : ["a", "2.5"]);
}

async function rawTypes(client) {
  const key = uniqueKey("types");
  await client.hSet(key, "field", "value");
  await client.sAdd(key + "s", "member");
  const ask = async (...command) => client.sendCommand(command);
  const map = Object.assign(Object.create(null), { field: "value" });
  same(await ask("HGETALL", key), protocol === 3 ? map : ["field", "value"]);
  same(await ask("SMEMBERS", key + "s"), ["member"]);
  const config = await ask("CONFIG", "GET", "maxmemory-policy");
  holds(protocol === 3 ? config["maxmemory-policy"] : config[0] === "maxmemory-policy", JSON.stringify(config));
  same([await ask("GET", key + "none"), await ask("EXISTS", key)], [null, 1]);
  same(await ask("LRANGE", key + "none", "0", "-1"), []);
}

async function reconnect(client, other) {
  const [channel, inbox] = [uniqueKey("reconnect"), new Inbox()];
  const [id, otherId] = [await client.clientId(), await other.clientId()];
  const isReadyAgain = new Promise((resolve) => client.once("ready", resolve));
  await answeredOrLost(client.sendCommand(["CLIENT", "KILL", "ID", `${id}`, "SKIPME", "no"]));
  await within(10_000, "the connection after the kill", isReadyAgain);
  same(await client.set(channel, "after"), "OK");
  same([await client.get(channel), await client.clientGetName()], ["after", "clients-test"]);
  holds((await client.clientId()) !== id);

  // Subscriptions come back with the connection.
  await other.subscribe(channel, (message) => inbox.received.push(message));
  const isOtherReady = new Promise((resolve) => other.once("ready", resolve));
  same(await client.sendCommand(["CLIENT", "KILL", "ID", `${otherId}`]), 1);
  await within(10_000, "the subscriber after the kill", isOtherReady);
  await eventually("a subscription", async () => (await client.publish(channel, "again")) === 1);
  same(await inbox.take(1), ["again"]);
  await fails(client.sendCommand(["CLIENT", "KILL", "127.0.0.1:1"]), /^ERR No such client/);
}

await runSubjects({
  handshake: withClients(2, handshake),
  strings: withClients(1, strings),
  binary_strings: withClients(1, binaryStrings),
  expiry: withClients(1, expiry),
  hashes: withClients(1, hashes),
  transactions: withClients(2, transactions),
  pipelines: withClients(1, pipelines),
  pub_sub: withClients(2, pubSub),
  sharded_pub_sub: withClients(2, shardedPubSub),
  blocking_pops: withClients(2, blockingPops),
  giving_up: withClients(2, givingUp),
  streams: withClients(2, streams),
  scripts: withClients(1, scripts, { scripts: { increaseTwice } }),
  functions: withClients(1, functions),
  scans: withClients(1, scans),
  sorted_sets: withClients(1, sortedSets),
  raw_types: withClients(1, rawTypes),
  reconnect: withClients(2, reconnect),
});
