#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "access/user_table.hpp"
#include "base/byte_queue.hpp"
#include "base/clock.hpp"
#include "base/read_buffer.hpp"
#include "base/staged_error.hpp"
#include "cache/cache.hpp"
#include "net/byte_stream.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/client_permit.hpp"
#include "proxy/handler_registry.hpp"
#include "proxy/hooks.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/services.hpp"
#include "proxy/session_table.hpp"
#include "proxy/subscriber.hpp"
#include "proxy/transaction.hpp"
#include "resp/request_parser.hpp"
#include "upstream/lane.hpp"
#include "upstream/pinned_pool.hpp"

namespace anteroom::proxy {

class Push;

/// One client: reads its bytes, splits them into commands, hands each to its handler and writes the replies in order.
/// Loop thread only; owned by the SessionTable. Owns its stream, never a link.
///
/// Order. Replies leave in the order of the requests (ReplyQueue). For what the requests *see*, three ways lead to the
/// server - the cache, the fill connection and the session's own link - and only the last keeps order by itself. So:
///  * while a forwarded command is outstanding, reads go behind it on the same link, uncached (R5);
///  * while a fill is outstanding, a command to be forwarded waits, together with everything behind it: a GET must not
///    see the SET that follows it. So does a read of a key that is being fetched: what is cached of the key, or comes
///    by another fetch, may be older than what this one brings.
///
/// Back-pressure. The client is not read while any pause bit is set; what it has sent already waits unparsed.
class Session final : private net::StreamEvents {
 public:
  Session(SessionId id, ClientPermit permit, std::unique_ptr<net::ByteStream> stream, Services& services);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // For handlers: answering at once. `encoded` is one complete reply; `error` has no '-' and no CRLF.
  void answer(const Request& request, std::string_view encoded);
  void answer_error(const Request& request, std::string_view error);
  /// The same for what this program refuses to do: counted apart.
  void refuse(const Request& request, std::string_view error);
  /// Closes once everything owed has been sent; input from now on is ignored.
  void close_after_replies();

  // For handlers: what is outstanding.
  /// False if the request must not be sent yet, because a fill has to end first: it is kept and will come back to its
  /// handler. Every handler that forwards asks this first and returns on false.
  [[nodiscard]] bool may_forward(const Request& request);
  /// The same for a request that moves the session to another link: everything before it must have its reply.
  [[nodiscard]] bool may_change_link(const Request& request);
  /// The session has a pinned link, in order behind all that it has sent. False if not yet: the request is kept and
  /// will come back to its handler, or was answered with an error. Given back by itself once nothing needs it.
  [[nodiscard]] bool pin(const Request& request);
  /// What the server keeps for this session's connection, so that it cannot share one: then the pinned link is kept.
  enum class LinkState : std::uint8_t { kTracking = 1, kNoTouch = 2 };
  /// REQUIRES: pin() was true.
  void set_link_state(LinkState state, bool on);
  [[nodiscard]] bool has_link_state(LinkState state) const noexcept {
    return (link_states_ & static_cast<unsigned>(state)) != 0;
  }
  /// CLIENT TRACKING with REDIRECT: another client of ours is told of the changes. REQUIRES: pin() was true.
  void redirect_tracking(const Request& request, std::uint64_t target);
  /// This one is told of a change, on behalf of another: a push of RESP3.
  void push_invalidation(std::string_view push);
  /// The client that should have been told was not there.
  void on_redirect_broken(std::uint64_t target);
  /// A reply of the server that speaks of connections, with our ids for its own.
  [[nodiscard]] std::string as_seen_by_client(std::string reply) const;
  /// Closes it if what it relies on is gone. Once a second.
  void check_redirect();
  /// Null while it shares.
  [[nodiscard]] upstream::Link* pinned_link() const noexcept;
  [[nodiscard]] Transaction& transaction() noexcept { return transaction_; }
  /// MULTI is about to be sent; its reply is the next. Returns the number for on_multi_reply().
  [[nodiscard]] std::uint64_t open_transaction() noexcept;
  void on_multi_reply(std::uint64_t number, std::string_view reply) noexcept;
  /// A command is kept that will come back to its handler.
  [[nodiscard]] bool is_put_off() const noexcept { return (pauses_ & kPutOff) != 0; }
  /// It has sent what a replica may have to be told.
  void note_write() noexcept { has_written_ = true; }
  [[nodiscard]] bool has_written() const noexcept { return has_written_; }
  /// Takes no further command until the blocking one in `slot` has its reply, and leaves as soon as the client does.
  void block_on(ReplyQueue::Slot slot);
  /// Answers from the cache, or joins or starts a fetch, or forwards where the cache cannot help.
  void read_through_cache(const Request& request, const CacheableRead& read);
  /// The same for MGET and EXISTS of many keys. With kSnapshot, MGET is answered from one moment; with kPerKey, key by
  /// key. EXISTS is answered from one moment or forwarded.
  void read_many(const Request& request, std::span<const std::string_view> keys, cache::SnapshotView view,
                 MgetMode mode);
  /// Reads of this session must stay behind what it has sent (R5), or there is no cache.
  [[nodiscard]] bool must_read_on_link() const noexcept {
    return forwards_outstanding_ > 0 || services_.cache == nullptr || pinned_ != nullptr || transaction_.is_active() ||
           is_judged_upstream_;
  }
  /// Takes no further command until the reply in `slot` has been given; it may have been already.
  void wait_for(ReplyQueue::Slot slot);

