#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/byte_queue.hpp"
#include "upstream/lane.hpp"

namespace anteroom::proxy {

/// The second way to a value: when the fill connection is lost, what was asked there is asked on the worker's shared
/// link, so that its readers notice nothing. Nothing read this way is cached. Loop thread only.
class LinkReads {
 public:
  /// The encoded reply of the server, or an error of ours; null if it is longer than kReadBytesMax, so that it should
  /// not be collected for several. Called once, also from inside read_on_link().
  using Done = std::move_only_function<void(const base::SharedBytes& encoded)>;
  static constexpr std::size_t kReadBytesMax = 1u << 20;

  /// `command` is encoded and reads the keys with these hashes on the link of `lane`. Their entries are dropped before
  /// `done` is called: nobody may read an older value afterwards (R14).
  virtual void read_on_link(const upstream::Lane& lane, std::string_view command, std::vector<std::uint64_t> key_hashes,
                            Done done) = 0;

 protected:
  ~LinkReads() = default;
};

}  // namespace anteroom::proxy
