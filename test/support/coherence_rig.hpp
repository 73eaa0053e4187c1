#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <vector>

#include "backend/cache_backend.hpp"
#include "cache/cache.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "net/outage_log.hpp"
#include "proxy/coherence.hpp"
#include "proxy/fill_readers.hpp"
#include "proxy/fill_table.hpp"
#include "support/coherence_state.hpp"

namespace anteroom::test {

/// The proxy of the model: a real Cache, FillTable and Coherence, used as Session and Forwarder use them, with all that
/// comes from outside given by calls. One rig serves very many runs: each has keys and a stretch of time of its own, so
/// that nothing is made anew. The loop never runs; the time of reads and leases is the model's.
class CoherenceRig final : private proxy::FillReaders,
                           private proxy::FillMesh,
                           private proxy::LinkReads,
                           private backend::CacheBackend {
 public:
  enum class Outcome : std::uint8_t {
    kAnswered,   ///< at once, from memory
    kFetches,    ///< waits for a fetch that it started
    kJoins,      ///< waits for one that is under way
    kForwarded,  ///< goes to the server on a shared link
  };
  struct Read {
    Outcome outcome = Outcome::kForwarded;
    std::array<Version, kModelKeys> versions{};  ///< of kAnswered
    std::size_t fetch = 0;                       ///< of kJoins: its place among those that have not ended
    bool is_hit = false;                         ///< of kAnswered: from an entry, not from a fetch that has its value
  };
  struct View {
    std::uint8_t entry = 0;  ///< version + 1; 0: none, or none that can ever be served
    bool is_served = false;
    bool is_attached = false;
  };

  explicit CoherenceRig(const cache::Rules& rules);

  /// A run starts: nothing is cached or under way, the connection is up, and a fence vouches for it.
  void begin();
  /// It ends: whatever is under way is forgotten.
  void end();

  [[nodiscard]] Read get(std::size_t key, std::uint8_t now);
  [[nodiscard]] Read mget(std::uint8_t now);
  void forward_write();
  /// Of the oldest write that has not been dropped; or it will have no first drop.
  void first_drop();
  void guard_without_drop();
  /// REQUIRES: one of these was done for it.
  void acknowledge();
  void observe(Version version);

  /// The replies to GET or MGET, of as many fetches as there are versions. False if not everybody who waited for them
  /// was answered, once, with this.
  [[nodiscard]] bool value(std::span<const Version> versions);
  void ttl();
  void push(std::size_t key);
  void fence(std::uint8_t sent);
  void lose();
  void connect(std::uint8_t now);

  [[nodiscard]] View view(std::size_t key, std::uint8_t now) const;

 private:
  struct Waiter {
    proxy::ReplyQueue::Slot slot = 0;
    std::size_t part = 0;
    bool operator==(const Waiter&) const = default;
  };
  struct UnderWay {
    backend::FetchId id{};
    bool has_value = false;
    std::vector<Waiter> waiters;
  };
  struct Answer {
    Waiter waiter;
    base::SharedBytes reply;
  };

  void on_fill_reply(proxy::SessionId session, proxy::ReplyQueue::Slot slot, std::size_t part,
                     const base::SharedBytes& reply) override;
  void on_fill_left(proxy::SessionId session, proxy::ReplyQueue::Slot slot, std::size_t part,
                    const proxy::CacheableRead& read) override;
  void read_on_link(const upstream::Lane& lane, std::string_view command, std::vector<std::uint64_t> key_hashes,
                    Done done) override;
  void post(cache::OwnerId worker, std::move_only_function<void(proxy::FillTable&)> task) override;
  void fetch(backend::FetchId id, const backend::FetchRequest& request) override;
  void fetch_group(std::span<const backend::FetchId> ids, int db, std::span<const std::string_view> keys) override;
  void fence() override {}
  [[nodiscard]] bool is_congested() const noexcept override { return false; }
  void close() override {}

  [[nodiscard]] base::TimePoint time(std::uint8_t now) const;
  [[nodiscard]] cache::Asker asker(std::uint8_t now) const;
  [[nodiscard]] Read wait(std::size_t key, const cache::ReadResult& result);

  net::EventLoop loop_;
  net::OutageLog outages_{"model"};
  metrics::WorkerMetrics metrics_;
  cache::Cache cache_;
  proxy::Coherence coherence_;
  proxy::FillTable fills_;
  backend::CoherenceEvents& coherence_events_ = coherence_;
  backend::FetchEvents& fetch_events_ = fills_;

  std::array<base::SharedBytes, kVersionsMax> replies_;  // of GET, by version
  base::TimePoint start_{};
  std::uint64_t runs_ = 0;
  std::array<std::string, kModelKeys> names_;
  std::array<cache::Key, kModelKeys> keys_{};
  std::deque<cache::WriteGuard> guards_;
  std::vector<UnderWay> under_way_;
  std::vector<Answer> answers_;
  proxy::ReplyQueue::Slot slots_ = 0;
};

}  // namespace anteroom::test
