#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "upstream/link.hpp"

namespace anteroom::upstream {

/// The shared links of one worker: one per db, because SELECT is a property of a connection and a session must not move
/// another one's. Made on first use; those other than db 0's are closed when nobody has used them for a while.
/// Loop thread only. Knows nothing of sessions.
class Pool {
 public:
  /// `options.db` and `options.stay_connected` are set per link.
  Pool(LinkContext context, LinkOptions options, std::uint64_t jitter_seed);

  /// The shared link for `db`; dials on first use. Valid until the next call or
  /// reap(). Null when kLinksMax dbs are in use.
  [[nodiscard]] Link* shared(int db);
  /// Closes links that have been quiet for `idle`. Call it at the start of a turn, not from a link's event.
  void reap(base::TimePoint now, base::Duration idle);
  /// Fails everything that waits; nothing is accepted any more.
  void close();
  /// Requests waiting or sent on all links.
  [[nodiscard]] std::size_t pending() const noexcept;

  /// A client that tries one db number after another must not make a link for each.
  static constexpr std::size_t kLinksMax = 128;

 private:
  void drop_unused();

  const LinkContext context_;
  const LinkOptions options_;
  std::uint64_t jitter_seed_;
  std::map<int, std::unique_ptr<Link>> links_;  // by db
  bool closed_ = false;
};

}  // namespace anteroom::upstream
