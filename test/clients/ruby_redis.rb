#!/usr/bin/ruby
# frozen_string_literal: true

# ruby-redis (4.8 and later) over RESP2: every subject that its users rely on, as checks of what comes back.
#
#   ruby_redis.rb ADDRESS 2     ADDRESS is host:port or the path of a UNIX socket
#
# Each subject prints `ok NAME` or `FAIL NAME: reason`; a failed subject ends at its first wrong result and the next one
# goes on, so that one run tells all that is broken. The status is 0 only if all passed.

require "redis"
require "timeout"

SUBJECT_PATIENCE_S = 20
OVERALL_PATIENCE_S = 100
SLICE = 1000 # arguments of one command

$stdout.sync = true
Encoding.default_external = Encoding::UTF_8
if ARGV.length != 2 || ARGV[1] != "2"
  warn "usage: ruby_redis.rb host:port|path 2"
  exit 2
end

def connect(**more)
  address = ARGV[0]
  where = address.start_with?("/") ? { path: address } : { url: "redis://#{address}" }
  Redis.new(id: nil, timeout: 10, **where, **more)
end

def unique_key(hint)
  @keys = (@keys || 0) + 1
  "ruby:#{Process.pid}:#{hint}:#{@keys}"
end

def same(actual, expected)
  return if actual == expected && actual.class == expected.class

  raise "got #{actual.inspect[0, 500]} instead of #{expected.inspect[0, 500]}"
end

def holds(is_true, what)
  raise what unless is_true
end

def fails(kind, pattern)
  value = yield
rescue kind => e
  holds(e.message.match?(pattern), "error #{e.inspect} does not match #{pattern.inspect}")
else
  raise "no #{kind} but #{value.inspect}"
end

def eventually(what)
  deadline = Process.clock_gettime(Process::CLOCK_MONOTONIC) + SUBJECT_PATIENCE_S / 2
  until yield
    holds(Process.clock_gettime(Process::CLOCK_MONOTONIC) < deadline, "#{what}: not in time")
    sleep 0.005
  end
end

# The block in a thread of its own; `value` waits for it.
def later(&block)
  thread = Thread.new(&block)
  thread.report_on_exception = false
  sleep 0.02 # usually it is blocked by now; the result is the same if it is not
  thread
end

# The same for a subscriber: an error is put among what it received, where the next check finds it.
def listen(received)
  later do
    yield
  rescue StandardError => e
    received << e
  end
end