  // From the forwarder and the fill table, by SessionId.
  [[nodiscard]] ReplyQueue::Slot expect_forwarded(const Request& request);
  /// A whole reply, or a part of one that comes in parts.
  void on_forwarded_reply(ReplyQueue::Slot slot, std::string_view reply);
  void on_forwarded_piece(ReplyQueue::Slot slot, std::string_view piece, bool last);
  void on_forwarded_error(ReplyQueue::Slot slot, std::string_view error);
  /// The reply was cut after its beginning had been sent: the client can only be closed.
  void on_forwarded_cut();
  /// `part`: which of the strings of an MGET it is; 0 for everything else.
  void on_fill_reply(ReplyQueue::Slot slot, std::size_t part, const base::SharedBytes& encoded);
  /// The same part is not to be had that way: the request is sent on a link, if possible on one of its own.
  void on_fill_left(ReplyQueue::Slot slot, std::size_t part, const CacheableRead& read);
  /// What was a fetch is a forwarded command from now on.
  void note_forwarded_again(ReplyQueue::Slot slot);
  void on_upstream_congested() { pause(kUpstreamFull); }
  void on_upstream_drained() { resume(kUpstreamFull); }

  // Who it is: session_auth.cpp.
  /// The reply, encoded, to whoever has just logged in.
  using LoggedIn = std::function<std::string(Session&)>;
  /// Answers AUTH and HELLO AUTH, with `on_success` if they succeed. No user: the form with a password alone.
  void log_in(const Request& request, std::optional<std::string_view> user, std::string_view password,
              LoggedIn on_success);
  [[nodiscard]] bool is_authenticated() const noexcept { return is_authenticated_; }
  /// The server's users are others than before: a client that the server would have closed for that is closed.
  void review_rights();
  /// Users of our own log in.
  [[nodiscard]] bool has_own_user() const noexcept { return user_ != nullptr; }

  // For commands about clients.
  /// "normal" or "pubsub", as CLIENT LIST TYPE has them.
  [[nodiscard]] std::string_view type_name() const noexcept;
  [[nodiscard]] std::string user_name() const;
  [[nodiscard]] const std::string& address() const noexcept { return peer_; }
  [[nodiscard]] std::string local_address() const;
  /// Ends its blocking command, as CLIENT UNBLOCK does. False: it is not in one.
  bool unblock(bool with_error);
  void on_unpaused();
  /// A log-in that had to wait for others of its peer may be tried again.
  void on_login_turn();
  void set_spared_from_eviction(bool spared) noexcept { is_spared_from_eviction_ = spared; }
  enum class ReplyMode : std::uint8_t { kOn, kOff, kSkipNext };
  /// From the next request on; kOff also for this one.
  void set_reply_mode(ReplyMode mode) noexcept;

  // What comes unasked: session_push.cpp.
  /// Goes to the client between two replies.
  void push(Push& message);
  /// The same for what comes of a subscription; nothing does before the client has been told that it has it.
  void push(Push& message, TopicKind kind, std::string_view name);
  /// REQUIRES of these: may_change_link().
  void subscribe(const Request& request, TopicKind kind);
  void unsubscribe(const Request& request, TopicKind kind);
  void monitor(const Request& request);
  /// One of the channels asked for has been subscribed to, or has not.
  void on_subscribed(const std::optional<std::string>& error);
  /// One of the channels it has left has been left at the server.
  void on_unsubscribed();
  /// The feed has begun if there is no error.
  void on_monitoring(const std::string& error);
  [[nodiscard]] bool is_subscribed() const noexcept;
  [[nodiscard]] bool is_monitor() const noexcept { return is_monitor_; }

