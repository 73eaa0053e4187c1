#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kv_load/connection.hpp"
#include "kv_load/options.hpp"
#include "kv_load/posix.hpp"
#include "kv_load/requests.hpp"
#include "kv_load/schedule.hpp"

namespace anteroom::kv_load {

/// What the options' reads are: GET, MGET, or GET and PTTL.
[[nodiscard]] RequestForm form_of_read(const Options& options);

/// The requests to be sent, one after the other: drawn ones without end, or a SET of every key in turn. Of the load's
/// thread; keeps what it needs of the options.
class RequestSource {
 public:
  explicit RequestSource(const Options& options);

  [[nodiscard]] bool has_next() const { return !is_fill_ || filled_ < keys_; }
  [[nodiscard]] std::size_t longest_bytes() const { return std::max(read_.bytes(), set_.bytes()); }
  /// Appends the next one to what `connection` asks; there must be one, and room there.
  void ask_next(Connection& connection, std::int64_t due_ns);

 private:
  bool is_fill_;
  std::uint32_t keys_;
  std::uint32_t filled_ = 0;
  RequestForm read_;
  RequestForm set_;
  Draws draws_;
};

/// The load: one thread, one epoll. In each turn every connection that has replies is read once and written once; reads
/// go on round by round, so none starves. Owns its connections. On each of them is under way what the options' pipeline
/// says; of an open loop at most 1024 requests or 1 MB of them, of a fill 64. A lost connection, bytes that are no
/// reply and 5 s without any end the program.
class Load {
 public:
  /// Connects all, which waits for them. Call one of the two once.
  explicit Load(const Options& options);

  /// Warms up, prints "warm", measures, prints the line of JSON.
  void measure();
  /// Writes every key once. Ends the program at the first error reply.
  void fill();

 private:
  void ask_first(std::int64_t now);
  void turn(std::int64_t until_ns);
  void run_until(std::int64_t end_ns);
  void read_from(Connection& connection);
  void refill(Connection& connection, std::size_t replies);
  void ask_due();
  Connection* next_with_room();
  void ask(Connection& connection, std::int64_t due_ns);
  void flush(Connection& connection);
  void check_silence() const;
  [[nodiscard]] std::string first_error() const;
  void print_result(double seconds, double cpu_seconds) const;

  const Options options_;
  RequestSource source_;
  Poller poller_;
  std::vector<Connection> connections_;
  std::vector<char> scratch_;
  std::optional<Schedule> schedule_;  // of an open loop
  std::size_t next_connection_ = 0;   // of an open loop, which asks them in turn
  std::vector<Connection*> to_flush_;
  std::int64_t now_ns_ = 0;
  std::uint64_t owed_ = 0;            // by all connections
  std::int64_t silent_since_ns_ = 0;  // while something is owed
  Tally tally_;
};

}  // namespace anteroom::kv_load
