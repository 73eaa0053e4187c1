#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backend/cache_backend.hpp"
#include "base/byte_queue.hpp"
#include "cache/cache.hpp"
#include "cache/ttl_policy.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/reply_queue.hpp"
#include "proxy/session_table.hpp"

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

/// The fetches of one worker and who waits for them. A read that missed starts a fetch or joins the one that its key
/// has, in this worker or in another one: a key is fetched once however many clients ask (COHERENCE.md C).
///
/// A fetch of another worker is awaited through a *remote join*: one message there, one back with the reply. If the
/// fetch was over before the message came, the readers look into the cache again. Loop thread only.
class FillTable final : public backend::FetchEvents {
 public:
  struct Waiter {
    SessionId session;
    ReplyQueue::Slot slot = 0;
  };
  struct Options {
    cache::OwnerId owner{};  ///< number of this worker
    cache::TtlPolicy ttl;
    base::Milliseconds fill_timeout{3000};  ///< 0 = none
    std::size_t waiters_max = 65536;        ///< per fetch; more are answered with an error
  };

  /// Everything outlives the table.
  FillTable(net::EventLoop& loop, SessionTable& sessions, cache::Cache& cache, FillMesh& mesh,
            metrics::WorkerMetrics& metrics, const Options& options);
  void set_backend(backend::CacheBackend& backend) noexcept { backend_ = &backend; }
  [[nodiscard]] cache::OwnerId owner() const noexcept { return options_.owner; }

  [[nodiscard]] bool is_congested() const noexcept { return backend_->is_congested(); }
  /// `result` is what Cache::read() said for `key`, kFill or kJoin, in this turn. The key's bytes are copied.
  void wait(const cache::Key& key, int db, const cache::ReadResult& result, Waiter waiter);
  /// Fetches under way.
  [[nodiscard]] std::size_t size() const noexcept { return fills_.size(); }

 private:
  struct Fill {
    std::string key;
    std::uint64_t hash = 0;
    int db = 0;
    base::TimePoint sent{};
    std::vector<Waiter> waiters;
    std::vector<cache::OwnerId> remote_waiters;  // workers that joined
    base::SharedBytes reply;                     // once GET was answered
    bool exists = false;
    bool is_abandoned = false;  // timed out: whatever comes is dropped
  };
  struct RemoteJoin {
    std::string key;
    std::uint64_t hash = 0;
    int db = 0;
    std::vector<Waiter> waiters;
  };

  void on_value(backend::FetchId fetch, base::SharedBytes encoded_reply) override;
  void on_ttl(backend::FetchId fetch, std::int64_t pttl_ms) override;
  void on_server_error(backend::FetchId fetch, std::string_view error) override;
  void on_failed(backend::FetchId fetch, const base::StagedError& error) override;

  void start(const cache::Key& key, int db, cache::FillId id, Waiter waiter);
  void join_local(cache::FillId id, Waiter waiter);
  void join_remote(const cache::Key& key, int db, const cache::ReadResult& result, Waiter waiter);
  void accept_remote(cache::FillId id, cache::OwnerId from);
  void finish_remote(cache::FillId id, const base::SharedBytes& reply);
  void read_again(const RemoteJoin& join);

  void answer_all(cache::FillId id, Fill& fill, const base::SharedBytes& reply);
  void answer(const std::vector<Waiter>& waiters, const base::SharedBytes& reply);
  void fail(cache::FillId id, const std::string& error);
  [[nodiscard]] cache::Key key_of(const Fill& fill) const noexcept;
  void expire();
  void arm_timer();

  net::EventLoop& loop_;
  SessionTable& sessions_;
  cache::Cache& cache_;
  FillMesh& mesh_;
  metrics::WorkerMetrics& metrics_;
  const Options options_;
  backend::CacheBackend* backend_ = nullptr;
  std::unordered_map<cache::FillId, Fill> fills_;
  std::unordered_map<cache::FillId, RemoteJoin> remote_joins_;
  std::deque<std::pair<base::TimePoint, cache::FillId>> deadlines_;  // in order, because all share one timeout
  net::Timer timer_;
};

}  // namespace anteroom::proxy