  // From the worker.
  void start();
  /// Reads no more; runs what has been received, and closes when nothing is owed (graceful stop).
  void drain();
  void close();
  /// Gives the output chunk back that a busy connection keeps.
  void release_idle_memory() noexcept;

  [[nodiscard]] SessionId id() const noexcept { return id_; }
  [[nodiscard]] std::uint64_t client_id() const noexcept { return permit_.client_id(); }
  /// Which links it uses.
  [[nodiscard]] const upstream::Lane& lane() const noexcept { return lane_; }
  [[nodiscard]] int db() const noexcept { return lane_.db; }
  void set_db(int db) noexcept { lane_.db = db; }
  [[nodiscard]] resp::Protocol protocol() const noexcept { return lane_.protocol; }
  /// From the next reply on. REQUIRES: may_change_link().
  void set_protocol(resp::Protocol protocol);
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  void set_name(std::string_view name) { name_ = name; }
  void set_library(std::string_view attribute, std::string_view value);
  /// One line in the format of CLIENT INFO, with '\n'.
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::size_t input_bytes() const noexcept { return in_.capacity(); }
  [[nodiscard]] std::size_t output_bytes() noexcept { return out_.size() + replies_.waiting_bytes(); }
  /// Neither asks for anything nor waits for it.
  [[nodiscard]] bool is_idle_for(base::Duration time) const noexcept;
  /// Has not logged in for so long, however busy it is.
  [[nodiscard]] bool is_stranger_for(base::Duration time) const noexcept;
  /// Does not take its replies.
  [[nodiscard]] bool is_stuck() const noexcept;
  [[nodiscard]] bool owes_nothing() const noexcept { return replies_.empty() && out_.empty(); }
  [[nodiscard]] ClientView view() const noexcept { return {client_id(), peer_, lane_.db}; }
  [[nodiscard]] Services& services() noexcept { return services_; }
  /// Back to the state of a new connection (RESET), but for the id.
  void reset_state();

 private:
  enum Pause : std::uint8_t {
    kOutputFull = 1,    // the client does not take its replies
    kPipelineFull = 2,  // too many replies owed
    kUpstreamFull = 4,  // the link is congested
    kBarrier = 8,       // wait_for()
    kPutOff = 16,       // put_off_ holds a command that waits for replies to earlier ones, or for a pinned link
    kTurnOver = 32,     // the others first
  };
  enum class Phase : std::uint8_t { kOpen, kClosing, kClosed };

  void on_readable() override;
  void on_writable() override;

  void take_input(base::ReadBuffer& in);
  void run_commands(base::ReadBuffer& in);
  /// `request` is a GET, the last that was taken out of `in`: runs it and those GETs behind it that can be read ahead.
  void run_reads(base::ReadBuffer& in, Request& request, std::size_t& budget);
  [[nodiscard]] bool takes_commands() const noexcept { return phase_ == Phase::kOpen && pauses_ == 0; }
  void pause_if_full();
  void look_up(Request& request);
  [[nodiscard]] bool is_worth_reading_ahead(const command::Lookup& lookup) const noexcept;
  void dispatch(const Request& request);
  void dispatch(const Request& request, std::size_t first_hook);
  [[nodiscard]] bool is_stopped_by_hook(const Request& request, std::size_t first_hook);
  void dispatch_to_handler(const Request& request);
  /// Nothing but the command itself decides about a request; else dispatch_with_care() has to look at all that may.
  [[nodiscard]] bool is_usual(const Request& request) const noexcept;
  void dispatch_with_care(const Request& request);
  void dispatch_unmatched(const Request& request);
  void put_off(const Request& request, bool until_settled);
  [[nodiscard]] bool must_pause(const Request& request) const;
  /// It may do what replicas have to be told.
  [[nodiscard]] bool may_replicate(const Request& request) const;
  void end_skip() noexcept;
  [[nodiscard]] bool put_off_is_due() const noexcept;

  // session_tracking.cpp
  void end_tracking();
  void find_sink(ReplyQueue::Slot slot, std::vector<std::string> args, bool target_exists);
  void turn_tracking_on(ReplyQueue::Slot slot, std::vector<std::string> args, std::string_view sink_reply);

