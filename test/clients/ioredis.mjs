// ioredis 5, which speaks RESP2; see subjects.mjs for arguments and output.
import {
  Inbox, answeredOrLost, collected, eventually, fails, holds, host, mixedCommands, occurrences, port, require, runSubjects,
  same, sameSet, sleep, uniqueKey, unixPath, within,
} from "./subjects.mjs";

const { Redis } = require("ioredis");

async function connect(more = {}) {
  const client = new Redis({
    ...(unixPath ? { path: unixPath } : { host, port }),
    connectionName: "clients-test",
    connectTimeout: 10_000,
    lazyConnect: true,
    retryStrategy: (times) => (times < 10 ? 20 * times : null),
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
    for (const client of clients) client.disconnect();
  }
};

async function handshake(client, other) {
  same(await client.ping(), "PONG");
  same(await client.client("GETNAME"), "clients-test");
  const [id, otherId] = [await client.client("ID"), await other.client("ID")];
  holds(Number.isInteger(id) && id > 0 && otherId > 0 && id !== otherId, `ids ${id} and ${otherId}`);
  const info = await client.client("INFO");
  holds(info.includes(" name=clients-test ") && info.includes(`id=${id} `), info);
  // Redis 7.2 knows what ioredis tells of itself while it connects.
  if (info.includes(" lib-name=")) holds(/ lib-name=ioredis/.test(info), info);
  holds(client.serverInfo === undefined || client.serverInfo.loading !== "1");
  await fails(client.call("NOSUCHCOMMAND", "x"), /^ERR unknown command/);
  same(await client.echo("still here"), "still here");
}

/// Another db is a property of the connection, chosen while it is made.
async function otherDb(client, second) {
  const key = uniqueKey("db");
  await client.set(key, "in 0");
  same(await second.get(key), null);
  await second.set(key, "in 2");
  same([await client.get(key), await second.get(key)], ["in 0", "in 2"]);
  same([await client.select(2), await client.get(key), await client.select(0)], ["OK", "in 2", "OK"]);
  same(await client.get(key), "in 0");
}

async function strings(client) {
  const key = uniqueKey("string");
  same(await client.get(key), null);
  same([await client.set(key, "first"), await client.get(key)], ["OK", "first"]);
  same([await client.set(key, "x", "NX"), await client.set(key, "second", "GET")], [null, "first"]);
  same([await client.append(key, "!"), await client.getrange(key, 0, 2), await client.strlen(key)], [7, "sec", 7]);
  same(await client.mget(key, uniqueKey("missing"), key), ["second!", null, "second!"]);
  same([await client.getdel(key), await client.exists(key), await client.del(key)], ["second!", 0, 0]);
  same(await client.incrbyfloat(key, 1.5), "1.5");
  await fails(client.incr(key), /^ERR value is not an integer/);
  await fails(client.lpush(key, "x"), /^WRONGTYPE/);
  await fails(client.get(key, "one too many"), /^ERR wrong number of arguments/);
}

async function binaryStrings(client) {
  const key = uniqueKey("binary");
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  await client.set(key, bytes);
  holds(bytes.equals(await client.getBuffer(key)));
  const large = Buffer.alloc(1 << 20, bytes);
  await client.set(key, large);
  for (let i = 0; i < 3; ++i) holds(large.equals(await client.getBuffer(key)), `reading ${i}`);
  same(await client.strlen(key), 1 << 20);
  const name = Buffer.concat([Buffer.from(uniqueKey("name")), bytes]);
  same([await client.set(name, "ключ ✓"), await client.get(name)], ["OK", "ключ ✓"]);
}

async function expiry(client) {
  const key = uniqueKey("expiry");
  await client.set(key, "short", "PX", 60);
  const left = await client.pttl(key);
  holds(left > 0 && left <= 60 || left === -2, `PTTL ${left}`);
  await eventually("the key's end", async () => (await client.get(key)) === null);
  same([await client.pttl(key), await client.setex(key, 100, "long"), await client.get(key)], [-2, "OK", "long"]);
  holds([99, 100].includes(await client.ttl(key)));
  same([await client.persist(key), await client.ttl(key)], [1, -1]);
}

async function hashes(client) {
  const key = uniqueKey("hash");
  same(await client.hgetall(key), {});
  same(await client.hset(key, { a: "1", b: "two", c: "" }), 3);
  same(await client.hgetall(key), { a: "1", b: "two", c: "" });
  same(await client.hmget(key, "b", "missing", "c"), ["two", null, ""]);
  same([await client.hincrby(key, "a", 5), await client.hincrbyfloat(key, "a", 0.5)], [6, "6.5"]);
  sameSet(await client.hkeys(key), ["a", "b", "c"]);
  sameSet(await client.hvals(key), ["6.5", "two", ""]);
  same([await client.hexists(key, "a"), await client.hget(key, "z"), await client.hlen(key)], [1, null, 3]);
  same([await client.hdel(key, "a", "b", "z"), await client.hgetall(key)], [2, { c: "" }]);
  await fails(client.get(key), /^WRONGTYPE/);
}

async function transactions(client, other) {
  const key = uniqueKey("multi");
  same(await client.multi().set(key, "5").incr(key).get(key).hgetall(key + ":h").exec(),
       [[null, "OK"], [null, 6], [null, "6"], [null, {}]]);

  await client.watch(key);
  await other.set(key, "changed");
  same(await client.multi().set(key, "mine").exec(), null);
  same(await client.get(key), "changed");

  await client.watch(key);
  same(await client.multi().set(key, "mine").get(key).exec(), [[null, "OK"], [null, "mine"]]);
  same(await other.get(key), "mine");

  const replies = await client.multi().set(key, "text").incr(key).get(key).exec();
  same([replies[0], replies[2]], [[null, "OK"], [null, "text"]]);
  holds(/^ERR value is not an integer/.test(replies[1][0].message), `${replies[1]}`);

  await fails(client.multi().set(key, "not done").call("NOSUCHCOMMAND").exec(), /^EXECABORT/);
  same(await client.get(key), "text");

  // Without a pipeline each command is answered on its own.
  same(await client.multi({ pipeline: false }), "OK");
  same([await client.set(key, "one by one"), await client.get(key)], ["QUEUED", "QUEUED"]);
  same(await other.get(key), "text");
  same(await client.exec(), [[null, "OK"], [null, "one by one"]]);
  same(await client.multi({ pipeline: false }), "OK");
  same([await client.del(key), await client.discard()], ["QUEUED", "OK"]);
  same(await client.get(key), "one by one");
}

async function pipelines(client) {
  const base = uniqueKey("pipeline");
  const commands = mixedCommands(base);
  same(await client.pipeline(commands.map(([command]) => command)).exec(), commands.map(([, reply]) => [null, reply]));
  same([await client.get(`${base}:n`), await client.llen(`${base}:l`), await client.hlen(`${base}:h`)],
       [`${occurrences(2)}`, occurrences(3), occurrences(5)]);
  const replies = await client.pipeline().get(`${base}:s`).incr(`${base}:s`).strlen(`${base}:s`).exec();
  same(replies.map(([error]) => error === null), [true, false, true]);
}

/// ioredis sends what is called within one turn of its loop at once.
async function automaticPipelines(client) {
  const base = uniqueKey("automatic");
  await Promise.all(Array.from({ length: 1000 }, (_, i) => client.set(`${base}:${i}`, `${i}`)));
  const values = await Promise.all(Array.from({ length: 1000 }, (_, i) => client.get(`${base}:${i}`)));
  same(values, Array.from({ length: 1000 }, (_, i) => `${i}`));
}

async function pubSub(subscriber, publisher) {
  const [channel, second, inbox, patterns] = [uniqueKey("channel"), uniqueKey("channel"), new Inbox(), new Inbox()];
  subscriber.on("message", (...message) => inbox.received.push(message));
  subscriber.on("pmessage", (...message) => patterns.received.push(message));
  same([await subscriber.subscribe(channel, second), await subscriber.psubscribe(`${second}*`)], [2, 3]);

  const expected = Array.from({ length: 200 }, (_, i) => [channel, `message ${i}`]);
  for (const message of expected) same(await publisher.publish(...message), 1);
  same(await inbox.take(200), expected);
  await publisher.publish(second, "both");
  same([await inbox.take(1), await patterns.take(1)], [[[second, "both"]], [[`${second}*`, second, "both"]]]);
  same(await publisher.publish(`${second}:longer`, ""), 1);
  same(await patterns.take(1), [[`${second}*`, `${second}:longer`, ""]]);

  await fails(subscriber.get(channel), /Connection in subscriber mode/);
  same([await subscriber.unsubscribe(channel), await publisher.publish(channel, "nobody listens")], [2, 0]);
  same([await subscriber.unsubscribe(second), await subscriber.punsubscribe(`${second}*`)], [1, 0]);
  same(await publisher.publish(second, "nobody listens"), 0);
  same([inbox.received, patterns.received], [[], []]);
  same([await subscriber.set(channel, "ordinary"), await subscriber.get(channel)], ["OK", "ordinary"]);
}

async function shardedPubSub(subscriber, publisher) {
  const [channel, inbox] = [uniqueKey("shard"), new Inbox()];
  subscriber.on("smessage", (...message) => inbox.received.push(message));
  same(await subscriber.ssubscribe(channel), 1);
  for (let i = 0; i < 50; ++i) same(await publisher.spublish(channel, `${i}`), 1);
  same(await inbox.take(50), Array.from({ length: 50 }, (_, i) => [channel, `${i}`]));
  same([await publisher.publish(channel, "not sharded"), await subscriber.sunsubscribe(channel)], [0, 0]);
  same([await publisher.spublish(channel, "nobody listens"), inbox.received], [0, []]);
  same(await subscriber.echo("ordinary again"), "ordinary again");
}

async function blockingPops(blocked, pusher) {
  const [key, second] = [uniqueKey("list"), uniqueKey("list")];
  const start = Date.now();
  same(await blocked.blpop(key, second, 0.1), null);
  holds(Date.now() - start >= 95, `${Date.now() - start} ms`);
  const popped = blocked.blpop(key, second, 10);
  await sleep(20);
  same(await pusher.rpush(second, "a", "b"), 2);
  same([await popped, await blocked.brpop(second, 1)], [[second, "a"], [second, "b"]]);
  const moved = blocked.blmove(key, second, "LEFT", "RIGHT", 10);
  await sleep(20);
  await pusher.rpush(key, "moved");
  same([await moved, await pusher.lrange(second, 0, -1)], ["moved", ["moved"]]);
  const minimum = blocked.bzpopmin(key, 10);
  await sleep(20);
  await pusher.zadd(key, 2.5, "two", 1, "one");
  same(await minimum, [key, "one", "1"]);
}

/// The client's own patience ends before the server's; it goes away and takes nothing with it.
async function givingUp(blocked, pusher) {
  const key = uniqueKey("given-up");
  blocked.options.commandTimeout = 1_000;
  const waiting = fails(blocked.blpop(key, 60), /Command timed out/);
  await eventually("a blocked client", async () => /blocked_clients:1\r/.test(await pusher.info("clients")));
  await waiting;
  blocked.disconnect();
  await eventually("its end", async () => /blocked_clients:0\r/.test(await pusher.info("clients")));
  same([await pusher.rpush(key, "kept"), await pusher.lpop(key)], [1, "kept"]);
}

async function streams(client, writer) {
  const [key, group] = [uniqueKey("stream"), "workers"];
  same(await client.xread("STREAMS", key, "0"), null);
  same(await client.xadd(key, "1-1", "n", "1"), "1-1");
  const waiting = client.xread("BLOCK", 10_000, "STREAMS", key, "1-1");
  await sleep(20);
  same(await writer.xadd(key, "2-0", "n", "2"), "2-0");
  same(await waiting, [[key, [["2-0", ["n", "2"]]]]]);
  same(await client.xread("BLOCK", 50, "STREAMS", key, "$"), null);
  await fails(client.xadd(key, "1-0", "n", "0"), /^ERR The ID specified in XADD is equal or smaller/);
  same(await client.xgroup("CREATE", key, group, "0"), "OK");
  await fails(client.xgroup("CREATE", key, group, "0"), /^BUSYGROUP/);
  same(await client.xreadgroup("GROUP", group, "me", "COUNT", 10, "STREAMS", key, ">"),
       [[key, [["1-1", ["n", "1"]], ["2-0", ["n", "2"]]]]]);
  same(await client.xack(key, group, "1-1"), 1);
  same(await client.xpending(key, group), [1, "2-0", "2-0", [["me", "1"]]]);
  const next = client.xreadgroup("GROUP", group, "me", "BLOCK", 10_000, "STREAMS", key, ">");
  await sleep(20);
  await writer.xadd(key, "3-0", "n", "3");
  same([await next, await client.xlen(key)], [[[key, [["3-0", ["n", "3"]]]]], 3]);
}

async function scripts(client) {
  const key = uniqueKey("script");
  same(await client.eval("return {KEYS[1], ARGV[1], 7, false}", 1, key, "a"), [key, "a", 7, null]);
  await client.script("FLUSH");
  // ioredis sends the hash first; NOSCRIPT makes it send the script.
  client.defineCommand("increaseTwice", {
    numberOfKeys: 1,
    lua: "redis.call('INCRBY', KEYS[1], ARGV[1]); return redis.call('INCRBY', KEYS[1], ARGV[1])",
  });
  same([await client.increaseTwice(key, 5), await client.increaseTwice(key, 5), await client.get(key)], [10, 20, "20"]);
  same(await client.pipeline().increaseTwice(key, 1).get(key).exec(), [[null, 22], [null, "22"]]);
  await fails(client.evalsha("0".repeat(40), 0), /^NOSCRIPT/);
  await fails(client.eval("return redis.error_reply('MINE of my own')", 0), /^MINE of my own/);
}

async function functions(client) {
  const [key, name] = [uniqueKey("function"), `io_${process.pid}`];
  const code = `#!lua name=${name}\nredis.register_function('put_${name}', ` +
    "function(keys, args) return redis.call('SET', keys[1], args[1]) end)";
  same(await client.function("LOAD", "REPLACE", code), name);
  same([await client.get(key), await client.fcall(`put_${name}`, 1, key, "value")], [null, "OK"]);
  same([await client.get(key), await client.function("DELETE", name)], ["value", "OK"]);
  await fails(client.fcall(`put_${name}`, 1, key), /^ERR Function not found/);
}

async function scans(client) {
  const base = uniqueKey("scan");
  const names = Array.from({ length: 5000 }, (_, i) => `${base}:${i}`);
  await client.mset(new Map(names.map((name) => [name, "v"])));
  sameSet(new Set(await collected(client.scanStream({ match: `${base}:*`, count: 500 }))), names);
  same(await client.unlink(...names), 5000);
  await client.hset(base + "h", new Map(names.map((name, i) => [name, `${i}`])));
  const fields = await collected(client.hscanStream(base + "h", { count: 500 }));
  same([new Set(fields.filter((_, i) => i % 2 === 0)).size, fields[fields.indexOf(names[4321]) + 1]], [5000, "4321"]);
  await client.sadd(base + "s", ...names);
  sameSet(new Set(await collected(client.sscanStream(base + "s", { count: 500 }))), names);
  await client.zadd(base + "z", ...names.flatMap((name, i) => [i + 0.5, name]));
  const scores = await collected(client.zscanStream(base + "z", { count: 500 }));
  same([new Set(scores.filter((_, i) => i % 2 === 0)).size, scores[scores.indexOf(names[4321]) + 1]], [5000, "4321.5"]);
}

async function sortedSets(client) {
  const key = uniqueKey("zset");
  same(await client.zadd(key, 1.5, "a", -3, "b", "+inf", "c"), 3);
  same([await client.zscore(key, "a"), await client.zscore(key, "c")], ["1.5", "inf"]);
  same(await client.zscore(key, "z"), null);
  same(await client.zmscore(key, "b", "z", "a"), ["-3", null, "1.5"]);
  same(await client.zrange(key, 0, -1, "WITHSCORES"), ["b", "-3", "a", "1.5", "c", "inf"]);
  same(await client.zrangebyscore(key, "-inf", "(1.5"), ["b"]);
  same([await client.zincrby(key, 0.25, "a"), await client.zrank(key, "a"), await client.zcard(key)], ["1.75", 1, 3]);
  same(await client.zpopmin(key), ["b", "-3"]);
}

async function reconnect(client, other) {
  const [channel, inbox] = [uniqueKey("reconnect"), new Inbox()];
  const [id, otherId] = [await client.client("ID"), await other.client("ID")];
  const isReadyAgain = new Promise((resolve) => client.once("ready", resolve));
  await answeredOrLost(client.client("KILL", "ID", id, "SKIPME", "no"));
  await within(10_000, "the connection after the kill", isReadyAgain);
  same([await client.set(channel, "after"), await client.get(channel)], ["OK", "after"]);
  same(await client.client("GETNAME"), "clients-test");
  holds((await client.client("ID")) !== id);

  // Subscriptions come back with the connection.
  other.on("message", (...message) => inbox.received.push(message));
  await other.subscribe(channel);
  const isOtherReady = new Promise((resolve) => other.once("ready", resolve));
  same(await client.client("KILL", "ID", otherId), 1);
  await within(10_000, "the subscriber after the kill", isOtherReady);
  await eventually("a subscription", async () => (await client.publish(channel, "again")) === 1);
  same(await inbox.take(1), [[channel, "again"]]);
}

await runSubjects({
  handshake: withClients(2, handshake),
  other_db: async () => withClients(1, async (client) => {
    const second = await connect({ db: 2 });
    await otherDb(client, second).finally(() => second.disconnect());
  })(),
  strings: withClients(1, strings),
  binary_strings: withClients(1, binaryStrings),
  expiry: withClients(1, expiry),
  hashes: withClients(1, hashes),
  transactions: withClients(2, transactions),
  pipelines: withClients(1, pipelines),
  automatic_pipelines: withClients(1, automaticPipelines, { enableAutoPipelining: true }),
  pub_sub: withClients(2, pubSub),
  sharded_pub_sub: withClients(2, shardedPubSub),
  blocking_pops: withClients(2, blockingPops),
  giving_up: withClients(2, givingUp),
  streams: withClients(2, streams),
  scripts: withClients(1, scripts),
  functions: withClients(1, functions),
  scans: withClients(1, scans),
  sorted_sets: withClients(1, sortedSets),
  reconnect: withClients(2, reconnect),
});
