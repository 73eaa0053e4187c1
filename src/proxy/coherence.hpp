#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "backend/cache_backend.hpp"
#include "cache/cache.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/outage_log.hpp"

namespace anteroom::proxy {

/// How far the values that one fill connection brought may be trusted (COHERENCE.md F.3).
///
/// | state       | its values are served                    | misses are fetched and cached       |
/// |-------------|------------------------------------------|-------------------------------------|
/// | kTtlOnly    | until their deadline                     | yes                                 |
/// | kConnecting | there are none yet                       | yes, as soon as the server tracks   |
/// | kCoherent   | while unchanged, and the lease holds     | yes                                 |
/// | kSuspect    | no: the lease is over; they are kept     | no: reads are forwarded             |
/// | kDegraded   | no, but for stale_if_error               | no: reads are forwarded             |
enum class CoherenceState : std::uint8_t { kTtlOnly, kConnecting, kCoherent, kSuspect, kDegraded };
inline constexpr std::size_t kCoherenceStates = 5;

enum class CoherenceEvent : std::uint8_t {
  kTracked,    ///< connected, and the server announces changes
  kUntracked,  ///< connected, and it does not
  kLost,       ///< the connection ended or could not be made
  kFence,      ///< the lease was renewed
  kLeaseOver,
};

/// Every event may come in every state; what changes nothing gives the same state.
[[nodiscard]] constexpr CoherenceState next_state(CoherenceState state, CoherenceEvent event) noexcept {
  using enum CoherenceState;
  switch (event) {
    case CoherenceEvent::kTracked:
      return kCoherent;
    case CoherenceEvent::kUntracked:
      return kTtlOnly;
    case CoherenceEvent::kLost:
      return state == kTtlOnly ? kTtlOnly : kDegraded;
    case CoherenceEvent::kFence:
      return state == kSuspect ? kCoherent : state;
    case CoherenceEvent::kLeaseOver:
      return state == kCoherent ? kSuspect : state;
  }
  return state;
}
static_assert(next_state(CoherenceState::kConnecting, CoherenceEvent::kLost) == CoherenceState::kDegraded);
static_assert(next_state(CoherenceState::kDegraded, CoherenceEvent::kFence) == CoherenceState::kDegraded);

[[nodiscard]] std::string_view name_of(CoherenceState state) noexcept;

/// Keeps what one worker's fill connection filled in step with the server: turns its invalidations, fences and losses
/// into drops, leases and epochs of the cache. Loop thread only; all it is given outlives it.
class Coherence final : public backend::CoherenceEvents {
 public:
  struct Options {
    cache::OwnerId owner{};
    bool wants_tracking = true;  ///< false: kTtlOnly for good
    base::Milliseconds fence_interval{250};
    base::Milliseconds max_staleness{1000};  ///< the lease that a fence gives, from when it was sent (R8)
    bool serves_stale_on_error = false;      ///< Options::stale_if_error of the cache is set
  };

  Coherence(net::EventLoop& loop, cache::Cache& cache, metrics::WorkerMetrics& metrics, const Options& options);
  /// Once, before the first event.
  void set_backend(backend::CacheBackend& backend) noexcept { backend_ = &backend; }
  /// Called when the connection has fallen silent for longer than its lease, or is held up by a reply that is too
  /// large.
  void set_on_suspect(std::function<void()> on_suspect) { on_suspect_ = std::move(on_suspect); }

  [[nodiscard]] CoherenceState state() const noexcept { return state_; }
  [[nodiscard]] cache::OwnerId owner() const noexcept { return options_.owner; }
  [[nodiscard]] bool is_tracked() const noexcept { return state_ != CoherenceState::kTtlOnly; }
  /// The server can expire single fields of a hash, which neither PTTL nor a push in time tells of.
  [[nodiscard]] bool hash_fields_expire() const noexcept { return hash_fields_expire_; }
  /// Fetches may want replies in RESP3.
  [[nodiscard]] bool fetches_resp3() const noexcept { return fetches_resp3_; }
  /// Who reads now, on this worker. `link_is_up`: the reader's own way to the server. Without that and this connection
  /// the server counts as unreachable; while the link works, it is reachable, whatever becomes of this connection.
  [[nodiscard]] cache::Asker asker(bool link_is_up) const noexcept {
    return {.owner = options_.owner, .now = loop_.now(), .upstream_is_down = wants_link_state() && !link_is_up};
  }
  /// Whether asker() looks at the link at all: only where stale values may be served.
  [[nodiscard]] bool wants_link_state() const noexcept {
    return options_.serves_stale_on_error && state_ != CoherenceState::kCoherent;
  }

 private:
  void on_connected(const backend::Greeting& greeting) override;
  void on_lost() override;
  void on_invalidated(std::string_view key) override;
  void on_all_invalidated() override;
  void on_fence(base::TimePoint sent) override;
  void on_held_up(bool is_held_up) override;

  void apply(CoherenceEvent event, std::string_view why = {});
  void renew_lease(base::TimePoint fence_sent);
  [[nodiscard]] bool may_fill() const noexcept;
  void on_timer();

  net::EventLoop& loop_;
  cache::Cache& cache_;
  metrics::WorkerMetrics& metrics_;
  const Options options_;
  backend::CacheBackend* backend_ = nullptr;
  std::function<void()> on_suspect_;
  CoherenceState state_;
  base::TimePoint lease_until_{};
  bool is_held_up_ = false;  // meanwhile entries are served as ever, and misses are forwarded
  bool hash_fields_expire_ = false;
  bool fetches_resp3_ = false;
  net::Timer timer_;  // to the next fence
};

}  // namespace anteroom::proxy
