#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <vector>

#include "net/event_loop.hpp"
#include "upstream/link.hpp"

namespace anteroom::upstream {

/// A link that one session has for itself, because what it asks changes the state of its connection or may take as long
/// as it likes. Dials once: after a loss it is closed, and nothing that depended on it is done elsewhere.
struct PinnedLink {
  PinnedLink(LinkContext context, const LinkOptions& options, Lane of, std::uint64_t jitter_seed, base::TimePoint now)
      : link(context, options, jitter_seed), lane(std::move(of)), made(now), released(now) {}

  [[nodiscard]] bool is_alive() const noexcept { return link.state() != Link::State::kClosed; }

  Link link;
  const Lane lane;  ///< that it is in. SELECT may fail, so a link never changes it: who has done so must not reuse it.
  base::TimePoint made;
  base::TimePoint released;
};

/// The pinned links of one worker. First come, first served: a link that is given back goes to whoever has waited
/// longest, never to a newcomer; the last one given back is the first to be used again, so that the others grow old and
/// are closed. A new link is handed out while it dials: requests wait in it (UPSTREAM.md B4.1). Loop thread only.
class PinnedPool {
 public:
  struct Options {
    std::size_t links_max = 64;
    std::size_t waiters_max = 10'000;
    base::Milliseconds wait_max{1000};      ///< 0: as long as it takes
    base::Milliseconds idle_max{60'000};    ///< an unused link is closed after that; 0 is never
    base::Milliseconds age_max{1'800'000};  ///< an older link is closed when it is unused; 0 is never
    std::size_t idle_min = 0;               ///< so many unused ones are made in advance and not closed for being idle
    std::size_t connecting_max = 8;         ///< links that may be dialing at a time; who needs more waits for one
  };
  /// Gets a link, or null when there was none in time. Called on its own, never from inside another call.
  using Granted = std::move_only_function<void(PinnedLink*)>;
  enum class Ticket : std::uint64_t {};

  PinnedPool(LinkContext context, LinkOptions link, const Options& options, std::uint64_t jitter_seed);
  PinnedPool(const PinnedPool&) = delete;
  PinnedPool& operator=(const PinnedPool&) = delete;

  /// A link in `lane`, if one is free or may be made, if need be in the place of a free one in another lane, and nobody
  /// waits; else null. It is the caller's until release().
  [[nodiscard]] PinnedLink* take(const Lane& lane);
  /// The same for who could do without: leaves half of the links to those who cannot.
  [[nodiscard]] PinnedLink* take_spare(const Lane& lane);
  /// When take() had none. Nothing, if too many wait already.
  [[nodiscard]] bool wait(const Lane& lane, Granted granted, Ticket& ticket);
  /// Whoever waits does not want it any more. Tells nobody; a ticket that was served is ignored.
  void cancel(Ticket ticket) noexcept;
  /// `reusable`: once what was sent on it has run, it is like new.
  void release(PinnedLink& link, bool reusable);

  /// A link has come up: the next may dial.
  void on_link_up() { serve_waiters(); }
  /// Makes unused links in advance. Closes what is idle or old for too long, and destroys what was closed. At the start
  /// of a turn.
  void reap(base::TimePoint now);
  /// Nothing is handed out any more; links in use fail what they owe.
  void close();

  [[nodiscard]] base::Milliseconds wait_max() const noexcept { return options_.wait_max; }
  [[nodiscard]] std::size_t links() const noexcept { return links_.size(); }
  [[nodiscard]] std::size_t idle() const noexcept { return idle_.size(); }
  [[nodiscard]] std::size_t waiters() const noexcept { return waiters_.size(); }

 private:
  struct Waiter {
    Ticket ticket{};
    Lane lane;
    base::TimePoint since{};
    Granted granted;
  };

  [[nodiscard]] bool may_dial() const;
  [[nodiscard]] PinnedLink* make(const Lane& lane);
  void bury(PinnedLink& link);
  void serve_waiters();
  void expire_waiters();
  void grant(Granted granted, PinnedLink* link);

  const LinkContext context_;
  const LinkOptions link_options_;
  const Options options_;
  std::uint64_t jitter_seed_;
  std::list<std::unique_ptr<PinnedLink>> links_;     // those in use and the idle ones
  std::vector<PinnedLink*> idle_;                    // the last one first
  std::vector<std::unique_ptr<PinnedLink>> buried_;  // closed; destroyed when nothing calls them any more
  std::deque<Waiter> waiters_;                       // the oldest first
  std::uint64_t tickets_ = 0;
  bool closed_ = false;
  net::Timer timer_;  // for the oldest waiter
};

}  // namespace anteroom::upstream