  // session_auth.cpp
  void begin_authentication();
  void become_initial_user();
  void set_authenticated(bool authenticated);
  void use_identity(const access::User& user);
  [[nodiscard]] bool may_keep_subscriptions(const access::User& user) const;
  /// After a log-in: gives up a pinned link that speaks for the former user, with all that the server keeps for it.
  void leave_former_link();
  void log_in_here(const Request& request, const std::string& name, std::string_view password, bool is_old_form,
                   const LoggedIn& on_success);
  void log_in_upstream(const Request& request, const std::string& name, std::string_view password, LoggedIn on_success);
  void on_upstream_login(ReplyQueue::Slot slot, const std::shared_ptr<const upstream::Credentials>& login,
                         std::string_view reply, const LoggedIn& on_success);
  /// An error for what this user may not do, else empty.
  [[nodiscard]] std::string refusal_of_user(const Request& request);
  [[nodiscard]] std::string refusal_of_upstream_user(const Request& request);

  // session_push.cpp
  void confirm_subscription();
  void confirm_unsubscription();
  void take_back(const Subscriber::Pending& pending);
  void leave_monitor();
  void leave_feeds();
  [[nodiscard]] std::size_t output_limit() const noexcept;
  void note_output_size();
  /// An error for a command that a subscriber or a monitor may not send; else empty.
  [[nodiscard]] std::string refusal_of_mode(const command::Facts& facts) const;

  // session_pinned.cpp
  void on_pin(upstream::PinnedLink* link);
  /// Notices a loss, and gives back what is not needed any more.
  void settle_pin();
  void unpin(bool reusable);
  void lose_pin();
  void dispatch_in_transaction(const Request& request);
  void exec(const Request& request);
  void refuse_in_transaction(const Request& request);
  void abandon_transaction();
  /// The reply in `slot` is an error of ours: what the server says, if it got the request, the client does not hear.
  void note_error_in_transaction(ReplyQueue::Slot slot);
  [[nodiscard]] static bool may_be_queued(const command::Facts& facts) noexcept;

  void dispatch_put_off();
  void apply(const Verdict& verdict, const Request& request, std::size_t next_hook);
  void fail_protocol();
  /// A key that a fill of this session fetches, by its hash.
  struct FetchedKey {
    ReplyQueue::Slot slot;
    std::uint64_t hash;
  };
  /// The strings of an MGET that are still to come.
  struct Gather {
    std::vector<std::string> keys;
    std::vector<base::SharedBytes> parts;
    std::size_t missing = 0;
    bool is_left = false;  // a fetch brings nothing: all are to be read on a link
  };
  [[nodiscard]] cache::Asker asker() const;
  void append_part(base::ByteQueue& sink, const base::SharedBytes& encoded) const;
  void finish_gather(ReplyQueue::Slot slot, const Gather& gather);
  void read_again_on_link(ReplyQueue::Slot slot, std::span<const std::string_view> args,
                          std::span<const cache::Query> queries);
  void choose_link(std::span<const cache::Query> queries);
  void forward_bypassed(const Request& request, const cache::Query& query);
  void forward_many(const Request& request, std::span<const cache::Key> keys);
  [[nodiscard]] bool answer_snapshot(const Request& request, std::span<const cache::Key> keys,
                                     cache::SnapshotView view);
  void fetch_snapshot(const Request& request, std::span<const cache::Key> keys);
  void read_each(const Request& request, std::span<const cache::Key> keys);
  ReplyQueue::Slot expect_gathered(const Request& request, std::span<const cache::Key> keys);
  /// Whether a read of these keys has to wait for the fills of this session.
  [[nodiscard]] bool must_wait_for_fills(std::span<const cache::Key> keys) const {
    return fills_outstanding_ > 0 && fetches_any_of(keys);
  }
  [[nodiscard]] bool fetches_any_of(std::span<const cache::Key> keys) const;
  void end_fill(ReplyQueue::Slot slot);

  /// The text of a reply that is an error; else empty.
  [[nodiscard]] static std::string_view error_of(std::string_view reply) noexcept;
  void append_reply(std::string_view encoded);
  void slot_ended(ReplyQueue::Slot slot, std::string_view error);

