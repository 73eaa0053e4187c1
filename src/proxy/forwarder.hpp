#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/cache.hpp"
#include "proxy/handler_registry.hpp"
#include "proxy/link_reads.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_table.hpp"
#include "proxy/transaction.hpp"
#include "proxy/upstream_commands.hpp"
#include "resp/resp2_converter.hpp"
#include "upstream/link.hpp"
#include "upstream/pool.hpp"

namespace anteroom::proxy {

/// Sends requests of this worker's sessions to the upstream and brings the replies back. Keeps, per request, who asked
/// and what the command may change in the cache, until the outcome is known: through a timeout, and after the client
/// has gone. Loop thread only.
class Forwarder final : public upstream::LinkEvents, public LinkReads {
 public:
  /// Takes a whole reply instead of its being passed on. Must leave exactly one reply in `slot` of the session.
  using Completion = std::function<void(Session&, ReplyQueue::Slot, std::string&& reply)>;

  /// `cache` is null when caching is off. The pool is set once, because it needs this as its listener.
  Forwarder(SessionTable& sessions, cache::Cache* cache) : sessions_(sessions), cache_(cache) {}
  void set_pool(upstream::Pool& pool) noexcept { pool_ = &pool; }
  /// Without them nothing is known of what the table does not know. They outlive this.
  void set_upstream_commands(UpstreamCommands& commands) noexcept { upstream_commands_ = &commands; }

  /// Called when any link has come up.
  void set_on_link_up(std::function<void()> callback) { on_link_up_ = std::move(callback); }

  /// For every handler whose command goes to the server as it is. Asks Session::may_forward() itself.
  void forward(Session& session, const Request& request);
  /// A read that the cache could have answered, but for once must not or cannot. What it brings may be newer than what
  /// is cached: nobody may read the older value after it (R14). Asks Session::may_forward() itself.
  void forward_read(Session& session, const Request& request, const cache::Query& query);
  void forward_reads(Session& session, const Request& request, std::span<const cache::Key> keys);
  /// The same for a read whose fetch was in vain: its reply goes to `slot`, which is still open. Goes out even if
  /// fetches of the session are under way, for it changes nothing. REQUIRES: nothing of the session is to be ordered
  /// before it.
  void forward_again(Session& session, ReplyQueue::Slot slot, const Request& request,
                     std::vector<std::uint64_t> key_hashes);
  /// A command that blocks as long as its user likes, zero is for ever, on the session's pinned link. Returns its slot.
  /// `completion` may be null.
  ReplyQueue::Slot forward_blocking(Session& session, const Request& request, base::Milliseconds user_timeout,
                                    Completion completion);
  /// EXEC, whose keys are not among its arguments. `completion` may be null.
  ReplyQueue::Slot forward_exec(Session& session, const Request& request, const Transaction& transaction,
                                Completion completion);
  /// Notes in the transaction what the request will write when EXEC runs it.
  void note_queued(const Request& request, Transaction& transaction) const;
  /// A command of ours on a link. `done` gets its reply, or an error of ours; also from inside.
  void send_own(upstream::Link& link, std::string_view command, Done done);
  /// The same on the shared link of `lane`.
  void send_own(const upstream::Lane& lane, std::string_view command, Done done);
  /// A command that neither the table nor the server's own list knows: it may write anything.
  void forward_unknown(Session& session, const Request& request);
  /// What the server says of a command that the table does not know; null if nothing.
  [[nodiscard]] const command::Overlay::Entry* unlisted(const Request& request) const;
  /// Sends the request on the link of `lane` and gives the whole reply to `completion` if the session still lives.
  /// Errors of ours are answered without it. Returns the slot; REQUIRES: session.may_forward() was true.
  ReplyQueue::Slot forward_with(Session& session, const Request& request, const upstream::Lane& lane,
                                Completion completion);

  /// Gets the bytes of one push; valid during the call.
  using PushReader = std::function<void(std::string_view push)>;
  /// What is pushed on this link goes there, until forget_pushes().
  void send_pushes(const upstream::Link& link, PushReader reader) { push_readers_[&link] = std::move(reader); }
  void forget_pushes(const upstream::Link& link) noexcept { push_readers_.erase(&link); }

  void read_on_link(const upstream::Lane& lane, std::string_view command, std::vector<std::uint64_t> key_hashes,
                    Done done) override;

  /// The lane of the link that is kept up.
  [[nodiscard]] upstream::Lane main_lane() const;
  /// The lane of the links that carry requests of sessions in `lane`: the same, unless all speak RESP3.
  [[nodiscard]] upstream::Lane link_lane(upstream::Lane lane) const;
  /// The shared link of the session works: it is connected and does not owe a reply for longer than kSilenceMax. Dials
  /// it, if it is idle.
  [[nodiscard]] bool is_link_up(const Session& session, base::TimePoint now) const;
  static constexpr std::chrono::seconds kSilenceMax{1};

