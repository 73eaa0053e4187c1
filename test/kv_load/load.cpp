#include "kv_load/load.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "kv_load/program.hpp"

namespace anteroom::kv_load {
namespace {

constexpr std::int64_t kPatienceNs = 5'000'000'000;
constexpr std::size_t kReadBytes = 256 * 1024;

/// How many requests may be under way on one connection. What an open loop keeps at the server is bounded, as is what a
/// fill has in its buffers.
std::size_t limit_of(const Options& options, std::size_t request_bytes) {
  constexpr std::size_t kBytesMax = 1U << 20U;
  const std::size_t by_bytes = std::max<std::size_t>(kBytesMax / request_bytes, 1);
  if (options.mode == Options::Mode::kFill) return std::min<std::size_t>(by_bytes, 64);
  return options.rate > 0 ? std::min<std::size_t>(by_bytes, 1024) : options.pipeline;
}

ReplyScanner scanner_for(const Options& options) {
  const bool has_two = options.has_pttl && options.mode == Options::Mode::kLoad;
  return ReplyScanner(options.protocol, has_two ? 2 : 1);
}

}  // namespace

RequestForm form_of_read(const Options& options) {
  const KeyFormat keys = KeyFormat::of(options.prefix, options.draws.keys);
  if (options.has_pttl) return RequestForm::get_and_pttl(keys);
  return options.mget > 0 ? RequestForm::mget(keys, options.mget) : RequestForm::get(options.protocol, keys);
}

RequestSource::RequestSource(const Options& options)
    : is_fill_(options.mode == Options::Mode::kFill),
      keys_(options.draws.keys),
      read_(form_of_read(options)),
      set_(RequestForm::set(options.protocol, KeyFormat::of(options.prefix, keys_), options.value_bytes)),
      draws_(options.draws) {}

void RequestSource::ask_next(Connection& connection, std::int64_t due_ns) {
  const bool is_set = is_fill_ || draws_.is_set_next();
  std::string& out = connection.ask(due_ns, is_set);
  if (is_fill_) {
    set_.append(out, [this] { return filled_++; });
  } else {
    (is_set ? set_ : read_).append(out, [this] { return draws_.next(); });
  }
}

Load::Load(const Options& options) : options_(options), source_(options), scratch_(kReadBytes) {
  const std::size_t limit = limit_of(options, source_.longest_bytes());
  connections_.reserve(options.connections);
  for (std::size_t i = 0; i < options.connections; ++i) {
    connections_.emplace_back(connect_to(options.place), scanner_for(options), limit);
    poller_.add(connections_.back().fd(), i);
  }
  to_flush_.reserve(options.connections);
}

void Load::measure() {
  const std::int64_t begin_ns = now_ns();
  ask_first(begin_ns);
  run_until(begin_ns + static_cast<std::int64_t>(options_.warmup_seconds * 1e9));
  tally_ = {};
  std::puts("warm");
  std::fflush(stdout);
  const double cpu_before = cpu_seconds();
  const std::int64_t opened_ns = now_ns();
  run_until(opened_ns + static_cast<std::int64_t>(options_.seconds * 1e9));
  const double seconds = static_cast<double>(now_ns() - opened_ns) / 1e9;
  print_result(seconds, cpu_seconds() - cpu_before);
  if (tally_.errors > 0) {
    std::fprintf(stderr, "%s: first error reply: %s\n", program_invocation_short_name, first_error().c_str());
  }
}

void Load::fill() {
  ask_first(now_ns());
  while (owed_ > 0) {
    turn(now_ns_ + kPatienceNs);
    if (tally_.errors > 0) die("a SET was answered with an error: " + first_error());
  }
}

void Load::ask_first(std::int64_t now) {
  now_ns_ = silent_since_ns_ = now;
  if (options_.rate > 0 && options_.mode == Options::Mode::kLoad) {
    schedule_.emplace(options_.rate, options_.spacing, now, options_.draws.seed);
    return;
  }
  for (Connection& connection : connections_) {
    while (connection.has_room() && source_.has_next()) ask(connection, now);
    flush(connection);
  }
}

void Load::run_until(std::int64_t end_ns) {
  while (now_ns_ < end_ns) turn(end_ns);
}

void Load::turn(std::int64_t until_ns) {
  // Silence is looked for at least every second.
  std::int64_t wake_ns = std::min(until_ns, now_ns_ + 1'000'000'000);
  if (schedule_) wake_ns = std::min(wake_ns, schedule_->next_due_ns());
  const auto events = poller_.wait(std::max<std::int64_t>(wake_ns - now_ns_, 0));
  for (const epoll_event& event : events) {
    Connection& connection = connections_[event.data.u64];
    if ((event.events & EPOLLOUT) != 0) flush(connection);
    if ((event.events & ~std::uint32_t{EPOLLOUT}) != 0) read_from(connection);
  }
  if (events.empty() || schedule_) now_ns_ = now_ns();
  if (schedule_) ask_due();
  check_silence();
}

void Load::read_from(Connection& connection) {
  const ssize_t got = ::recv(connection.fd(), scratch_.data(), scratch_.size(), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got < 0) die_of_errno("a connection was lost");
  if (got == 0) die("a connection was lost: the server closed it");
  now_ns_ = silent_since_ns_ = now_ns();
  const std::size_t replies = connection.take({scratch_.data(), static_cast<std::size_t>(got)}, now_ns_, tally_);
  owed_ -= replies;
  if (!schedule_) refill(connection, replies);
}

void Load::refill(Connection& connection, std::size_t replies) {
  for (; replies > 0 && source_.has_next(); --replies) ask(connection, now_ns_);
  flush(connection);
}

void Load::ask_due() {
  while (schedule_->next_due_ns() <= now_ns_) {
    Connection* const connection = next_with_room();
    if (connection == nullptr) break;
    ask(*connection, schedule_->take());
    to_flush_.push_back(connection);
  }
  for (Connection* const connection : to_flush_) flush(*connection);
  to_flush_.clear();
}

Connection* Load::next_with_room() {
  for (std::size_t tried = 0; tried < connections_.size(); ++tried) {
    Connection& connection = connections_[next_connection_];
    next_connection_ = next_connection_ + 1 == connections_.size() ? 0 : next_connection_ + 1;
    if (connection.has_room()) return &connection;
  }
  return nullptr;
}

void Load::ask(Connection& connection, std::int64_t due_ns) {
  if (owed_++ == 0) silent_since_ns_ = now_ns_;
  source_.ask_next(connection, due_ns);
}

void Load::flush(Connection& connection) {
  const bool is_waiting = !connection.flush();
  if (is_waiting == std::exchange(connection.is_waiting_for_room, is_waiting)) return;
  const auto number = static_cast<std::uint64_t>(&connection - connections_.data());
  poller_.change(connection.fd(), number, is_waiting ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

void Load::check_silence() const {
  if (owed_ > 0 && now_ns_ - silent_since_ns_ > kPatienceNs) die("no reply at all for 5 s");
}

std::string Load::first_error() const {
  const auto has_one = [](const Connection& connection) { return !connection.first_error().empty(); };
  const auto found = std::ranges::find_if(connections_, has_one);
  return found == connections_.end() ? "" : found->first_error();
}

void Load::print_result(double seconds, double cpu_seconds) const {
  const auto count = [](std::uint64_t number) { return static_cast<unsigned long long>(number); };
  const auto us = [](std::int64_t ns) { return static_cast<double>(ns) / 1e3; };
  const auto quantile_us = [&](double part) { return us(tally_.latencies.quantile_ns(part)); };
  const auto requests = static_cast<double>(tally_.requests);
  const std::uint64_t backlog = schedule_ ? owed_ + schedule_->backlog(now_ns_) : 0;
  std::printf(
      "{\"requests\": %llu, \"seconds\": %.6f, \"rate\": %.1f, \"gets\": %llu, \"hits\": %llu, \"misses\": %llu, "
      "\"errors\": %llu, \"cpu_us_per_request\": %.4f, \"p50_us\": %.2f, \"p90_us\": %.2f, \"p99_us\": %.2f, "
      "\"p999_us\": %.2f, \"max_us\": %.2f, \"backlog\": %llu}\n",
      count(tally_.requests), seconds, requests / seconds, count(tally_.gets), count(tally_.hits), count(tally_.misses),
      count(tally_.errors), requests > 0 ? cpu_seconds * 1e6 / requests : 0, quantile_us(0.5), quantile_us(0.9),
      quantile_us(0.99), quantile_us(0.999), us(tally_.latencies.max_ns()), count(backlog));
  std::fflush(stdout);
}

}  // namespace anteroom::kv_load
