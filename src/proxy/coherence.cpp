#include "proxy/coherence.hpp"

#include <algorithm>
#include <string>

#include "base/log.hpp"

namespace anteroom::proxy {

std::string_view name_of(CoherenceState state) noexcept {
  switch (state) {
    case CoherenceState::kTtlOnly:
      return "ttl_only";
    case CoherenceState::kConnecting:
      return "connecting";
    case CoherenceState::kCoherent:
      return "coherent";
    case CoherenceState::kSuspect:
      return "suspect";
    case CoherenceState::kDegraded:
      break;
  }
  return "degraded";
}

Coherence::Coherence(net::EventLoop& loop, cache::Cache& cache, metrics::WorkerMetrics& metrics, const Options& options)
    : loop_(loop),
      cache_(cache),
      metrics_(metrics),
      options_(options),
      state_(options.wants_tracking ? CoherenceState::kConnecting : CoherenceState::kTtlOnly),
      timer_(loop, [this] { on_timer(); }) {
  metrics_.coherence_state.set(static_cast<std::int64_t>(state_));
}

void Coherence::on_connected(const backend::Greeting& greeting) {
  hash_fields_expire_ = greeting.expires_hash_fields;
  fetches_resp3_ = greeting.speaks_resp3;
  if (!options_.wants_tracking) {
    cache_.recover(options_.owner);
    return;
  }
  // What was fetched without tracking is not watched by the server.
  if (greeting.tracks && state_ == CoherenceState::kTtlOnly) cache_.bump_epoch(options_.owner);
  if (greeting.tracks) {
    renew_lease(greeting.fence_sent);
    timer_.start(options_.fence_interval);
  } else {
    cache_.set_lease(options_.owner, base::kNever);
  }
  cache_.recover(options_.owner);
  cache_.allow_fills(options_.owner, true);
  apply(greeting.tracks ? CoherenceEvent::kTracked : CoherenceEvent::kUntracked, greeting.why_not);
}

void Coherence::on_lost() {
  if (!options_.wants_tracking || state_ == CoherenceState::kTtlOnly) return;
  timer_.cancel();
  if (state_ == CoherenceState::kCoherent || state_ == CoherenceState::kSuspect) {
    cache_.lose(options_.owner, loop_.now());
    metrics_.coherence_losses.add();
  }
  cache_.allow_fills(options_.owner, false);
  apply(CoherenceEvent::kLost);
}

void Coherence::on_invalidated(std::string_view key) {
  metrics_.invalidations.add();
  cache_.invalidate(cache_.key(cache::Space{}, key).hash, options_.owner);
}

void Coherence::on_all_invalidated() {
  metrics_.invalidations_of_all.add();
  cache_.bump_epoch(options_.owner);
}

void Coherence::on_fence(base::TimePoint sent) {
  if (state_ != CoherenceState::kCoherent && state_ != CoherenceState::kSuspect) return;
  const auto round_trip = std::chrono::duration_cast<std::chrono::microseconds>(loop_.now() - sent);
  metrics_.fence_rtt_us.set(round_trip.count());
  metrics_.fences.add();
  renew_lease(sent);
  if (loop_.now() >= lease_until_) return;  // it was under way for longer than it is worth
  apply(CoherenceEvent::kFence);
  cache_.allow_fills(options_.owner, may_fill());
}

// Nothing is amiss but time: entries count as long as their lease, and who misses need not wait.
void Coherence::on_held_up(bool is_held_up) {
  is_held_up_ = is_held_up;
  cache_.allow_fills(options_.owner, may_fill());
  if (is_held_up && on_suspect_) on_suspect_();
}

bool Coherence::may_fill() const noexcept {
  if (is_held_up_) return false;
  return state_ == CoherenceState::kTtlOnly || (state_ == CoherenceState::kCoherent && loop_.now() < lease_until_);
}

void Coherence::renew_lease(base::TimePoint fence_sent) {
  lease_until_ = std::max(lease_until_, fence_sent + options_.max_staleness);
  cache_.set_lease(options_.owner, lease_until_);
  metrics_.lease_until_ms.set(std::chrono::duration_cast<base::Milliseconds>(lease_until_.time_since_epoch()).count());
}

void Coherence::on_timer() {
  backend_->fence();
  if (loop_.now() >= lease_until_) {
    cache_.allow_fills(options_.owner, false);
    apply(CoherenceEvent::kLeaseOver);
    if (on_suspect_) on_suspect_();
  }
  timer_.start(options_.fence_interval);
}

void Coherence::apply(CoherenceEvent event, std::string_view why) {
  const CoherenceState before = state_;
  state_ = next_state(before, event);
  if (state_ == before) return;
  metrics_.coherence_state.set(static_cast<std::int64_t>(state_));
  metrics_.coherence_transitions[static_cast<std::size_t>(state_)].add();
  const auto worker = static_cast<std::int64_t>(options_.owner);
  if (state_ == CoherenceState::kTtlOnly) {
    // One line for all workers: they see the same server.
    const auto say = worker == 0 ? &log::warn : &log::debug;
    say("the server does not track: values may be stale until their TTL", {{"reason", std::string(why)}});
    return;
  }
  const auto say = state_ == CoherenceState::kSuspect ? &log::warn : &log::info;
  say("coherence", {{"worker", worker}, {"from", std::string(name_of(before))}, {"to", std::string(name_of(state_))}});
}

}  // namespace anteroom::proxy
