#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <tsl/robin_map.h>

#include "backend/cache_backend.hpp"
#include "base/byte_queue.hpp"
#include "cache/cache.hpp"
#include "cache/ttl_policy.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/cached_reads.hpp"
#include "proxy/coherence.hpp"
#include "proxy/fill_readers.hpp"
#include "proxy/link_reads.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_id.hpp"

namespace anteroom::proxy {

class FillTable;

/// How the fill tables of the workers reach each other: runs `task` on the thread of that worker, with its table.
/// Implemented by the server; thread-safe.
class FillMesh {
 public:
  virtual void post(cache::OwnerId worker, std::move_only_function<void(FillTable&)> task) = 0;

 protected:
  ~FillMesh() = default;
};

/// The fetches of one worker and who waits for them. A read that missed starts a fetch or joins the one that its name
/// has, in this worker or in another one: a value is fetched once however many clients ask (COHERENCE.md C).
///
/// A fetch that fails with its connection, or waits for one that has fallen silent, is repeated on the worker's link,
/// once and uncached.
///
/// A fetch whose reply is too large for the connection is left to those who wait: each reads it on a link, of its own
/// if possible, which passes it on as it comes. The cache remembers for a while which replies are.
///
/// A fetch of another worker is awaited through a *remote join*: one message there, one back with the reply. If the
/// fetch was over before the message came, the readers look into the cache again. Loop thread only.
class FillTable final : public backend::FetchEvents {
 public:
  struct Waiter {
    SessionId session;
    ReplyQueue::Slot slot = 0;
    std::size_t part = 0;  ///< of a reply that is put together from several
  };
  struct Options {
    bool has_other_workers = false;
    cache::TtlPolicy ttl;                   ///< while the server announces changes
    cache::TtlPolicy untracked_ttl;         ///< while it does not
    base::Milliseconds fill_timeout{3000};  ///< 0 = none
    std::size_t waiters_max = 65536;        ///< per fetch; more read on the link, each for itself
  };

  /// What is around it, which outlives the table.
  struct Context {
    net::EventLoop& loop;
    FillReaders& readers;
    cache::Cache& cache;
    const Coherence& coherence;
    FillMesh& mesh;
    LinkReads& link_reads;
    metrics::WorkerMetrics& metrics;
  };

  FillTable(Context context, const Options& options);
  void set_backend(backend::CacheBackend& backend) noexcept { backend_ = &backend; }
  [[nodiscard]] cache::OwnerId owner() const noexcept { return context_.coherence.owner(); }

  [[nodiscard]] bool is_congested() const noexcept { return backend_->is_congested(); }
  /// `result` is what Cache::read() said in this turn, no hit. With kBypass the value is fetched for this reader alone.
  /// With kFill for another owner, which has filled more of this key, the fetch is made by that one's worker.
  void wait(const CacheableRead& read, const cache::ReadResult& result, Waiter waiter);
  /// Fetches anew what was served past its soft deadline; `fill` is the ticket that came with the hit.
  void refresh(const CacheableRead& read, cache::FillId fill);
  /// Fetches strings as they are at one instant: the parts of `waiter`'s reply, numbered from 0. `fills` are their
  /// tickets, from Cache::start_fill().
  void fetch_group(int db, std::span<const cache::Key> keys, std::span<const cache::FillId> fills, Waiter waiter);
  /// The fill connection has fallen silent: who waits for it is served on the link instead.
  void leave_connection();
  /// Fetches under way.
  [[nodiscard]] std::size_t size() const noexcept { return fills_.size(); }

 private:
  /// A CacheableRead that owns its bytes.
  struct Target {
    Target() = default;
    explicit Target(const CacheableRead& read) { assign(read); }
    void assign(const CacheableRead& read);
    [[nodiscard]] CacheableRead read() const noexcept;
    [[nodiscard]] cache::Query query() const noexcept;

    std::string key;
    std::string request;
    std::uint64_t key_hash = 0;
    std::uint64_t request_hash = 0;
    cache::View view{};
    int db = 0;
    std::string_view missing_reply;
  };
  struct Fill {
    /// As new, but for `target` and `sent`, which add() sets, and for the memory it keeps.
    void reset() noexcept;

