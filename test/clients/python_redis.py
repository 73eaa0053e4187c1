#!/usr/bin/python3
"""python3-redis over RESP2: every subject that its users rely on, as checks of what comes back.

  python_redis.py ADDRESS 2     ADDRESS is host:port or the path of a UNIX socket

Each subject prints `ok NAME` or `FAIL NAME: reason`; a failed subject ends at its first wrong result and the next one
goes on, so that one run tells all that is broken. The status is 0 only if all passed.
"""

import itertools
import os
import signal
import sys
import threading
import time
import traceback

import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

SUBJECT_PATIENCE_S = 20
OVERALL_PATIENCE_S = 100

keys = itertools.count(1)
address = ""


def unique_key(hint):
    return f"python:{os.getpid()}:{hint}:{next(keys)}"


def options(**more):
    where = {"unix_socket_path": address} if address.startswith("/") else {
        "host": address.rpartition(":")[0], "port": int(address.rpartition(":")[2])}
    return where | {"client_name": "clients-test", "socket_timeout": 10, "decode_responses": True} | more


def connect(**more):
    return redis.Redis(**options(**more))


def same(actual, expected):
    if actual != expected or type(actual) is not type(expected):
        raise AssertionError(f"got {repr(actual)[:500]} instead of {repr(expected)[:500]}")


def holds(is_true, what):
    if not is_true:
        raise AssertionError(what)


def fails(kind, text, call, *arguments, **named):
    try:
        value = call(*arguments, **named)
    except kind as error:
        holds(text in str(error), f"error {error!r} does not say {text!r}")
        return
    raise AssertionError(f"no {kind.__name__} but {value!r}")


def eventually(what, is_true):
    end = time.monotonic() + SUBJECT_PATIENCE_S / 2
    while not is_true():
        holds(time.monotonic() < end, f"{what}: not in time")
        time.sleep(0.005)


class Later:
    """A call in a thread of its own; result() waits for what it gives."""

    def __init__(self, call, *arguments, **named):
        self.outcome = None
        self.thread = threading.Thread(target=self.run, args=(call, arguments, named), daemon=True)
        self.thread.start()
        time.sleep(0.02)  # usually it is blocked by now; the result is the same if it is not

    def run(self, call, arguments, named):
        try:
            self.outcome = ("value", call(*arguments, **named))
        except Exception as error:  # handed to whoever asks for the result
            self.outcome = ("error", error)

    def result(self):
        self.thread.join(SUBJECT_PATIENCE_S / 2)
        holds(self.outcome is not None, "a call in a thread did not come back")
        kind, value = self.outcome
        if kind == "error":
            raise value
        return value


def handshake():
    client, other = connect(single_connection_client=True), connect(single_connection_client=True)
    same(client.ping(), True)
    same(client.client_getname(), "clients-test")
    own, others = client.client_id(), other.client_id()
    holds(own > 0 and others > 0 and own != others, f"ids {own} and {others}")
    same(client.client_id(), own)
    same((client.client_info()["name"], client.client_info()["id"]), ("clients-test", own))
    fails(redis.ResponseError, "unknown command", client.execute_command, "NOSUCHCOMMAND", "x")
    same(client.echo("still here"), "still here")


def strings():
    client, key = connect(), unique_key("string")
    same(client.get(key), None)
    same(client.set(key, "first"), True)
    same(client.get(key), "first")
    same(client.set(key, "second", nx=True), None)
    same(client.set(key, "second", get=True), "first")
    same((client.append(key, "!"), client.getrange(key, 0, 2), client.strlen(key)), (7, "sec", 7))
    same(client.mget(key, unique_key("missing"), key), ["second!", None, "second!"])
    same((client.getdel(key), client.exists(key), client.delete(key)), ("second!", 0, 0))
    same(client.incrbyfloat(key, 1.5), 1.5)
    fails(redis.ResponseError, "value is not an integer", client.incr, key)
    fails(redis.ResponseError, "WRONGTYPE", client.lpush, key, "x")


def binary_strings():
    client, key = connect(decode_responses=False), unique_key("binary")
    everything = bytes(range(256))
    client.set(key, everything)
    same(client.get(key), everything)
    large = everything * 4096
    client.set(key, large)
    for _ in range(3):
        same(client.get(key), large)
    same(client.strlen(key), 1 << 20)
    name = unique_key("name").encode() + everything
    same((client.set(name, "ключ ✓"), client.get(name)), (True, "ключ ✓".encode()))