 private:
  /// What happens in the cache when the outcome of a request is known.
  enum class Effect : std::uint8_t {
    kNone,
    kGuard,          // the guard drops its keys
    kUnlessUnknown,  // everything is dropped, unless the server did not know the command
    kObserve,        // the read's keys are dropped, unless the cache has the very same reply
  };
  /// What a forwarded read could have been answered from.
  struct Observed {
    std::string key;
    std::string request;
    cache::Query query;                 // its bytes are those above
    std::vector<std::uint64_t> hashes;  // of the keys of a read of several; then nothing else is set
  };
  /// What most requests need nothing of.
  struct Special {
    Observed observed;                                // for kObserve
    std::optional<base::Duration> timeout;            // its own; zero is none
    std::unique_ptr<resp::Resp2Converter> converter;  // null: the reply is passed on as it comes
    std::vector<resp::ReplyShape> queued_shapes;      // of EXEC, until it is sent
    Completion completion;
    Done done;              // of a read for no session
    bool is_fill = false;   // that is LinkReads's
    std::string collected;  // of a reply that completion or done waits for
  };
  /// Small, because thousands may be under way, each looked at again when many others have been.
  struct Record {
    [[nodiscard]] Special& more() {
      if (!special) special = std::make_unique<Special>();
      return *special;
    }
    [[nodiscard]] bool has_completion() const noexcept { return special && special->completion; }
    [[nodiscard]] bool has_done() const noexcept { return special && special->done; }

    // What every reply looks at stands together.
    SessionId session;
    ReplyQueue::Slot slot = 0;
    std::unique_ptr<Special> special;
    Effect effect = Effect::kNone;
    bool is_started = false;      // part of the reply has been passed on
    bool is_answered = false;     // the client got an error in its place
    std::uint32_t next_free = 0;  // of a free one: the next to be used, or kNoRecord
    cache::WriteGuard guard;
  };
  /// A write that is submitted and whose keys are not dropped yet.
  struct Written {
    upstream::RequestId id{};
    std::size_t count = 0;
    std::array<std::uint64_t, cache::WriteGuard::kInlineKeys> hashes;
  };

  void on_reply(upstream::RequestId id, std::string_view piece, bool last) override;
  void on_failed(upstream::RequestId id, const base::StagedError& error) override;
  void on_expired(upstream::RequestId id, const base::StagedError& error) override;
  void on_discarded(upstream::RequestId id) override;
  void on_ready(upstream::Link& link, upstream::Ready why) override;
  void before_write(upstream::Link& link) override;
  void on_push(upstream::Link& link, std::string_view push) override;

  /// From the table, or else from the server; null if neither knows the command.
  [[nodiscard]] const command::Facts* facts_of(const Request& request) const;
  ReplyQueue::Slot send(Session& session, const Request& request, const upstream::Lane& lane, Record&& record);
  void send_for(Session& session, ReplyQueue::Slot slot, const Request& request, const upstream::Lane& lane,
                Record&& record);
  [[nodiscard]] upstream::Link* shared_link(const Session& session, const upstream::Lane& lane) const;
  enum class Guarded : std::uint8_t { kNothing, kWrittenKeys, kEverything };
  /// What the request may change of what is cached. Of keys: they are then in written_, and what their drop looks at is
  /// being loaded.
  [[nodiscard]] Guarded set_effect(Record& record, const Request& request);
  void note_written(std::string_view key);
  /// Guards what set_effect() has found. The first drop of a key or two comes with those of the requests behind it,
  /// before any of them leaves. `link_is_up`: or else there is no first drop, because what may never be sent must not
  /// cost the hits of an outage.
  void guard(upstream::RequestId id, Guarded guarded, bool link_is_up);
  void drop_written();
  /// It will not leave.
  void forget_written(upstream::RequestId id);
  static void set_converter(Record& record, const Request& request);
  void take_reply(upstream::RequestId id, std::string_view piece, bool last);
  /// `reply`: the first piece, which is all of it if `is_whole`; empty when the outcome is not known.
  void settle(Record& record, std::string_view reply, bool is_whole);
  void observe(const Observed& observed, std::string_view reply, bool is_whole);
  void wait_for_link(const upstream::Link& link, Session& session);
  void wake_waiting(const upstream::Link& link);
  static void complete(Record& record, Session& session, std::string_view piece, bool last);
  void collect(upstream::RequestId id, std::string_view piece, bool last);
  void answer_with_error(Record& record, const base::StagedError& error);
  [[nodiscard]] Record& at(upstream::RequestId id) { return records_[static_cast<std::size_t>(id)]; }
  [[nodiscard]] upstream::RequestId add(Record&& record);
  void release(upstream::RequestId id);

  SessionTable& sessions_;
  cache::Cache* const cache_;
  upstream::Pool* pool_ = nullptr;
  UpstreamCommands* upstream_commands_ = nullptr;
  std::vector<Record> records_;  // index = RequestId; a slot is reused only after the link's last word on it
  // The free ones, linked: who is free for longest comes first. So requests take, and their replies look at, one record
  // after the other as they lie in memory, which the processor loads ahead; a stack would mix them up.
  std::uint32_t first_free_ = kNoRecord;
  std::uint32_t last_free_ = kNoRecord;
  static constexpr std::uint32_t kNoRecord = ~std::uint32_t{0};
  std::map<const upstream::Link*, std::vector<SessionId>> waiting_for_link_;
  std::map<const upstream::Link*, PushReader> push_readers_;
  std::function<void()> on_link_up_;
  std::string converted_;               // of the piece at hand
  std::vector<Written> undropped_;      // fewer than kUndroppedMax; nearly always empty between turns
  std::vector<std::uint64_t> written_;  // hashes of the keys that the request being sent writes
  std::string encoded_;                 // of the request being sent, when the client's own bytes cannot be used
};

}  // namespace anteroom::proxy
