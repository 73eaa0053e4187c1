#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string_view>

#include "base/byte_queue.hpp"
#include "base/read_buffer.hpp"
#include "base/staged_error.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/byte_stream.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/outage_log.hpp"
#include "net/reconnect.hpp"
#include "resp/reply_scanner.hpp"
#include "upstream/deadline_watch.hpp"
#include "upstream/handshake.hpp"
#include "upstream/link_fsm.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::upstream {

class Link;

/// Why a link takes requests.
enum class Ready : std::uint8_t {
  kUp,       ///< it has come up; it may be congested by what has waited for it
  kDrained,  ///< it was congested, and is not any more
};

/// What a link tells the one who submits requests to it; on the loop thread, never from inside submit(). Each call may
/// submit, and may end the link, where nothing else is said; then it tells of the other requests meanwhile.
/// Every accepted request ends with exactly one of: on_reply(last), on_failed, or on_expired followed by on_discarded.
class LinkEvents {
 public:
  /// The next bytes of the reply, unchanged, in order; `last` with its end. They are valid during the call only.
  virtual void on_reply(RequestId id, std::string_view piece, bool last) = 0;
  /// There is no (whole) reply and never will be.
  virtual void on_failed(RequestId id, const base::StagedError& error) = 0;
  /// Took too long. The reply may still come and will then be thrown away.
  virtual void on_expired(RequestId id, const base::StagedError& error) = 0;
  /// The outcome of an expired request has come (its reply, or the end of the link).
  virtual void on_discarded(RequestId id) = 0;
  /// The link takes requests, or takes them again.
  virtual void on_ready(Link& link, Ready why) = 0;
  /// What was submitted to the link is about to leave. Nothing may be submitted from inside, and the link not be ended.
  virtual void before_write(Link& link);
  /// Something that nobody asked for, whole, on a link with LinkOptions::takes_pushes. Valid during the call only.
  virtual void on_push(Link& link, std::string_view push);

 protected:
  ~LinkEvents() = default;
};

struct LinkOptions {
  net::ConnectTarget target;
  Credentials credentials;
  int db = 0;
  resp::Protocol protocol = resp::Protocol::kResp2;
  base::Milliseconds handshake_timeout{1000};
  base::Milliseconds response_timeout{3000};  ///< 0 = none
  base::Milliseconds reconnect_base{50};
  base::Milliseconds reconnect_cap{2000};
  std::size_t queue_bytes_max = 64u << 20;
  std::size_t queue_requests_max = 65536;
  bool is_clients_login = false;  ///< the credentials are a client's: that they are wrong says nothing of the upstream
  bool stay_connected = false;    ///< dial again by itself after a loss, not only when a request comes
  /// Pushes of RESP3 are handed on, but for those that answer (P|S)SUBSCRIBE and (P|S)UNSUBSCRIBE: each of these must
  /// name one channel and has one reply.
  bool takes_pushes = false;
  bool is_feed = false;  ///< with takes_pushes: so is every reply that no request waits for (MONITOR)
  bool once = false;     ///< never dial again: what was lost with the connection must not be done on another one
};

/// The same for a link of this lane.
[[nodiscard]] LinkOptions for_lane(LinkOptions options, const Lane& lane);

/// What all links of a worker use. Everything outlives the links.
struct LinkContext {
  net::EventLoop& loop;
  net::Resolver& resolver;
  net::Mailbox& mailbox;
  net::OutageLog& outage_log;
  ServerFacts& server_facts;
  metrics::WorkerMetrics& metrics;
  LinkEvents& events;

  /// The same for links that tell somebody else.
  [[nodiscard]] LinkContext with_events(LinkEvents& others) const {
    return {loop, resolver, mailbox, outage_log, server_facts, metrics, others};
  }
};

/// One ordered conversation with the upstream: dials, shakes hands, sends what is submitted with one write per loop
/// turn, splits the replies and hands each to its request. LinkFsm decides; this class moves the bytes. Loop thread
/// only.
///
///     idle --submit/start--> dialing --> handshaking --> up --loss--> dialing (at once)
///       ^                        \____________\_________________________/
///       '----- the pause is over ------ backoff <----- failure
///
/// Requests wait while it dials; while it is in backoff they are refused with the last error, unless another connection
/// has found the upstream back. A byte that nobody asked for ends the link: whoever got the next reply might get
/// another one's. Time in which this process did not run is not held against the server: before anything expires, it
/// has a second more.
class Link final : private net::StreamEvents {
 public:
  enum class State : std::uint8_t { kIdle, kDialing, kHandshaking, kUp, kBackoff, kClosed };

  Link(LinkContext context, LinkOptions options, std::uint64_t jitter_seed);
  ~Link();
  Link(const Link&) = delete;
  Link& operator=(const Link&) = delete;