def decoding():
    text, raw, key = connect(), connect(decode_responses=False), unique_key("decoding")
    raw.hset(key, "имя", "wört")
    same(text.hgetall(key), {"имя": "wört"})
    same(raw.hgetall(key), {"имя".encode(): "wört".encode()})
    same(connect(encoding="latin-1").set(key, "ä"), True)
    same((raw.get(key), connect(encoding="latin-1").get(key)), (b"\xe4", "ä"))
    fails(UnicodeDecodeError, "decode byte 0xe4", text.get, key)
    same((text.set(key, "ä"), raw.get(key), text.get(key)), (True, "ä".encode(), "ä"))


def expiry():
    client, key = connect(), unique_key("expiry")
    client.set(key, "short", px=60)
    left = client.pttl(key)
    holds(0 < left <= 60 or left == -2, f"PTTL {left}")
    eventually("the key's end", lambda: client.get(key) is None)
    same(client.pttl(key), -2)
    same((client.setex(key, 100, "long"), client.get(key)), (True, "long"))
    holds(client.ttl(key) in (99, 100), "TTL")
    same((client.persist(key), client.ttl(key)), (True, -1))


def hashes():
    client, key = connect(), unique_key("hash")
    same(client.hgetall(key), {})
    same(client.hset(key, mapping={"a": "1", "b": "two", "c": ""}), 3)
    same(client.hgetall(key), {"a": "1", "b": "two", "c": ""})
    same(client.hmget(key, "b", "missing", "c"), ["two", None, ""])
    same((client.hincrby(key, "a", 5), client.hincrbyfloat(key, "a", 0.5)), (6, 6.5))
    same(sorted(client.hkeys(key)), ["a", "b", "c"])
    same(sorted(client.hvals(key)), ["", "6.5", "two"])
    same((client.hexists(key, "a"), client.hget(key, "z"), client.hlen(key)), (True, None, 3))
    same((client.hdel(key, "a", "b", "z"), client.hgetall(key)), (2, {"c": ""}))
    fails(redis.ResponseError, "WRONGTYPE", client.get, key)


def transactions():
    client, other, key = connect(), connect(), unique_key("multi")
    same(client.pipeline().set(key, 5).incr(key).get(key).hgetall(key + ":h").execute(), [True, 6, "6", {}])

    with client.pipeline() as transaction:
        transaction.watch(key)
        same(transaction.get(key), "6")
        other.set(key, "changed")
        transaction.multi()
        transaction.set(key, "mine")
        fails(redis.WatchError, "Watched variable changed", transaction.execute)
    same(client.get(key), "changed")

    with client.pipeline() as transaction:
        transaction.watch(key)
        same(transaction.get(key), "changed")
        transaction.multi()
        same(transaction.set(key, "mine").get(key).execute(), [True, "mine"])
    same(other.get(key), "mine")

    replies = client.pipeline().set(key, "text").incr(key).get(key).execute(raise_on_error=False)
    same((replies[0], replies[2]), (True, "text"))
    holds(isinstance(replies[1], redis.ResponseError), replies[1])
    aborted = client.pipeline().set(key, "not done").execute_command("NOSUCHCOMMAND")
    fails(redis.ResponseError, "unknown command", aborted.execute)
    same(client.get(key), "text")


def increments():
    """Ten threads that all increment one key by WATCH: each increment counts."""
    client, key = connect(), unique_key("increments")
    client.set(key, 0)

    def increment(transaction):
        value = int(transaction.get(key))
        transaction.multi()
        transaction.set(key, value + 1)

    calls = [Later(lambda: [client.transaction(increment, key) for _ in range(5)]) for _ in range(10)]
    for call in calls:
        same(call.result(), [[True]] * 5)
    same(client.get(key), "50")


def pipelines():
    client, base = connect(), unique_key("pipeline")
    pipeline, expected = client.pipeline(transaction=False), []
    for i in range(250):
        pipeline.set(base, i).get(base).incr(base + ":n").rpush(base + ":l", i)
        expected += [True, str(i), i + 1, i + 1]
    same(pipeline.execute(), expected)
    same((client.get(base + ":n"), client.llen(base + ":l")), ("250", 250))
    replies = client.pipeline(transaction=False).get(base).lpush(base, 1).strlen(base).execute(raise_on_error=False)
    same((replies[0], replies[2]), ("249", 3))
    holds("WRONGTYPE" in str(replies[1]), replies[1])


