#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kv_load/requests.hpp"

namespace anteroom::kv_load {

/// Finds where replies end, and whether they are values, a status or an error; what values hold is passed over. Takes
/// the bytes of one connection in pieces of any size and keeps none of them but an unfinished line, of at most 4 KB. Of
/// one thread.
class ReplyScanner {
 public:
  enum class Step : std::uint8_t {
    kNeedMore,  ///< everything was taken, no reply has ended
    kValues,    ///< to a GET: see hits() and misses()
    kStatus,    ///< to a SET or a PING; beside a value, as with GET and PTTL, it does not count
    kError,     ///< an error reply: see first_error()
    kBroken,    ///< not the protocol: this connection is of no use any more
  };

  /// `replies_each` (at least one) are taken for one: those to the commands of one request.
  explicit ReplyScanner(Protocol protocol, std::size_t replies_each = 1)
      : protocol_(protocol), replies_each_(replies_each) {}

  /// Takes the next reply, or as much of one as there is, off the front of `bytes`.
  [[nodiscard]] Step next(std::string_view& bytes) {
    if (left_ == 0 && skip_ == 0) begin();
    while (true) {
      if (skip_ > 0 && !skip(bytes)) return Step::kNeedMore;
      if (left_ == 0) return outcome();
      const std::size_t end = bytes.find('\n');
      if (end == std::string_view::npos) return keep(bytes);
      std::string_view line = bytes.substr(0, end + 1);
      bytes.remove_prefix(end + 1);
      if (!partial_.empty()) line = partial_.append(line);
      const bool is_understood = line.size() >= kShortestLine && line[line.size() - 2] == '\r' && take(line);
      partial_.clear();
      if (!is_understood) return Step::kBroken;
    }
  }

  /// Keys with and without a value in the reply that has just ended.
  [[nodiscard]] std::uint32_t hits() const { return hits_; }
  [[nodiscard]] std::uint32_t misses() const { return misses_; }
  /// The line of the first error, without its end; empty if there was none.
  [[nodiscard]] const std::string& first_error() const { return first_error_; }

 private:
  static constexpr std::size_t kShortestLine = 3;  // "_\r\n"
  // Redis cuts its errors off well before, and a memcached's VALUE line has a key of at most 250 bytes.
  static constexpr std::size_t kLineBytesMax = 4096;

  void begin() {
    left_ = replies_each_;
    hits_ = misses_ = 0;
    is_error_ = is_status_ = false;
  }
  [[nodiscard]] Step outcome() const {
    if (is_error_) return Step::kError;
    return is_status_ && hits_ + misses_ == 0 ? Step::kStatus : Step::kValues;
  }
  // Whether the value is behind us.
  bool skip(std::string_view& bytes) {
    const std::size_t taken = std::min(skip_, bytes.size());
    bytes.remove_prefix(taken);
    skip_ -= taken;
    return skip_ == 0;
  }
  Step keep(std::string_view& bytes) {
    partial_ += bytes;
    bytes = {};
    return partial_.size() > kLineBytesMax ? Step::kBroken : Step::kNeedMore;
  }
  bool take(std::string_view line) { return protocol_ == Protocol::kResp ? take_resp(line) : take_memcached(line); }

  bool take_resp(std::string_view line) {
    --left_;
    switch (line.front()) {
      case '$':
        return take_value(number_at(line, 1));
      case '*':
        return take_array(number_at(line, 1));
      case '_':
        ++misses_;
        return true;
      case '-':
        note_error(line);
        return true;
      case '+':
      case ':':
        is_status_ = true;
        return true;
      default:
        return false;
    }
  }
  bool take_value(std::int64_t length) {
    if (length < -1) return false;
    if (length == -1) {
      ++misses_;
      return true;
    }
    ++hits_;
    skip_ = static_cast<std::size_t>(length) + 2;
    return true;
  }
  bool take_array(std::int64_t length) {
    if (length < -1) return false;
    if (length == -1) ++misses_;
    left_ += static_cast<std::size_t>(std::max<std::int64_t>(length, 0));
    return true;
  }

  // VALUE lines come before END, which is all of the reply to a key that is not there.
  bool take_memcached(std::string_view line) {
    if (line.starts_with("VALUE ")) return take_value(number_at(line, line.rfind(' ') + 1)) && hits_ > 0;
    left_ = 0;
    if (line == "END\r\n") {
      misses_ = hits_ > 0 ? 0 : 1;
    } else if (line == "STORED\r\n" || line.starts_with("VERSION ")) {
      is_status_ = true;
    } else if (line == "ERROR\r\n" || line == "NOT_STORED\r\n" || line.starts_with("CLIENT_ERROR ") ||
               line.starts_with("SERVER_ERROR ")) {
      note_error(line);
    } else {
      return false;
    }
    return true;
  }

  void note_error(std::string_view line) {
    is_error_ = true;
    if (first_error_.empty()) first_error_ = line.substr(0, line.size() - 2);
  }
  // The number that fills the line from `begin` to its end; anything else is as good as a negative one.
  static std::int64_t number_at(std::string_view line, std::size_t begin) {
    std::int64_t number = 0;
    const char* const end = line.data() + line.size() - 2;
    const auto parsed = std::from_chars(line.data() + begin, end, number);
    constexpr std::int64_t kLargest = std::int64_t{1} << 40;
    const bool is_number = parsed.ec == std::errc{} && parsed.ptr == end && number <= kLargest;
    return is_number ? number : -2;
  }

  Protocol protocol_;
  std::size_t replies_each_;
  std::size_t left_ = 0;  // lines that begin something and are still to come in this reply
  std::size_t skip_ = 0;  // bytes of a value, with its end, that are still to come
  std::uint32_t hits_ = 0;
  std::uint32_t misses_ = 0;
  bool is_error_ = false;
  bool is_status_ = false;
  std::string partial_;
  std::string first_error_;
};

}  // namespace anteroom::kv_load