  /// Dials if idle.
  void start();
  /// Appends one whole command. Null if it was accepted; otherwise nothing was and the events will not speak of it.
  [[nodiscard]] std::optional<base::StagedError> submit(RequestId id, std::string_view command) {
    return submit(id, command, options_.response_timeout);
  }
  /// With a timeout of its own, from which zero excepts it. Those behind it wait as long.
  [[nodiscard]] std::optional<base::StagedError> submit(RequestId id, std::string_view command, base::Duration timeout);
  /// Why submit() would refuse a command of this size now; may end a pause.
  [[nodiscard]] std::optional<base::StagedError> refusal(std::size_t command_bytes);
  /// The same as submit(). REQUIRES: nothing has happened to the link since refusal() gave no reason against it.
  void append(RequestId id, std::string_view command) { append(id, command, options_.response_timeout); }
  void append(RequestId id, std::string_view command, base::Duration timeout);
  /// More is queued than is good: stop producing until on_ready(kDrained).
  [[nodiscard]] bool is_congested() const noexcept { return congested_; }
  /// Fails everything that waits and never dials again.
  void close();

  [[nodiscard]] State state() const noexcept { return state_; }
  /// Up, and no reply is due for longer than `silence`.
  [[nodiscard]] bool is_responsive(base::TimePoint now, base::Duration silence) const noexcept {
    return state_ == State::kUp && !fsm_.is_silent(now, silence);
  }
  /// The connection's id at the server (CLIENT ID); empty while it is not up, or unknown.
  [[nodiscard]] const std::string& upstream_client_id() const noexcept { return upstream_client_id_; }
  [[nodiscard]] std::size_t pending() const noexcept { return fsm_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return out_.size(); }
  [[nodiscard]] base::TimePoint last_used() const noexcept { return last_used_; }
  /// Nothing waits, nothing is scheduled and nobody is being told of a loss: it may be destroyed now.
  [[nodiscard]] bool is_quiet() const noexcept { return fsm_.empty() && !flush_scheduled_ && !is_telling_; }

 private:
  void on_readable() override;
  void on_writable() override;

  [[nodiscard]] bool end_backoff_early();
  void dial();
  void on_dialed(std::expected<std::unique_ptr<net::ByteStream>, net::ConnectError> result);
  void shake_hands(std::unique_ptr<net::ByteStream> stream);
  void on_up();
  void dial_failed(const base::StagedError& error);
  enum class Loss : std::uint8_t {
    kPeerClosed,
    kIoError,
    kUnexpectedBytes,
    kSilent,
    kReplyStalled,
    kWriteStalled,
    kCarrierLost,  ///< the QUIC connection that the stream was of
  };
  void on_stream_ended(net::IoResult::Status status);
  void lose(Loss reason);
  void fail_all(const base::StagedError& unsent_error, base::Stage stage_of_loss = base::Stage::kResponse);
  void drop_stream();

  void take_replies();
  [[nodiscard]] bool is_in_push() const noexcept;
  void take_push(std::string_view push);
  [[nodiscard]] bool note_reply_started();
  void take_handshake_reply(std::string_view reply);
  void take_piece(std::string_view piece, bool last);

  void schedule_flush();
  void flush();
  [[nodiscard]] bool is_over(std::size_t bytes, std::size_t requests) const noexcept {
    return out_.size() > bytes || fsm_.size() > requests;
  }
  void update_congestion();
  void on_timer();
  void check_deadlines();
  void arm_deadline_timer();
  [[nodiscard]] base::TimePoint next_deadline() const;

  /// Sessions stop producing above either mark, or half of the limit if that is less, and go on below half a mark.
  static constexpr std::size_t kCongestedBytes = 1u << 20;
  static constexpr std::size_t kCongestedRequests = 32768;

  const LinkContext context_;
  const LinkOptions options_;
  const std::size_t bytes_mark_;
  const std::size_t requests_mark_;

  State state_ = State::kIdle;
  net::Connector connector_;
  std::unique_ptr<net::ByteStream> stream_;
  std::optional<Handshake> handshake_;
  base::StagedError last_error_;  // of the last attempt to connect, or why a link that dials once is closed
  std::string upstream_client_id_;
  net::Reconnect reconnect_;
  net::Timer timer_;  // handshake, expiry, stalls and backoff share it: what it means follows from the state

  LinkFsm fsm_;
  base::ByteQueue handshake_out_;
  base::ByteQueue out_;
  base::ReadBuffer in_;
  resp::ReplyScanner scanner_;
  std::size_t scanned_ = 0;  // bytes at the front of in_ that the scanner has seen, all of one unfinished reply
  base::TimePoint last_write_progress_{};
  DeadlineWatch deadline_watch_;
  base::TimePoint last_used_{};
  bool flush_scheduled_ = false;
  bool is_telling_ = false;  // of a loss: those who hear of it may ask whether the link is needed
  bool write_blocked_ = false;
  bool congested_ = false;
};

}  // namespace anteroom::upstream