def messages(subscriber, count):
    """The next `count` messages as (type, pattern, channel, data)."""
    found = []

    def is_complete():
        message = subscriber.get_message(timeout=0.05)
        if message is not None:
            found.append(tuple(message[name] for name in ("type", "pattern", "channel", "data")))
        return len(found) == count

    eventually(f"{count} messages", is_complete)
    return found


def pub_sub():
    client, publisher = connect(), connect()
    channel, second = unique_key("channel"), unique_key("channel")
    subscriber = client.pubsub()
    subscriber.subscribe(channel, second)
    subscriber.psubscribe(second + "*")
    same(messages(subscriber, 3), [("subscribe", None, channel, 1), ("subscribe", None, second, 2),
                                   ("psubscribe", None, second + "*", 3)])
    for i in range(200):
        same(publisher.publish(channel, i), 1)
    same(messages(subscriber, 200), [("message", None, channel, str(i)) for i in range(200)])
    publisher.publish(second, "both")
    same(messages(subscriber, 2), [("message", None, second, "both"), ("pmessage", second + "*", second, "both")])
    subscriber.ping("are you there")
    same(messages(subscriber, 1), [("pong", None, None, "are you there")])
    subscriber.unsubscribe(channel)
    same(messages(subscriber, 1), [("unsubscribe", None, channel, 2)])
    same(publisher.publish(channel, "nobody listens"), 0)
    subscriber.unsubscribe()
    subscriber.punsubscribe()
    same(messages(subscriber, 2), [("unsubscribe", None, second, 1), ("punsubscribe", None, second + "*", 0)])
    subscriber.close()
    same((client.set(channel, "ordinary"), client.get(channel)), (True, "ordinary"))


def pub_sub_in_a_thread():
    client, channel, received = connect(), unique_key("channel"), []
    errors = []

    def stop(error, _, failed_thread):
        errors.append(error)
        failed_thread.stop()

    subscriber = client.pubsub(ignore_subscribe_messages=True)
    subscriber.subscribe(**{channel: lambda message: received.append(message["data"])})
    thread = subscriber.run_in_thread(sleep_time=0.01, daemon=True, exception_handler=stop)
    eventually("the subscription", lambda: errors or client.publish(channel, "first") == 1)
    same(errors, [])
    for i in range(50):
        client.publish(channel, i)
    eventually("all messages", lambda: len(received) == 51)
    same(received, ["first"] + [str(i) for i in range(50)])
    thread.stop()
    thread.join(SUBJECT_PATIENCE_S / 2)
    holds(not thread.is_alive(), "the thread goes on")


def blocking_pops():
    client, pusher = connect(), connect()
    key, second = unique_key("list"), unique_key("list")
    start = time.monotonic()
    same(client.blpop([key, second], timeout=0.1), None)
    holds(time.monotonic() - start >= 0.095, "BLPOP came back early")
    popped = Later(client.blpop, [key, second], timeout=10)
    same(pusher.rpush(second, "a", "b"), 2)
    same((popped.result(), client.brpop(second, timeout=1)), ((second, "a"), (second, "b")))
    moved = Later(client.blmove, key, second, 10)
    pusher.rpush(key, "moved")
    same((moved.result(), pusher.lrange(second, 0, -1)), ("moved", ["moved"]))
    minimum = Later(client.bzpopmin, key, timeout=10)
    pusher.zadd(key, {"two": 2.5, "one": 1})
    same(minimum.result(), (key, "one", 1.0))


def giving_up():
    """The client's own patience ends before the server's; it goes away and takes nothing with it."""
    impatient, client, key = connect(socket_timeout=0.3), connect(), unique_key("given-up")
    fails(redis.TimeoutError, "Timeout reading", impatient.blpop, key, timeout=60)
    eventually("the end of the blocked one", lambda: client.info("clients")["blocked_clients"] == 0)
    same((client.rpush(key, "kept"), client.lpop(key)), (1, "kept"))
    same(impatient.get(key), None)