    Target target;
    base::TimePoint sent{};
    std::vector<Waiter> waiters;
    std::vector<cache::OwnerId> remote_waiters;  // workers that joined
    base::SharedBytes reply;                     // once it was answered
    cache::EntryKind kind = cache::EntryKind::kValue;
    /// Of strings that are fetched as they are at one instant: all of them.
    std::shared_ptr<const std::vector<cache::FillId>> group;
    bool is_cacheable = true;
    bool is_abandoned = false;  // timed out: whatever comes is dropped
  };
  /// What is read on the link, and for whom.
  struct LinkPart {
    [[nodiscard]] bool is_awaited() const noexcept { return !waiters.empty() || !workers.empty(); }

    cache::FillId id = 0;  // under which the workers wait
    Target target;
    std::vector<Waiter> waiters;
    std::vector<cache::OwnerId> workers;
  };
  struct RemoteJoin {
    explicit RemoteJoin(const CacheableRead& read) : target(read) {}

    Target target;
    std::vector<Waiter> waiters;
  };

  void on_due(std::span<const backend::FetchId> fetches) override;
  void on_value(backend::FetchId fetch, base::SharedBytes encoded_reply) override;
  void on_ttl(backend::FetchId fetch, std::int64_t pttl_ms) override;
  void on_server_error(backend::FetchId fetch, std::string_view error) override;
  void on_too_large(backend::FetchId fetch) override;
  void on_failed(backend::FetchId fetch, const base::StagedError& error) override;

  Fill& add(const CacheableRead& read, cache::FillId id);
  void send(const CacheableRead& read, cache::FillId id);
  void read_alone(const CacheableRead& read, Waiter waiter);
  void move_to_link(cache::FillId id);
  void read_on_link(std::vector<LinkPart> parts);
  void on_link_reply(const std::vector<LinkPart>& parts, const base::SharedBytes& reply);
  [[nodiscard]] static std::vector<base::SharedBytes> parts_of(const base::SharedBytes& reply, std::size_t count);
  void fetch_uncached(const CacheableRead& read, Waiter waiter);
  void join_local(cache::FillId id, Waiter waiter);
  void join_remote(const CacheableRead& read, const cache::ReadResult& result, Waiter waiter);
  void start_for(const RemoteJoin& join, cache::FillId id, cache::OwnerId from);
  void accept_remote(cache::FillId id, cache::OwnerId from);
  void finish_remote(cache::FillId id, const base::SharedBytes& reply);
  void leave_remote(cache::FillId id);
  void read_again(const RemoteJoin& join);

  [[nodiscard]] Fill& at(backend::FetchId fetch);
  [[nodiscard]] std::unique_ptr<Fill> take(backend::FetchId fetch);
  [[nodiscard]] std::unique_ptr<Fill> take_spare();
  void spare(std::unique_ptr<Fill> fill);
  void store(const Fill& fill, cache::FillId id, std::int64_t pttl_ms);
  [[nodiscard]] static base::SharedBytes error_reply(std::string_view text);
  void give_out(cache::FillId id, Fill& fill);
  void answer_all(cache::FillId id, Fill& fill, const base::SharedBytes& reply);
  void answer_workers(cache::FillId id, const std::vector<cache::OwnerId>& workers, const base::SharedBytes& reply);
  void leave_to_readers(const LinkPart& part);
  void answer(const std::vector<Waiter>& waiters, const base::SharedBytes& reply);
  [[nodiscard]] static cache::Presence presence(const Fill& fill, std::int64_t pttl_ms) noexcept;
  [[nodiscard]] double jitter();
  void expire();
  void arm_timer();

  const Context context_;
  const Options options_;
  backend::CacheBackend* backend_ = nullptr;
  /// The lowest bits of an id are the number of its shard, and tsl's tables take the lowest bits.
  struct FillIdHash {
    std::size_t operator()(cache::FillId id) const noexcept { return (id * 0x9E3779B97F4A7C15u) >> 32; }
  };
  tsl::robin_map<cache::FillId, std::unique_ptr<Fill>, FillIdHash> fills_;
  std::vector<std::unique_ptr<Fill>> spare_;  // ended ones, kept for the memory that they own
  std::unordered_map<cache::FillId, RemoteJoin> remote_joins_;
  std::deque<std::pair<base::TimePoint, cache::FillId>> deadlines_;  // in order, because all share one timeout
  std::uint64_t uncached_ = 0;
  std::minstd_rand random_;  // for jitter: need not be good, must be cheap
  net::Timer timer_;
};

}  // namespace anteroom::proxy
