#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "upstream/link.hpp"

namespace anteroom::upstream {

/// The shared links of one worker: one per lane. Made on first use; all but the plain ones of the configured db are
/// closed when nobody has used them for a while.
///
/// Over QUIC a worker has several links that are alike (parallel()), each a stream, so that a lost packet holds up only
/// those who share one (QUIC.md, section 3); over sockets a single one batches best.
/// Loop thread only. Knows nothing of sessions.
class Pool {
 public:
  /// `options.db` and `options.protocol` are those of the link which is kept up; db, protocol, credentials and
  /// `stay_connected` are set per link.
  Pool(LinkContext context, LinkOptions options, std::uint64_t jitter_seed, unsigned parallel = 1);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  /// The shared link of `lane`; dials on first use. Valid until the next call or reap(). Null when kLinksMax lanes are
  /// in use.
  [[nodiscard]] Link* shared(const Lane& lane) {
    return recent_ != links_.end() && recent_->first == lane ? recent_->second.get() : find_or_make(lane);
  }
  [[nodiscard]] unsigned parallel() const noexcept { return parallel_; }
  /// Which of the links that are alike the user with this number has: all have as many.
  [[nodiscard]] unsigned number_of(std::uint32_t user) const noexcept { return parallel_ == 1 ? 0 : user % parallel_; }
  /// Of the link that is kept up.
  [[nodiscard]] Lane main_lane() const { return Lane(options_.db, options_.protocol); }
  /// Closes links that have been quiet for `idle`. Call it at the start of a turn, not from a link's event.
  void reap(base::TimePoint now, base::Duration idle);
  /// Fails everything that waits; nothing is accepted any more.
  void close();
  /// Requests waiting or sent on all links.
  [[nodiscard]] std::size_t pending() const noexcept;
  /// Bytes of those that the upstream has not taken.
  [[nodiscard]] std::size_t queued_bytes() const noexcept;

  /// A client that tries one db number after another must not make a link for each.
  static constexpr std::size_t kLinksMax = 128;  ///< times parallel()

 private:
  using Links = std::map<Lane, std::unique_ptr<Link>>;

  [[nodiscard]] Link* find_or_make(const Lane& lane);
  /// One of those that are kept up once they were used.
  [[nodiscard]] bool is_main(Lane lane) const {
    lane.number = 0;
    return lane == main_lane();
  }
  void drop_unused();
  template <class IsUnused>
  void drop_if(IsUnused is_unused);

  const LinkContext context_;
  const LinkOptions options_;
  std::uint64_t jitter_seed_;
  const unsigned parallel_;
  Links links_;
  Links::iterator recent_ = links_.end();  // asked for last: nearly every request asks for the same
  bool closed_ = false;
};

}  // namespace anteroom::upstream