  // Outcomes are kept only when a hook wants them.
  struct Started {
    std::string command;
    Outcome::Source source;
    base::TimePoint at;
  };
  /// What is kept of replies that are still to come, beside their places.
  struct Awaited {
    std::map<ReplyQueue::Slot, Gather> gathers;
    std::map<ReplyQueue::Slot, Started> started;
  };
  [[nodiscard]] Awaited& awaited();
  /// Null if the reply in `slot` is no MGET that is put together.
  [[nodiscard]] Gather* find_gather(ReplyQueue::Slot slot) noexcept;
  void note_started(ReplyQueue::Slot slot, const Request& request, Outcome::Source source);
  void note_answered(const Request& request, Outcome::Source source, std::string_view error) {
    schedule_flush();
    if (services_.hooks.wants_outcomes()) report_answered(request, source, error);
  }
  void report_answered(const Request& request, Outcome::Source source, std::string_view error);
  void report(const Outcome& outcome, std::string_view error);

  void pause(Pause reason);
  void resume(Pause reason);
  void update_reading();
  void schedule_input();
  void go_on();
  void schedule_flush() {
    if (!flush_scheduled_) flush_at_turn_end();
  }
  void flush_at_turn_end();
  void flush();
  void after_flush();
  [[nodiscard]] bool over_limit();

  const SessionId id_;
  const ClientPermit permit_;
  Services& services_;
  std::unique_ptr<net::ByteStream> stream_;
  const std::string peer_;

  resp::RequestParser parser_;
  base::ReadBuffer in_;  // only what could not be run at once
  base::ByteQueue out_;
  ReplyQueue replies_{out_};
  std::vector<std::string> put_off_;
  bool put_off_until_settled_ = false;   // not only until the fills have ended
  bool put_off_until_unpaused_ = false;  // CLIENT PAUSE
  bool put_off_until_login_turn_ = false;
  ReplyMode reply_mode_ = ReplyMode::kOn;
  bool skip_is_new_ = false;  // CLIENT REPLY SKIP itself is being carried out
  bool is_spared_from_eviction_ = false;

  ListenerAuth auth_mode_ = ListenerAuth::kNone;  // never kInherit
  bool is_authenticated_ = true;
  base::TimePoint unauthenticated_since_{};  // while it is not
  bool is_judged_upstream_ = false;          // the request at hand must not be answered here
  const access::User* user_ = nullptr;       // of our own; the table is the process's

  std::string name_;
  struct Library {
    std::string name;
    std::string version;
  };
  std::unique_ptr<Library> library_;        // null before CLIENT SETINFO
  std::string_view last_command_ = "NULL";  // from the command table, which outlives us
  upstream::Lane lane_;
  std::uint32_t forwards_outstanding_ = 0;
  std::uint32_t fills_outstanding_ = 0;
  std::vector<FetchedKey> fetched_keys_;  // of those fills, in the order of their slots
  std::optional<ReplyQueue::Slot> barrier_;
  upstream::PinnedLink* pinned_ = nullptr;                  // the pool's, ours until it is released
  std::optional<upstream::PinnedPool::Ticket> pin_ticket_;  // of the place in line, while put_off_ waits for a link
  bool pin_is_spoiled_ = false;                             // it may have left its lane
  /// Where the server's invalidations come in, and for whom they are.
  struct Redirect {
    upstream::PinnedLink* sink = nullptr;  // the pool's, ours until it is released
    std::uint64_t target = 0;              // a client id of ours
    std::string sink_id;                   // the connection's at the server
    bool is_broken = false;                // the client was not there when there was something to tell
  };
  std::unique_ptr<Redirect> redirect_;
  unsigned link_states_ = 0;  // bits of LinkState
  bool pin_in_vain_ = false;  // the wait is over without one
  bool has_written_ = false;
  bool is_blocked_ = false;  // barrier_ is a blocking command
  bool is_being_unblocked_ = false;
  Transaction transaction_;
  std::uint64_t transactions_ = 0;          // begun so far
  std::unique_ptr<Subscriber> subscriber_;  // null before the first SUBSCRIBE
  bool is_monitor_ = false;
  std::optional<ReplyQueue::Slot> monitor_slot_;  // of MONITOR, while it is not answered
  std::optional<base::TimePoint> over_soft_since_;
  std::unique_ptr<Awaited> awaited_;  // null before the first of either

  Phase phase_ = Phase::kOpen;
  std::uint8_t pauses_ = 0;
  bool input_scheduled_ = false;
  bool flush_scheduled_ = false;
  bool write_blocked_ = false;
  bool is_draining_ = false;
  base::TimePoint connected_at_;
  base::TimePoint last_active_;  // a byte came in or went out
  command::Lookup lookup_;       // of the command that was parsed last
};

}  // namespace anteroom::proxy