SUBJECTS = {
  handshake: lambda do
    client = connect
    other = connect
    same(client.ping, "PONG")
    id = client.call("CLIENT", "ID")
    holds(id.positive? && other.call("CLIENT", "ID") != id, "id #{id}")
    same(client.call("CLIENT", "SETNAME", "clients-test"), "OK")
    same(client.call("CLIENT", "GETNAME"), "clients-test")
    same(other.call("CLIENT", "GETNAME").to_s, "")
    info = client.call("CLIENT", "INFO")
    holds(info.include?(" name=clients-test ") && info.include?("id=#{id} "), info)
    fails(Redis::CommandError, /^ERR unknown command/) { client.call("NOSUCHCOMMAND", "x") }
    same(client.echo("still here"), "still here")
  end,

  strings: lambda do
    client = connect
    key = unique_key("string")
    same(client.get(key), nil)
    same(client.set(key, "first"), "OK")
    same([client.get(key), client.set(key, "x", nx: true)], ["first", false])
    same(client.set(key, "second", get: true), "first")
    same([client.append(key, "!"), client.getrange(key, 0, 2), client.strlen(key)], [7, "sec", 7])
    same(client.mget(key, unique_key("missing"), key), ["second!", nil, "second!"])
    same([client.getdel(key), client.exists?(key), client.del(key)], ["second!", false, 0])
    same(client.incrbyfloat(key, 1.5), 1.5)
    fails(Redis::CommandError, /^ERR value is not an integer/) { client.incr(key) }
    fails(Redis::CommandError, /^WRONGTYPE/) { client.lpush(key, "x") }
  end,

  binary_strings: lambda do
    client = connect
    key = unique_key("binary")
    bytes = (0..255).to_a.pack("C*")
    client.set(key, bytes)
    same(client.get(key).b, bytes)
    large = bytes * 4096
    client.set(key, large)
    3.times { holds(client.get(key).b == large, "1 MB came back changed") }
    same(client.strlen(key), 1 << 20)
    name = unique_key("name").b + bytes
    same([client.set(name, "ключ"), client.get(name)], %w[OK ключ])
  end,

  expiry: lambda do
    client = connect
    key = unique_key("expiry")
    client.set(key, "short", px: 60)
    left = client.pttl(key)
    holds((1..60).cover?(left) || left == -2, "PTTL #{left}")
    eventually("the key's end") { client.get(key).nil? }
    same([client.pttl(key), client.setex(key, 100, "long"), client.get(key)], [-2, "OK", "long"])
    holds([99, 100].include?(client.ttl(key)), "TTL")
    same([client.persist(key), client.ttl(key)], [true, -1])
  end,

  hashes: lambda do
    client = connect
    key = unique_key("hash")
    same(client.hgetall(key), {})
    same(client.hset(key, { "a" => "1", "b" => "two", "c" => "" }), 3)
    same(client.hgetall(key), { "a" => "1", "b" => "two", "c" => "" })
    same(client.hmget(key, "b", "missing", "c"), ["two", nil, ""])
    same([client.hincrby(key, "a", 5), client.hincrbyfloat(key, "a", 0.5)], [6, 6.5])
    same([client.hkeys(key).sort, client.hvals(key).sort], [%w[a b c], ["", "6.5", "two"]])
    same([client.hexists(key, "a"), client.hget(key, "z"), client.hlen(key)], [true, nil, 3])
    same([client.hdel(key, %w[a b z]), client.hgetall(key)], [2, { "c" => "" }])
    fails(Redis::CommandError, /^WRONGTYPE/) { client.get(key) }
  end,

  transactions: lambda do
    client = connect
    other = connect
    key = unique_key("multi")
    same(client.multi { |t| t.set(key, "5"); t.incr(key); t.get(key); t.hgetall("#{key}:h") }, ["OK", 6, "6", {}])

    conflict = client.watch(key) do |watching|
      other.set(key, "changed")
      watching.multi { |t| t.set(key, "mine") }
    end
    same(conflict, nil)
    same(client.get(key), "changed")

    done = client.watch(key) do |watching|
      watching.multi { |t| t.set(key, "mine"); t.get(key) }
    end
    same(done, %w[OK mine])
    same(other.get(key), "mine")

    client.watch(key) do |watching|
      other.set(key, "changed")
      watching.unwatch
    end
    same(client.multi { |t| t.get(key) }, ["changed"])

    fails(Redis::CommandError, /^ERR value is not an integer/) { client.multi { |t| t.set(key, "text"); t.incr(key) } }
    same(client.get(key), "text")
    fails(Redis::CommandError, /unknown command|^EXECABORT/) do
      client.multi { |t| t.set(key, "not done"); t.call("NOSUCHCOMMAND") }
    end
    same(client.get(key), "text")
  end,

  pipelines: lambda do
    client = connect
    base = unique_key("pipeline")
    replies = client.pipelined do |pipeline|
      250.times do |i|
        pipeline.set(base, i)
        pipeline.get(base)
        pipeline.incr("#{base}:n")
        pipeline.rpush("#{base}:l", i)
      end
    end
    same(replies, (0...250).flat_map { |i| ["OK", i.to_s, i + 1, i + 1] })
    same([client.get("#{base}:n"), client.llen("#{base}:l")], ["250", 250])
    fails(Redis::CommandError, /^WRONGTYPE/) do
      client.pipelined { |p| p.set(base, 1); p.lpush(base, 1); p.set(base, 2) }
    end
    same(client.get(base), "2")
  end,

  pub_sub: lambda do
    subscriber = connect
    publisher = connect
    channel = unique_key("channel")
    received = Queue.new
    listening = listen(received) do
      subscriber.subscribe(channel, "#{channel}:2") do |on|
        on.subscribe { |name, count| received << [:subscribe, name, count] }
        on.message do |name, message|
          received << [name, message]
          subscriber.unsubscribe if message == "end"
        end
        on.unsubscribe { |name, count| received << [:unsubscribe, name, count] }
      end
      subscriber.echo("ordinary again")
    end
    same(received.pop, [:subscribe, channel, 1])
    same(received.pop, [:subscribe, "#{channel}:2", 2])
    200.times { |i| same(publisher.publish(channel, i), 1) }
    same(Array.new(200) { received.pop }, (0...200).map { |i| [channel, i.to_s] })
    publisher.publish("#{channel}:2", "end")
    same(received.pop, ["#{channel}:2", "end"])
    same([received.pop, received.pop].map(&:last), [1, 0])
    same(listening.value, "ordinary again")
    same(publisher.publish(channel, "nobody listens"), 0)
  end,

  patterns: lambda do
    subscriber = connect
    publisher = connect
    channel = unique_key("pattern")
    received = Queue.new
    listening = listen(received) do
      subscriber.psubscribe("#{channel}*") do |on|
        on.psubscribe { |*| received << :ready }
        on.pmessage do |pattern, name, message|
          received << [pattern, name, message]
          subscriber.punsubscribe if message == "end"
        end
      end
    end
    same(received.pop, :ready)
    same([publisher.publish("#{channel}:a", "one"), publisher.publish(channel, "end")], [1, 1])
    same([received.pop, received.pop], [["#{channel}*", "#{channel}:a", "one"], ["#{channel}*", channel, "end"]])
    listening.value
    same(subscriber.set(channel, "ordinary"), "OK")
  end,

  blocking_pops: lambda do
    client = connect
    pusher = connect
    key = unique_key("list")
    second = unique_key("list")
    start = Process.clock_gettime(Process::CLOCK_MONOTONIC)
    same(client.blpop(key, second, timeout: 0.1), nil)
    holds(Process.clock_gettime(Process::CLOCK_MONOTONIC) - start >= 0.095, "BLPOP came back early")
    popped = later { client.blpop(key, second, timeout: 10) }
    same(pusher.rpush(second, %w[a b]), 2)
    same([popped.value, client.brpop(second, timeout: 1)], [[second, "a"], [second, "b"]])
    moved = later { client.blmove(key, second, "LEFT", "RIGHT", timeout: 10) }
    pusher.rpush(key, "moved")
    same([moved.value, pusher.lrange(second, 0, -1)], ["moved", ["moved"]])
    minimum = later { client.bzpopmin(key, timeout: 10) }
    pusher.zadd(key, [[2.5, "two"], [1, "one"]])
    same(minimum.value, [key, "one", 1.0])
  end,

  # A client whose process loses patience while it is blocked takes nothing with it.
  giving_up: lambda do
    impatient = connect
    client = connect
    key = unique_key("given-up")
    fails(Timeout::Error, /given up/) do
      Timeout.timeout(0.3, Timeout::Error, "given up") { impatient.blpop(key, timeout: 60) }
    end
    impatient.close
    eventually("the end of the blocked one") { client.info("clients")["blocked_clients"] == "0" }
    same([client.rpush(key, "kept"), client.lpop(key), impatient.get(key)], [1, "kept", nil])
  end,

  streams: lambda do
    client = connect
    writer = connect
    key = unique_key("stream")
    same(client.xread(key, "0"), {})
    same(client.xadd(key, { "n" => "1" }, id: "1-1"), "1-1")
    waiting = later { client.xread(key, "1-1", block: 5_000) }
    same(writer.xadd(key, { "n" => "2" }, id: "2-0"), "2-0")
    same(waiting.value, { key => [["2-0", { "n" => "2" }]] })
    same(client.xread(key, "$", block: 50), {})
    fails(Redis::CommandError, /equal or smaller/) { client.xadd(key, { "n" => "0" }, id: "1-0") }
    same(client.xgroup(:create, key, "workers", "0"), "OK")
    fails(Redis::CommandError, /^BUSYGROUP/) { client.xgroup(:create, key, "workers", "0") }
    same(client.xreadgroup("workers", "me", key, ">", count: 10),
         { key => [["1-1", { "n" => "1" }], ["2-0", { "n" => "2" }]] })
    same(client.xack(key, "workers", "1-1"), 1)
    same(client.xpending(key, "workers"),
         { "size" => 1, "min_entry_id" => "2-0", "max_entry_id" => "2-0", "consumers" => { "me" => "1" } })
    following = later { client.xreadgroup("workers", "me", key, ">", block: 5_000) }
    writer.xadd(key, { "n" => "3" }, id: "3-0")
    same([following.value, client.xlen(key)], [{ key => [["3-0", { "n" => "3" }]] }, 3])
  end,

  scripts: lambda do
    client = connect
    key = unique_key("script")
    same(client.eval("return {KEYS[1], ARGV[1], 7, false}", keys: [key], argv: ["a"]), [key, "a", 7, nil])
    code = "return redis.call('INCRBY', KEYS[1], ARGV[1])"
    sha = client.script(:load, code)
    same([client.script(:exists, [sha, "0" * 40]), client.evalsha(sha, [key], [5])], [[true, false], 5])
    client.script(:flush)
    fails(Redis::CommandError, /^NOSCRIPT/) { client.evalsha(sha, [key], [5]) }
    same([client.eval(code, [key], [5]), client.evalsha(sha, [key], [5]), client.get(key)], [10, 15, "15"])
    fails(Redis::CommandError, /^MINE of my own/) { client.eval("return redis.error_reply('MINE of my own')") }
  end,

  scans: lambda do
    client = connect
    base = unique_key("scan")
    names = Array.new(5000) { |i| "#{base}:#{i}" }
    names.each_slice(SLICE) { |some| client.mset(*some.flat_map { |name| [name, "v"] }) }
    same(client.scan_each(match: "#{base}:*", count: 500).to_a.uniq.sort, names.sort)
    same(names.each_slice(SLICE).sum { |some| client.unlink(*some) }, 5000)
    names.each_slice(SLICE) { |some| client.hset("#{base}h", some.to_h { |name| [name, name[-3..]] }) }
    same(client.hscan_each("#{base}h", count: 500).to_h, names.to_h { |name| [name, name[-3..]] })
    names.each_slice(SLICE) { |some| client.sadd("#{base}s", some) }
    same(client.sscan_each("#{base}s", count: 500).to_a.uniq.sort, names.sort)
    names.each_slice(SLICE) { |some| client.zadd("#{base}z", some.map { |name| [name[/\d+$/].to_i + 0.5, name] }) }
    same(client.zscan_each("#{base}z", count: 500).to_h, names.each_with_index.to_h { |name, i| [name, i + 0.5] })
  end,

  sorted_sets: lambda do
    client = connect
    key = unique_key("zset")
    same(client.zadd(key, [[1.5, "a"], [-3, "b"], [Float::INFINITY, "c"]]), 3)
    same([client.zscore(key, "a"), client.zscore(key, "c"), client.zscore(key, "z")], [1.5, Float::INFINITY, nil])
    same(client.zmscore(key, "b", "z", "a"), [-3.0, nil, 1.5])
    same(client.zrange(key, 0, -1, with_scores: true), [["b", -3.0], ["a", 1.5], ["c", Float::INFINITY]])
    same(client.zrangebyscore(key, "-inf", "(1.5"), ["b"])
    same([client.zincrby(key, 0.25, "a"), client.zrank(key, "a"), client.zcard(key)], [1.75, 1, 3])
    same(client.zpopmin(key), ["b", -3.0])
  end,

  other_db: lambda do
    client = connect
    second = connect(db: 2)
    key = unique_key("db")
    client.set(key, "in 0")
    same(second.get(key), nil)
    second.set(key, "in 2")
    same([client.get(key), second.get(key), client.select(2), client.get(key)], ["in 0", "in 2", "OK", "in 2"])
  end,

  reconnect: lambda do
    client = connect(reconnect_attempts: 3)
    other = connect
    key = unique_key("reconnect")
    id = client.call("CLIENT", "ID")
    same(client.call("CLIENT", "KILL", "ID", id, "SKIPME", "no"), 1)
    same([client.set(key, "after"), client.get(key)], %w[OK after])
    second = client.call("CLIENT", "ID")
    holds(second != id, "the id is the same after a new connection")
    same(other.call("CLIENT", "KILL", "ID", second), 1)
    same(client.get(key), "after")
    fails(Redis::CommandError, /^ERR No such client/) { other.call("CLIENT", "KILL", "127.0.0.1:1") }
  end
}.freeze

def passes?(name, subject)
  Timeout.timeout(SUBJECT_PATIENCE_S, RuntimeError, "nothing after #{SUBJECT_PATIENCE_S} s") { subject.call }
  puts "ok #{name}"
  true
rescue StandardError => e
  puts "FAIL #{name}: #{e.class}: #{e.message}", e.backtrace.grep(/#{__FILE__}/).first(5)
  false
end

Thread.new do
  sleep OVERALL_PATIENCE_S
  puts "FAIL the whole: still running after #{OVERALL_PATIENCE_S} s"
  exit!(1)
end

outcomes = SUBJECTS.map { |name, subject| passes?(name, subject) }
# A thread of a failed subject must not keep the process.
exit!(outcomes.all? ? 0 : 1)