def streams():
    client, writer = connect(), connect()
    key, group = unique_key("stream"), "workers"
    same(client.xread({key: "0"}), [])
    same(client.xadd(key, {"n": 1}, id="1-1"), "1-1")
    waiting = Later(client.xread, {key: "1-1"}, block=10_000)
    same(writer.xadd(key, {"n": 2}, id="2-0"), "2-0")
    same(waiting.result(), [[key, [("2-0", {"n": "2"})]]])
    same(client.xread({key: "$"}, block=50), [])
    fails(redis.ResponseError, "equal or smaller", client.xadd, key, {"n": 0}, id="1-0")
    client.xtrim(key, 0)
    same(client.xgroup_create(key, group), True)
    fails(redis.ResponseError, "BUSYGROUP", client.xgroup_create, key, group)
    first, second = writer.xadd(key, {"n": 1}), writer.xadd(key, {"n": 2})
    same(client.xreadgroup(group, "me", {key: ">"}, count=10), [[key, [(first, {"n": "1"}), (second, {"n": "2"})]]])
    same(client.xack(key, group, first), 1)
    pending = client.xpending(key, group)
    same((pending["pending"], pending["min"], pending["consumers"]), (1, second, [{"name": "me", "pending": 1}]))
    following = Later(client.xreadgroup, group, "me", {key: ">"}, block=10_000)
    third = writer.xadd(key, {"n": 3})
    same(following.result(), [[key, [(third, {"n": "3"})]]])
    same(client.xlen(key), 3)


def scripts():
    client, key = connect(), unique_key("script")
    same(client.eval("return {KEYS[1], ARGV[1], 7, false}", 1, key, "a"), [key, "a", 7, None])
    twice = client.register_script("redis.call('INCRBY', KEYS[1], ARGV[1]) "
                                   "return redis.call('INCRBY', KEYS[1], ARGV[1])")
    for total in (10, 20, 30):
        client.script_flush()  # the client sends the hash first; NOSCRIPT makes it load the script
        same(twice(keys=[key], args=[5]), total)
    same(client.script_exists(twice.sha, "0" * 40), [True, False])
    same(client.get(key), "30")
    pipeline = client.pipeline()
    twice(keys=[key], args=[1], client=pipeline)
    same(pipeline.get(key).execute(), [32, "32"])
    fails(redis.exceptions.NoScriptError, "No matching script", client.evalsha, "0" * 40, 0)
    fails(redis.ResponseError, "of my own", client.eval, "return redis.error_reply('MINE of my own')", 0)


def functions():
    client, key, name = connect(), unique_key("function"), f"python_{os.getpid()}"
    code = (f"#!lua name={name}\nredis.register_function('put_{name}', "
            "function(keys, args) return redis.call('SET', keys[1], args[1]) end)")
    same(client.function_load(code, replace=True), name)
    same((client.get(key), client.fcall(f"put_{name}", 1, key, "value")), (None, "OK"))
    same(client.get(key), "value")
    holds(client.function_delete(name) in (True, "OK"), "FUNCTION DELETE")
    fails(redis.ResponseError, "Function not found", client.fcall, f"put_{name}", 1, key)


def scans():
    client, base = connect(), unique_key("scan")
    names = [f"{base}:{i}" for i in range(5000)]
    client.mset(dict.fromkeys(names, "v"))
    same(set(client.scan_iter(match=base + ":*", count=500)), set(names))
    same(client.unlink(*names), 5000)
    client.hset(base + "h", mapping={name: i for i, name in enumerate(names)})
    same(dict(client.hscan_iter(base + "h", count=500)), {name: str(i) for i, name in enumerate(names)})
    client.sadd(base + "s", *names)
    same(set(client.sscan_iter(base + "s", count=500)), set(names))
    client.zadd(base + "z", {name: i + 0.5 for i, name in enumerate(names)})
    same(dict(client.zscan_iter(base + "z", count=500)), {name: i + 0.5 for i, name in enumerate(names)})


def sorted_sets():
    client, key = connect(), unique_key("zset")
    same(client.zadd(key, {"a": 1.5, "b": -3, "c": float("inf")}), 3)
    same((client.zscore(key, "a"), client.zscore(key, "c"), client.zscore(key, "z")), (1.5, float("inf"), None))
    same(client.zmscore(key, ["b", "z", "a"]), [-3.0, None, 1.5])
    same(client.zrange(key, 0, -1, withscores=True), [("b", -3.0), ("a", 1.5), ("c", float("inf"))])
    same(client.zrangebyscore(key, "-inf", "(1.5"), ["b"])
    same((client.zincrby(key, 0.25, "a"), client.zrank(key, "a"), client.zcard(key)), (1.75, 1, 3))
    same(client.zpopmin(key), [("b", -3.0)])


