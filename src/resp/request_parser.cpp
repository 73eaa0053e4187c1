#include "resp/request_parser.hpp"

#include <algorithm>
#include <cstring>

#include "base/parse_int.hpp"
#include "resp/plain_header.hpp"

namespace anteroom::resp {
namespace {

// A connection that once sent a huge command gives that memory back; up to here keeping it saves allocations.
constexpr std::size_t kArgsKept = 1024;
constexpr std::size_t kUnquotedBytesKept = 1024;
constexpr unsigned kPlainArgsMax = 64;
constexpr std::size_t kPlainBytesMax =
    kPlainHeaderBytes + kPlainArgsMax * (kPlainHeaderBytes + kPlainNumberMax + kLineEndBytes);

// Two words tell heads of these lengths apart: of GET it is 13 bytes, "*2\r\n$3\r\nGET\r\n".
constexpr std::size_t kHeadBytesMin = sizeof(std::uint64_t);
constexpr std::size_t kHeadBytesMax = 2 * sizeof(std::uint64_t);

std::uint64_t word_at(const char* from) noexcept {
  std::uint64_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

// Strangers' limits, and such as a plain command could reach, are for the states to check.
bool allow_plain(const Limits& limits) noexcept {
  return limits.is_authenticated && limits.inline_bytes_max >= kPlainHeaderBytes && limits.args_max >= kPlainArgsMax &&
         limits.bulk_bytes_max >= kPlainNumberMax && limits.command_bytes_max >= kPlainBytesMax;
}

}  // namespace

void RequestParser::set_limits(Limits limits) noexcept {
  limits_ = limits;
  takes_plain_ = allow_plain(limits);
}

Step RequestParser::next(base::ReadBuffer& in, Command& out) noexcept {
  const bool may_be_plain = state_ == State::kStart && takes_plain_ && args_.capacity() <= kArgsKept;
  if (may_be_plain && take_plain(in, out)) return Step::kCommand;
  while (true) {
    if (const Progress step = advance(in, out)) return *step;
  }
}

// Nearly every command is whole, short, and spelled as clients spell it, and then there is no state to be kept.
// Whatever is otherwise in any way, or wrong, is left where it is for the states below: only they judge, and say what
// is wrong, and give back the memory of a huge command.
bool RequestParser::take_plain(base::ReadBuffer& in, Command& out) {
  const std::string_view frame = in.readable();
  const char* at = frame.data();
  const char* const end = at + frame.size();
  const bool is_alike = begins_alike(frame);
  std::size_t read = 0;
  if (is_alike) {
    at += head_.bytes;
    args_[read++] = {at - kLineEndBytes - head_.name_bytes, head_.name_bytes};
  } else {
    const std::size_t count = plain_header('*', at, end);
    if (count < 1 || count > kPlainArgsMax) return false;
    head_.bytes = 0;
    if (args_.size() != count) args_.resize(count);
  }
  for (; read < args_.size(); ++read) {
    const std::size_t size = plain_header('$', at, end);
    if (size == kNotPlain || static_cast<std::size_t>(end - at) < size + kLineEndBytes) return false;
    if (!is_line_end(at + size)) return false;
    args_[read] = {at, size};
    at += size + kLineEndBytes;
  }
  const auto frame_bytes = static_cast<std::size_t>(at - frame.data());
  out = {.args = args_, .raw = frame.substr(0, frame_bytes), .is_alike = is_alike};
  if (!is_alike) note_head(frame);
  in.consume(frame_bytes);
  return true;
}

// Clients say the same again and again.
bool RequestParser::begins_alike(std::string_view frame) const noexcept {
  return head_.bytes != 0 && frame.size() >= head_.bytes && word_at(frame.data()) == head_.first_bytes &&
         word_at(frame.data() + head_.bytes - sizeof(std::uint64_t)) == head_.last_bytes;
}

// REQUIRES: `frame` begins with a plain command, whose arguments are args_.
void RequestParser::note_head(std::string_view frame) noexcept {
  const std::string_view name = args_.front();
  const auto bytes = static_cast<std::size_t>(name.data() - frame.data()) + name.size() + kLineEndBytes;
  if (bytes < kHeadBytesMin || bytes > kHeadBytesMax) return;
  head_ = {.first_bytes = word_at(frame.data()),
           .last_bytes = word_at(frame.data() + bytes - sizeof(std::uint64_t)),
           .bytes = static_cast<std::uint8_t>(bytes),
           .name_bytes = static_cast<std::uint8_t>(name.size())};
}

std::size_t RequestParser::peek_alike(std::string_view& bytes, std::span<std::string_view> out) const noexcept {
  constexpr std::size_t kArgs = 2;
  if (args_.size() != kArgs || !takes_plain_) return 0;
  std::size_t count = 0;
  while (count < out.size() && begins_alike(bytes)) {
    const char* at = bytes.data() + head_.bytes;
    const char* const end = bytes.data() + bytes.size();
    const std::size_t size = plain_header('$', at, end);
    if (size == kNotPlain || static_cast<std::size_t>(end - at) < size + kLineEndBytes) break;
    if (!is_line_end(at + size)) break;
    out[count++] = {at, size};
    at += size + kLineEndBytes;
    bytes = {at, end};
  }
  return count;
}

void RequestParser::take_alike(base::ReadBuffer& in, std::string_view argument, Command& out) noexcept {
  const char* const begin = in.readable().data();
  const auto frame_bytes = static_cast<std::size_t>(argument.data() + argument.size() + kLineEndBytes - begin);
  args_[0] = {begin + head_.bytes - kLineEndBytes - head_.name_bytes, head_.name_bytes};
  args_[1] = argument;
  out = {.args = args_, .raw = {begin, frame_bytes}, .is_alike = true};
  in.consume(frame_bytes);
}

RequestParser::Progress RequestParser::advance(base::ReadBuffer& in, Command& out) {
  switch (state_) {
    case State::kStart:
      return start(in.readable());
    case State::kInline:
      return read_inline(in, out);
    case State::kCount:
      return read_count(in);
    case State::kBulkLength:
      return read_bulk_length(in.readable());
    case State::kBulk:
      return read_bulk(in, out);
    case State::kFailed:
      break;
  }
  return Step::kError;
}

RequestParser::Progress RequestParser::start(std::string_view frame) {
  release_spare_memory();
  if (frame.empty()) return need(1);
  if (!parts_) parts_ = std::make_unique<Parts>();
  parts_->slices.clear();
  line_ = at_ = 0;
  has_strict_line_ends_ = true;
  state_ = frame.front() == '*' ? State::kCount : State::kInline;
  return std::nullopt;
}

RequestParser::Progress RequestParser::read_inline(base::ReadBuffer& in, Command& out) {
  const std::string_view frame = in.readable();
  switch (find_in_line(frame, '\n')) {
    case Line::kFound:
      break;
    case Line::kNeedMore:
      return need(1);
    case Line::kTooLong:
      return fail("too big inline request");
  }
  std::string_view line = frame.substr(0, at_);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (!split_inline(line, parts_->unquoted, parts_->slices)) return fail("unbalanced quotes in request");
  in.consume(at_ + 1);
  state_ = State::kStart;
  if (parts_->slices.empty()) return std::nullopt;
  publish(parts_->unquoted.data(), out);
  out.raw = {};
  return Step::kCommand;
}

RequestParser::Progress RequestParser::read_count(base::ReadBuffer& in) {
  const std::string_view frame = in.readable();
  switch (find_header_end(frame)) {
    case Line::kFound:
      break;
    case Line::kNeedMore:
      return need(1);
    case Line::kTooLong:
      return fail("too big mbulk count string");
  }
  const auto count = base::parse_int(frame.substr(1, at_ - 1));
  if (!count || *count > limits_.args_max) return fail("invalid multibulk length");
  if (!limits_.is_authenticated && *count > limits_.unauthenticated_args_max) {
    return fail("unauthenticated multibulk length");
  }
  line_ = at_ += kLineEndBytes;
  if (*count <= 0) {
    in.consume(at_);
    state_ = State::kStart;
    return std::nullopt;
  }
  args_missing_ = static_cast<std::size_t>(*count);
  state_ = State::kBulkLength;
  return std::nullopt;
}

RequestParser::Progress RequestParser::read_bulk_length(std::string_view frame) {
  switch (find_header_end(frame)) {
    case Line::kFound:
      break;
    case Line::kNeedMore:
      return need(1);
    case Line::kTooLong:
      return fail("too big bulk count string");
  }
  if (const char type = frame[line_]; type != '$') {
    // Redis replaces line ends in its error texts by spaces.
    const char shown = type == '\r' || type == '\n' ? ' ' : type;
    return fail(std::string("expected '$', got '") + shown + '\'');
  }
  const auto size = base::parse_int(frame.substr(line_ + 1, at_ - line_ - 1), 0, limits_.bulk_bytes_max);
  if (!size) return fail("invalid bulk length");
  if (!limits_.is_authenticated && *size > limits_.unauthenticated_bulk_bytes_max) {
    return fail("unauthenticated bulk length");
  }
  at_ += kLineEndBytes;
  bulk_size_ = static_cast<std::size_t>(*size);
  // Redis closes without a word when its query buffer outgrows the limit; a client is better told.
  if (at_ + bulk_size_ + kLineEndBytes > limits_.command_bytes_max) return fail("too big request");
  state_ = State::kBulk;
  return std::nullopt;
}

RequestParser::Progress RequestParser::read_bulk(base::ReadBuffer& in, Command& out) {
  const std::string_view frame = in.readable();
  const std::size_t data_end = at_ + bulk_size_;
  const std::size_t end = data_end + kLineEndBytes;
  if (frame.size() < end) return need(end - frame.size());
  if (frame[data_end] != '\r' || frame[data_end + 1] != '\n') has_strict_line_ends_ = false;
  parts_->slices.push_back({at_, bulk_size_});
  line_ = at_ = end;
  if (--args_missing_ > 0) {
    state_ = State::kBulkLength;
    return std::nullopt;
  }
  publish(frame.data(), out);
  out.raw = has_strict_line_ends_ ? frame.substr(0, end) : std::string_view{};
  in.consume(end);
  state_ = State::kStart;
  return Step::kCommand;
}

// Redis searches with strchr, which a NUL stops for good: such a line has no end and can only become too long.
RequestParser::Line RequestParser::find_in_line(std::string_view frame, char wanted) noexcept {
  const std::size_t end = std::min(frame.size(), line_ + limits_.inline_bytes_max + 1);
  while (at_ < end && frame[at_] != wanted && frame[at_] != '\0') ++at_;
  if (at_ < end && frame[at_] == wanted) return Line::kFound;
  return frame.size() - line_ > limits_.inline_bytes_max ? Line::kTooLong : Line::kNeedMore;
}

RequestParser::Line RequestParser::find_header_end(std::string_view frame) noexcept {
  const Line found = find_in_line(frame, '\r');
  if (found != Line::kFound) return found;
  if (frame.size() - at_ < kLineEndBytes) return Line::kNeedMore;
  if (frame[at_ + 1] != '\n') has_strict_line_ends_ = false;
  return Line::kFound;
}

void RequestParser::publish(const char* bytes, Command& out) {
  args_.clear();
  for (const Slice& slice : parts_->slices) args_.emplace_back(bytes + slice.begin, slice.size);
  out.args = args_;
  out.is_alike = false;
  head_.bytes = 0;
}

void RequestParser::release_spare_memory() {
  if (args_.capacity() > kArgsKept) {
    std::vector<std::string_view>().swap(args_);
    head_.bytes = 0;  // nothing is alike to a command whose number of arguments is forgotten
  }
  if (parts_ && (parts_->slices.capacity() > kArgsKept || parts_->unquoted.capacity() > kUnquotedBytesKept)) {
    parts_.reset();
  }
}

Step RequestParser::need(std::size_t bytes) noexcept {
  missing_bytes_ = bytes;
  return Step::kNeedMore;
}

Step RequestParser::fail(std::string_view text) {
  state_ = State::kFailed;
  parts_->error = "ERR Protocol error: ";
  parts_->error += text;
  return Step::kError;
}

}  // namespace anteroom::resp
