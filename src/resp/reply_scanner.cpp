#include "resp/reply_scanner.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "base/parse_int.hpp"
#include "resp/plain_header.hpp"

namespace anteroom::resp {
namespace {

// Levels kept for the next reply; a script's very deep one gives its memory back.
constexpr std::size_t kLevelsKept = 64;

constexpr std::string_view kOk = "+OK\r\n";

constexpr bool has_length(char type) noexcept { return std::string_view("$!=*%~>|").contains(type); }
constexpr bool has_text(char type) noexcept { return std::string_view("+-:,#(").contains(type); }

}  // namespace

ReplyScanner::Result ReplyScanner::scan(std::string_view bytes) noexcept {
  if (state_ == State::kType && !is_inside_) {
    if (const std::size_t size = plain_reply(bytes); size > 0) {
      type_ = bytes.front();
      return {Step::kReply, size};
    }
  }
  std::size_t at = 0;
  while (at < bytes.size() && state_ != State::kFailed) {
    if (state_ == State::kData) {
      skip_data(bytes, at);
      continue;
    }
    const Verdict verdict = take(bytes[at]);
    if (verdict == Verdict::kBad) {
      state_ = State::kFailed;
      break;
    }
    ++at;
    if (verdict == Verdict::kElementDone && close_levels()) {
      end_reply();
      return {type_ == '>' ? Step::kPush : Step::kReply, at};
    }
  }
  return {state_ == State::kFailed ? Step::kError : Step::kNeedMore, at};
}

// The size of the reply that `bytes` begin with, if it is one of those that nearly all are, and whole; else 0. Only the
// states judge what is wrong.
std::size_t ReplyScanner::plain_reply(std::string_view bytes) const noexcept {
  if (bytes.starts_with(kOk) && options_.line_bytes_max >= kOk.size()) return kOk.size();
  const char* at = bytes.data();
  const char* const end = at + bytes.size();
  const std::size_t size = plain_header('$', at, end);
  if (size == kNotPlain || static_cast<std::size_t>(end - at) < size + kLineEndBytes || !is_line_end(at + size))
    return 0;
  const bool is_allowed = static_cast<std::int64_t>(size) <= options_.bulk_bytes_max;
  return is_allowed ? static_cast<std::size_t>(at - bytes.data()) + size + kLineEndBytes : 0;
}

ReplyScanner::Verdict ReplyScanner::take(char c) noexcept {
  const auto expect = [&](char wanted, State next) {
    if (c != wanted) return Verdict::kBad;
    state_ = next;
    return Verdict::kGoOn;
  };
  switch (state_) {
    case State::kType:
      return take_type(c);
    case State::kText:
      return take_text(c);
    case State::kLength:
      return take_length(c);
    case State::kChunkType:
      text_bytes_ = 0;
      return expect(';', State::kLength);
    case State::kEmptyLine:
      return expect('\r', State::kLineFeed);
    case State::kLineFeed:
      return c == '\n' ? end_line() : Verdict::kBad;
    case State::kDataReturn:
      return expect('\r', State::kDataLineFeed);
    case State::kDataLineFeed:
      return c == '\n' ? end_data() : Verdict::kBad;
    case State::kData:
    case State::kFailed:
      break;
  }
  return Verdict::kBad;
}

ReplyScanner::Verdict ReplyScanner::take_type(char c) noexcept {
  if (c == '>' && !levels_.empty()) return Verdict::kBad;  // a push stands between replies, never inside one
  if (c == '.') {
    const bool may_end = !levels_.empty() && levels_.back().missing == kStreamed && !levels_.back().is_odd;
    if (!may_end || owes_element_) return Verdict::kBad;
    state_ = State::kEmptyLine;
  } else if (c == '_') {
    state_ = State::kEmptyLine;
  } else if (has_text(c)) {
    state_ = State::kText;
  } else if (has_length(c)) {
    state_ = State::kLength;
  } else {
    return Verdict::kBad;
  }
  if (!is_inside_) type_ = '\0';
  if (levels_.empty() && c != '|') type_ = c;
  is_inside_ = true;
  owes_element_ = false;
  element_ = c;
  text_bytes_ = 0;
  return Verdict::kGoOn;
}

ReplyScanner::Verdict ReplyScanner::take_text(char c) noexcept {
  if (c == '\r') {
    const std::string_view head{number_.data(), std::min(text_bytes_, kNumberBytesMax)};
    if (!is_legal_text(element_, head, text_bytes_)) return Verdict::kBad;
    state_ = State::kLineFeed;
    return Verdict::kGoOn;
  }
  if (c == '\n' || text_bytes_ >= options_.line_bytes_max || !is_legal_text_byte(element_, c, text_bytes_)) {
    return Verdict::kBad;
  }
  if (text_bytes_ < kNumberBytesMax) number_[text_bytes_] = c;
  ++text_bytes_;
  return Verdict::kGoOn;
}

ReplyScanner::Verdict ReplyScanner::take_length(char c) noexcept {
  if (c == '\r') {
    state_ = State::kLineFeed;
    return Verdict::kGoOn;
  }
  const bool is_legal = base::is_digit(c) || (text_bytes_ == 0 && (c == '-' || c == '?'));
  if (!is_legal || text_bytes_ == kNumberBytesMax) return Verdict::kBad;
  number_[text_bytes_++] = c;
  return Verdict::kGoOn;
}

ReplyScanner::Verdict ReplyScanner::end_line() noexcept {
  if (element_ == '.') levels_.pop_back();
  if (!has_length(element_)) return Verdict::kElementDone;
  return is_streamed_string_ ? end_chunk_length() : end_length();
}

ReplyScanner::Verdict ReplyScanner::end_length() noexcept {
  const std::string_view text{number_.data(), text_bytes_};
  if (text == "?") return begin_streamed();
  if (text == "-1" && (element_ == '$' || element_ == '*')) return Verdict::kElementDone;
  const auto length = base::parse_int(text);
  if (!length || *length < 0) return Verdict::kBad;
  switch (element_) {
    case '$':
    case '!':
      return begin_data(*length);
    case '=':
      return *length < kVerbatimPrefixBytes ? Verdict::kBad : begin_data(*length);
    case '>':
      return *length == 0 ? Verdict::kBad : begin_aggregate(*length);
    default:
      return begin_aggregate(*length);
  }
}

ReplyScanner::Verdict ReplyScanner::end_chunk_length() noexcept {
  const auto length = base::parse_int({number_.data(), text_bytes_});
  if (!length || *length < 0) return Verdict::kBad;
  if (*length > 0) return begin_data(*length);
  is_streamed_string_ = false;
  return Verdict::kElementDone;
}

ReplyScanner::Verdict ReplyScanner::begin_streamed() noexcept {
  switch (element_) {
    case '$':
      is_streamed_string_ = true;
      state_ = State::kChunkType;
      return Verdict::kGoOn;
    case '*':
    case '~':
      return push_level({.missing = kStreamed, .kind = Kind::kSequence});
    case '%':
      return push_level({.missing = kStreamed, .kind = Kind::kPairs});
    default:
      return Verdict::kBad;
  }
}

ReplyScanner::Verdict ReplyScanner::begin_aggregate(std::int64_t count) noexcept {
  if (count > options_.aggregate_count_max) return Verdict::kBad;
  if (count > 0) {
    switch (element_) {
      case '|':
        return push_level({.missing = 2 * count, .kind = Kind::kAttribute});
      case '%':
        return push_level({.missing = 2 * count, .kind = Kind::kPairs});
      default:
        return push_level({.missing = count, .kind = Kind::kSequence});
    }
  }
  if (element_ != '|') return Verdict::kElementDone;
  owes_element_ = true;
  state_ = State::kType;
  return Verdict::kGoOn;
}

ReplyScanner::Verdict ReplyScanner::push_level(Level level) noexcept {
  if (levels_.size() >= options_.depth_max) return Verdict::kBad;
  levels_.push_back(level);
  state_ = State::kType;
  return Verdict::kGoOn;
}

ReplyScanner::Verdict ReplyScanner::begin_data(std::int64_t size) noexcept {
  if (size > options_.bulk_bytes_max) return Verdict::kBad;
  data_missing_ = size;
  data_seen_ = 0;
  state_ = size > 0 ? State::kData : State::kDataReturn;
  return Verdict::kGoOn;
}

void ReplyScanner::skip_data(std::string_view bytes, std::size_t& at) noexcept {
  const std::int64_t step = std::min(data_missing_, static_cast<std::int64_t>(bytes.size() - at));
  constexpr std::int64_t kColon = kVerbatimPrefixBytes - 1;
  if (element_ == '=' && data_seen_ <= kColon && kColon < data_seen_ + step) {
    const std::size_t colon = at + static_cast<std::size_t>(kColon - data_seen_);
    if (bytes[colon] != ':') {
      at = colon;
      state_ = State::kFailed;
      return;
    }
  }
  data_seen_ += step;
  data_missing_ -= step;
  at += static_cast<std::size_t>(step);
  if (data_missing_ == 0) state_ = State::kDataReturn;
}

ReplyScanner::Verdict ReplyScanner::end_data() noexcept {
  if (!is_streamed_string_) return Verdict::kElementDone;
  state_ = State::kChunkType;
  return Verdict::kGoOn;
}

bool ReplyScanner::close_levels() noexcept {
  state_ = State::kType;
  while (!levels_.empty()) {
    Level& top = levels_.back();
    if (top.missing == kStreamed) {
      if (top.kind == Kind::kPairs) top.is_odd = !top.is_odd;
      return false;
    }
    if (--top.missing > 0) return false;
    const Kind kind = top.kind;
    levels_.pop_back();
    if (kind == Kind::kAttribute) {
      owes_element_ = true;  // an attribute is no element itself: it belongs to the one that follows
      return false;
    }
  }
  return true;
}

void ReplyScanner::end_reply() noexcept {
  is_inside_ = false;
  if (levels_.capacity() > kLevelsKept) std::vector<Level>().swap(levels_);
}

}  // namespace anteroom::resp
