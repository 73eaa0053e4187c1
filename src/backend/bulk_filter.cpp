#include "backend/bulk_filter.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>
#include <utility>

#include "base/check.hpp"

namespace anteroom::backend {
namespace {

constexpr std::string_view kMark = "-LARGE\r\n";
constexpr std::size_t kLineEnd = 2;  // CRLF
constexpr std::size_t kShortLineMax = 8;
static_assert(kMark.substr(1, kMark.size() - 1 - kLineEnd) == BulkFilter::kTooLarge);
static_assert(kMark.size() <= std::string_view("$10000\r\n").size());

bool begins_bulk(char c) noexcept { return c == '$' || c == '=' || c == '!'; }

/// The length that a whole line names; nothing if it names none: "$-1", "$?".
std::optional<std::uint64_t> length_in(std::string_view line) noexcept {
  const std::string_view digits = line.substr(1, line.size() - 1 - kLineEnd);
  std::uint64_t length = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), length);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  // What ends with the next 2 bytes must not wrap around.
  return length <= UINT64_MAX - kLineEnd ? std::optional(length) : std::nullopt;
}

/// What passes as it is of the usual: a whole string with a short header, or a short line that begins none. 0 if this
/// is not it.
std::size_t usual_size(std::string_view rest, std::size_t bulk_bytes_max) noexcept {
  const bool is_bulk = begins_bulk(rest[0]);
  std::size_t length = 0;
  std::size_t at = is_bulk ? 1 : 0;
  for (; at + 1 < rest.size() && rest[at] != '\r'; ++at) {
    const auto digit = static_cast<unsigned char>(rest[at] - '0');
    if (at == kShortLineMax || (is_bulk && digit > 9)) return 0;
    length = 10 * length + digit;
  }
  if (at + 1 >= rest.size() || rest[at + 1] != '\n') return 0;
  at += kLineEnd;
  if (!is_bulk) return at;
  const bool names_length = at > 1 + kLineEnd;
  const std::size_t size = at + length + kLineEnd;
  return names_length && length <= bulk_bytes_max && size <= rest.size() ? size : 0;
}

}  // namespace

/// From where bytes are taken and to where they are kept, which is never behind it.
struct BulkFilter::Cursor {
  std::span<char> bytes;
  std::size_t in = 0;
  std::size_t out = 0;

  [[nodiscard]] std::string_view rest() const noexcept { return {bytes.data() + in, bytes.size() - in}; }
  void pass(std::size_t count) noexcept {
    if (in != out) std::memmove(bytes.data() + out, bytes.data() + in, count);
    in += count;
    out += count;
  }
  void replace(std::size_t count, std::string_view by) noexcept {
    std::memcpy(bytes.data() + out, by.data(), by.size());
    in += count;
    out += by.size();
  }
};

BulkFilter::BulkFilter(std::size_t bulk_bytes_max) : bulk_bytes_max_(bulk_bytes_max) {
  ANTEROOM_CHECK(bulk_bytes_max >= kBulkBytesMin);
}

std::span<char> BulkFilter::prepare(std::span<char> buffer) const noexcept {
  ANTEROOM_CHECK(buffer.size() > kHeldMax);
  std::copy_n(held_.begin(), held_size_, buffer.begin());
  return buffer.subspan(held_size_);
}

std::size_t BulkFilter::filter(std::span<char> buffer, std::size_t added) noexcept {
  Cursor at{.bytes = buffer.first(held_size_ + added)};
  held_size_ = 0;
  while (at.in < at.bytes.size()) {
    switch (state_) {
      case State::kLineStart:
        if (const std::size_t usual = usual_size(at.rest(), bulk_bytes_max_); usual > 0) {
          at.pass(usual);
          break;
        }
        state_ = begins_bulk(at.bytes[at.in]) ? State::kHeader : State::kLine;
        break;
      case State::kHeader:
        take_header(at);
        if (held_size_ > 0) return at.out;
        break;
      case State::kLine:
        take_line(at);
        break;
      case State::kPayload:
      case State::kSkipping:
        take_payload(at);
        break;
    }
  }
  return at.out;
}

void BulkFilter::take_header(Cursor& at) noexcept {
  const std::string_view seen = at.rest().substr(0, kHeldMax);
  const std::size_t end = seen.find("\r\n");
  if (end == std::string_view::npos) {
    if (seen.size() == kHeldMax) {
      state_ = State::kLine;
      return;
    }
    held_size_ = seen.copy(held_.data(), seen.size());
    return;
  }
  const std::string_view line = seen.substr(0, end + kLineEnd);
  const auto length = length_in(line);
  if (!length) {
    state_ = State::kLine;
    return;
  }
  left_ = *length + kLineEnd;
  if (*length > bulk_bytes_max_) {
    state_ = State::kSkipping;
    at.replace(line.size(), kMark);
  } else {
    state_ = State::kPayload;
    at.pass(line.size());
  }
}

void BulkFilter::take_line(Cursor& at) noexcept {
  const std::string_view rest = at.rest();
  std::size_t end = 0;
  if (std::exchange(after_return_, false) && rest.front() == '\n') {
    end = 1;
  } else if (const std::size_t found = rest.find("\r\n"); found != std::string_view::npos) {
    end = found + kLineEnd;
  } else {
    after_return_ = rest.back() == '\r';
    at.pass(rest.size());
    return;
  }
  state_ = State::kLineStart;
  at.pass(end);
}

void BulkFilter::take_payload(Cursor& at) noexcept {
  const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(left_, at.rest().size()));
  left_ -= count;
  if (state_ == State::kPayload) {
    at.pass(count);
  } else {
    at.in += count;
  }
  if (left_ == 0) state_ = State::kLineStart;
}

}  // namespace anteroom::backend
