#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace anteroom::floor_server {

/// How long every request and every reply is: all that this server knows of a protocol. At most 64 MB each, which
/// whoever reads them from a command line sees to.
struct Sizes {
  std::size_t request_bytes = 0;
  std::size_t reply_bytes = 0;
};

/// A value of RESP that is `bytes` long in all, with its length before it; empty if none is so long.
inline std::string resp_value(std::size_t bytes) {
  constexpr std::string_view kEnds = "$\r\n\r\n";
  for (std::size_t digits = 1; digits + kEnds.size() <= bytes; ++digits) {
    const std::size_t length = bytes - kEnds.size() - digits;
    const std::string text = std::to_string(length);
    if (text.size() == digits) return "$" + text + "\r\n" + std::string(length, 'x') + "\r\n";
  }
  return {};
}

/// Cuts one connection's bytes into messages of equal length by counting them. Of one thread; holds no bytes.
class Counter {
 public:
  /// Not 0.
  explicit Counter(std::size_t message_bytes) : message_bytes_(message_bytes) {}

  /// How many messages have ended when `bytes` more have come.
  std::size_t add(std::size_t bytes) {
    begun_ += bytes;
    const std::size_t ended = begun_ / message_bytes_;
    begun_ %= message_bytes_;
    return ended;
  }
  /// How much there is of one that has not ended.
  [[nodiscard]] std::size_t begun_bytes() const { return begun_; }

 private:
  std::size_t message_bytes_;
  std::size_t begun_ = 0;
};

}  // namespace anteroom::floor_server
