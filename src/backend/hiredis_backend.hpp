#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/bulk_filter.hpp"
#include "backend/cache_backend.hpp"
#include "backend/fill_handshake.hpp"
#include "base/byte_queue.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/byte_stream.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/outage_log.hpp"
#include "net/reconnect.hpp"

struct redisReply;  // hiredis's own name. NOLINT(readability-identifier-naming)

namespace anteroom::backend {

class HiredisReader;

/// Fetches keys over one connection of its own, kept up while the worker lives. hiredis parses what comes; the bytes go
/// over a net::ByteStream, so that every transport that a link can use will do. The commands of a turn leave together
/// at its end. Loop thread only.
///
/// With tracking, the same connection carries the server's invalidations: their place between the replies is what makes
/// the cache right (COHERENCE.md A.2). It speaks RESP3 where the server does; each reply is handed on as its fetch
/// wants it.
///
/// One connection serves all dbs: a SELECT goes before a fetch whose db differs from that of the one before. Should a
/// SELECT fail, everything up to the next one that works is answered with its error, because it ran in the wrong db.
///
/// A string longer than Options::bulk_bytes_max is taken off the stream without being kept, before hiredis sees it,
/// which would collect it. What comes behind it waits until it has gone by, as long as the server sends.
///
/// Replies that nothing can have asked for end the connection, so that none is handed to a later fetch.
class HiredisBackend final : public CacheBackend, private net::StreamEvents {
 public:
  struct Options {
    net::ConnectTarget target;
    std::string user;       ///< empty: the default user
    std::string password;   ///< empty: no AUTH
    bool tracking = false;  ///< ask the server to announce changes
    base::Milliseconds handshake_timeout{1000};
    base::Milliseconds response_timeout{3000};  ///< of silence, twice, until the connection counts as hung; 0 = never
    base::Milliseconds reconnect_base{50};
    base::Milliseconds reconnect_cap{2000};
    std::size_t queue_max = 65536;          ///< fetches waiting and under way
    std::size_t bulk_bytes_max = 1u << 20;  ///< of one string; at least kBulkBytesMin is used
  };
  /// All of it outlives the backend.
  struct Context {
    net::EventLoop& loop;
    net::Resolver& resolver;
    net::Mailbox& mailbox;
    net::OutageLog& outage_log;
    metrics::WorkerMetrics& metrics;
    FetchEvents& events;
    CoherenceEvents& coherence;
  };

  /// To read less than that in another way costs more than to let it through, and no name of a fetched key, which an
  /// invalidation brings back, is as long.
  static constexpr std::size_t kBulkBytesMin = 256 * 1024;

  HiredisBackend(Context context, Options options, std::uint64_t jitter_seed);
  ~HiredisBackend() override;

  /// Dials for the first time.
  void start();
  void fetch(FetchId id, const FetchRequest& request) override;
  void fetch_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys) override;
  void fence() override;
  [[nodiscard]] bool is_congested() const noexcept override;
  void close() override;

 private:
  enum class State : std::uint8_t { kIdle, kDialing, kHandshaking, kUp, kBackoff, kClosed };
  enum class Writing : std::uint8_t { kNone, kScheduled, kBlocked };
  /// A fetch, or a group of them, while there is no connection.
  struct Waiting {
    std::vector<FetchId> ids;
    int db = 0;
    std::vector<std::string> keys;
    std::string command;
    bool in_resp3 = false;
  };
  /// What was sent and whose replies are due: one entry for each command, but that the PTTLs of a fetch belong to it.
  struct Sent {
    enum class Kind : std::uint8_t { kSelect, kFetch, kFence };
    Kind kind = Kind::kFetch;
    bool is_string = true;          // GET or MGET
    bool in_resp3 = false;          // the reply is wanted so
    bool has_value = false;         // its reply has come
    bool is_ttl_useless = false;    // because that was an error that says nothing about the key
    std::uint32_t fetches = 0;      // of a fetch: how many in ids_ are still to be ended
    std::uint64_t command_end = 0;  // in the outgoing bytes: before that has left, no reply can be its own
    base::TimePoint at{};           // of a fence
  };

  void on_readable() override;
  void on_writable() override { write(); }

  void dial();
  void on_dialed(net::Connector::Result result);
  void attach(std::unique_ptr<net::ByteStream> stream);
  void shake_hands();
  void send_handshake();
  void on_handshake_reply(const redisReply& reply);
  void on_up(const Greeting& greeting);
  void dial_failed(const base::StagedError& error);
  void end_connection();
  void on_ended();
  void fail_waiting(const base::StagedError& error);
  void on_timer();
  void arm_silence_timer();

  [[nodiscard]] bool admit(std::span<const FetchId> ids);
  void send_fetch(FetchId id, const FetchRequest& request);
  void send_group(std::span<const FetchId> ids, int db, std::span<const std::string_view> keys);
  void send_waiting(const Waiting& fetch);
  void select(int db);
  void await(Sent sent);
  void append_command(std::span<const std::string_view> args);
  void fail_later(std::span<const FetchId> ids, base::StagedError error);
  void fail_sent(const base::StagedError& error);

  void take_replies(std::string_view bytes);
  void take(const redisReply& reply);
  void announce_due();
  void on_select_reply(const redisReply& reply);
  void on_value_reply(const redisReply& reply);
  void on_values_reply(const redisReply& reply, Sent& fetch);
  void fail_values(Sent& fetch, std::string_view error);
  void refuse(FetchId id);
  void on_pttl_reply(const redisReply& reply);
  void on_fence_reply(const redisReply& reply);
  void on_push(const redisReply& push);
  [[nodiscard]] bool reply_is_due() const noexcept;
  void end_for_unexpected();
  void settle_hold_up();
  void schedule_write();
  void write();
  void drop_stream();

  const Context context_;
  const Options options_;
  State state_ = State::kIdle;
  net::Connector connector_;
  net::Timer timer_;  // handshake, silence and backoff share it: what it means follows from the state
  net::Reconnect reconnect_;
  base::StagedError last_error_;

  std::unique_ptr<net::ByteStream> stream_;
  std::unique_ptr<HiredisReader> reader_;  // of this connection, like all that follows
  std::optional<BulkFilter> filter_;
  std::optional<FillHandshake> handshake_;
  base::TimePoint handshake_sent_{};  // the last part of it
  base::ByteQueue out_;
  Writing writing_ = Writing::kNone;
  std::uint64_t queued_bytes_ = 0;  // in all, with those that are still in out_
  std::deque<Sent> sent_;           // in the order of their replies
  std::deque<FetchId> ids_;         // of the fetches in sent_, in the same order
  std::size_t due_ = 0;             // so many at the front of ids_ have been told to be
  std::size_t fences_ = 0;          // in sent_
  int selected_db_ = 0;             // as of the last command sent
  std::string select_error_;        // not empty: the replies that come now are from the wrong db
  base::TimePoint last_received_{};
  bool is_held_up_ = false;  // as told
  bool is_counted_ = false;  // in the gauge of links
  bool is_taking_ = false;   // replies are being handed out: the connection ends behind that
  bool must_end_ = false;

  std::deque<Waiting> waiting_;    // not sent yet
  std::size_t waiting_bytes_ = 0;  // of keys and commands in waiting_
  std::size_t fetches_ = 0;        // waiting and sent
};

}  // namespace anteroom::backend
