#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "cache/cache.hpp"
#include "resp/request_parser.hpp"

namespace anteroom::proxy {

/// Of a pipeline of GETs, has the cache load what those look up that come next: else each would wait for memory by
/// itself, longer than all its work takes. In two steps, because what leads to an entry has to be there before the
/// entry can be loaded. Nothing but time depends on it. For one walk over what a client has sent, while nothing is
/// added to that; one thread.
class ReadAhead {
 public:
  /// The parser has given a GET, and `behind` is what follows it in the buffer. Returns for how many of the commands
  /// behind it the loading of entries begins now; 0 also while it goes on for those of the last time.
  std::size_t step(const resp::RequestParser& parser, std::string_view behind, const cache::Cache& cache) noexcept;

  /// So many loads the processor has under way at once.
  static constexpr std::size_t kBatch = 8;

 private:
  void find(const resp::RequestParser& parser, std::string_view& bytes, const cache::Cache& cache) noexcept;

  std::size_t steps_left_ = 0;  // until the last command whose entry is being loaded
  std::size_t found_ = 0;       // commands behind that one, for which what leads to their entries is being loaded
  std::string_view unseen_;     // what is behind those
  std::array<std::uint64_t, kBatch> hashes_{};  // of their keys
};

}  // namespace anteroom::proxy
