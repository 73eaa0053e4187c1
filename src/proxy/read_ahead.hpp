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
/// entry can be loaded. What was read and hashed for that is kept until its command comes. For one walk over what a
/// client has sent, while nothing is added to that; one thread.
class ReadAhead {
 public:
  /// A GET that is still in the buffer.
  struct Read {
    std::string_view key;
    std::uint64_t key_hash = 0;  ///< Cache::key()'s
  };

  /// The command behind the last one, if it is one of those that were read ahead: the parser is to take it by
  /// take_alike(), and step() comes next. Null: the parser has to see what it is. Valid until step().
  [[nodiscard]] const Read* next() noexcept { return at_ < now_.count ? &now_.reads[at_++] : nullptr; }

  /// The parser has given a GET, and `behind` is what follows it in the buffer. Returns for how many of the commands
  /// behind it the loading of entries begins now; 0 also while it goes on for those of the last time.
  std::size_t step(const resp::RequestParser& parser, std::string_view behind, const cache::Cache& cache) noexcept {
    return at_ < now_.count ? 0 : refill(parser, behind, cache);
  }

  /// So many loads the processor has under way at once.
  static constexpr std::size_t kBatch = 8;

 private:
  struct Batch {
    std::array<Read, kBatch> reads;
    std::size_t count = 0;
  };
  std::size_t refill(const resp::RequestParser& parser, std::string_view behind, const cache::Cache& cache) noexcept;
  static void find(const resp::RequestParser& parser, std::string_view& bytes, const cache::Cache& cache,
                   Batch& out) noexcept;

  std::size_t at_ = 0;       // the next of now_
  Batch now_;                // whose entries are being loaded
  Batch later_;              // the commands behind those: what leads to their entries is being loaded
  std::string_view unseen_;  // what is behind those
};

}  // namespace anteroom::proxy