def thread_pool():
    """Twenty threads share a pool of five connections."""
    pool = redis.BlockingConnectionPool(max_connections=5, timeout=SUBJECT_PATIENCE_S / 2, **pool_options())
    client, base = redis.Redis(connection_pool=pool), unique_key("pool")

    def work(thread):
        for i in range(50):
            same(client.set(f"{base}:{thread}", i), True)
            same(client.get(f"{base}:{thread}"), str(i))
            client.incr(base)
        return thread

    calls = [Later(work, thread) for thread in range(20)]
    same([call.result() for call in calls], list(range(20)))
    same(client.get(base), "1000")
    pool.disconnect()


def pool_options():
    chosen = options()
    if "unix_socket_path" not in chosen:
        return chosen
    return chosen | {"connection_class": redis.UnixDomainSocketConnection, "path": chosen.pop("unix_socket_path")}


def reconnect():
    client, other, name = connect(single_connection_client=True), connect(), unique_key("reconnect")
    own = client.client_id()
    same(client.execute_command("CLIENT", "KILL", "ID", own, "SKIPME", "no"), 1)
    fails(redis.ConnectionError, "", client.get, name)
    same((client.set(name, "after"), client.get(name), client.client_getname()), (True, "after", "clients-test"))
    holds(client.client_id() != own, "the id is the same after a new connection")

    subscriber = connect().pubsub(ignore_subscribe_messages=True)
    subscriber.execute_command("CLIENT", "ID")  # in RESP2 it cannot be asked for once there is a subscription
    listener = subscriber.parse_response()
    subscriber.subscribe(name)
    eventually("the subscription", lambda: [subscriber.get_message(), other.publish(name, "first")][1] == 1)
    same(messages(subscriber, 1), [("message", None, name, "first")])
    same(other.client_kill_filter(_id=listener), 1)
    try:
        subscriber.get_message(timeout=1)
    except redis.ConnectionError:
        pass  # the next call connects and subscribes again
    eventually("the subscription's return", lambda: [subscriber.get_message(), other.publish(name, "again")][1] == 1)
    same(messages(subscriber, 1), [("message", None, name, "again")])


def retry():
    """With a retry policy a lost connection is not seen by the caller."""
    policy = Retry(ConstantBackoff(0.02), 5)
    client = connect(single_connection_client=True, retry=policy, retry_on_error=[redis.ConnectionError])
    other, key = connect(), unique_key("retry")
    for _ in range(3):
        same(other.client_kill_filter(_id=client.client_id()), 1)
        same((client.set(key, "kept"), client.get(key)), (True, "kept"))


SUBJECTS = (handshake, strings, binary_strings, decoding, expiry, hashes, transactions, increments, pipelines, pub_sub,
            pub_sub_in_a_thread, blocking_pops, giving_up, streams, scripts, functions, scans, sorted_sets, thread_pool,
            reconnect, retry)


class Late(Exception):
    pass


def too_late(*_):
    raise Late(f"nothing after {SUBJECT_PATIENCE_S} s")


def passes(subject):
    signal.setitimer(signal.ITIMER_REAL, SUBJECT_PATIENCE_S)
    try:
        subject()
    except Exception as error:  # whatever a library throws is a failed subject
        print(f"FAIL {subject.__name__}: {error!r}\n{traceback.format_exc()}", flush=True)
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    print(f"ok {subject.__name__}", flush=True)
    return True


def main(arguments):
    global address
    if len(arguments) != 2 or arguments[1] != "2":
        print("usage: python_redis.py host:port|path 2", file=sys.stderr)
        return 2
    address = arguments[0]
    signal.signal(signal.SIGALRM, too_late)
    watchdog = threading.Timer(OVERALL_PATIENCE_S, lambda: (print("FAIL the whole: too late", flush=True), os._exit(1)))
    watchdog.daemon = True
    watchdog.start()
    outcomes = [passes(subject) for subject in SUBJECTS]
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    status = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(status)  # a thread of a failed subject must not keep the process
