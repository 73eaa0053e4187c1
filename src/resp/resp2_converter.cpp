// How the parts of a reply are found. What becomes of them is in resp2_converter_parts.cpp.
#include "resp/resp2_converter.hpp"

#include <algorithm>
#include <utility>

#include "base/ascii.hpp"
#include "resp/framing.hpp"

namespace anteroom::resp {
namespace {

// Kept for the next reply; more is given back, so that one odd reply does not cost memory for ever.
constexpr std::size_t kLevelsKept = 64;
constexpr std::size_t kHeldBytesKept = 4096;

// "$123456789\r\n" is read without a search for its end; a longer string takes long anyway.
constexpr std::size_t kQuickDigitsMax = 9;

constexpr bool is_number(char type) noexcept { return type == ',' || type == '('; }

/// Of the bulk string at the start of `bytes`, with its framing; 0 if it is not here whole, or is better looked at
/// closely.
std::size_t whole_string_size(std::string_view bytes) noexcept {
  if (bytes.empty() || bytes.front() != '$') return 0;
  std::size_t length = 0;
  std::size_t i = 1;
  for (; i < bytes.size() && i <= kQuickDigitsMax && base::is_digit(bytes[i]); ++i) {
    length = length * 10 + static_cast<std::size_t>(bytes[i] - '0');
  }
  const std::size_t size = i + kLineEnd.size() + length + kLineEnd.size();
  const bool is_canonical = i > 1 && (bytes[1] != '0' || i == 2);
  if (!is_canonical || bytes.size() < size) return 0;
  const bool is_framed = bytes[i] == '\r' && bytes[i + 1] == '\n' && bytes[size - 2] == '\r' && bytes[size - 1] == '\n';
  return is_framed ? size : 0;
}

}  // namespace

void Resp2Converter::reset(ReplyShape shape, std::vector<ReplyShape> queued) {
  const Options options = options_;
  std::vector<Level> levels = std::move(levels_);
  levels.clear();
  *this = Resp2Converter(shape, options);
  levels_ = std::move(levels);
  queued_ = std::move(queued);
}

Resp2Converter::Result Resp2Converter::convert(std::string_view bytes, base::ByteQueue& out) {
  Feed feed{.bytes = bytes, .queue = &out, .text = nullptr};
  return convert(feed);
}

Resp2Converter::Result Resp2Converter::convert(std::string_view bytes, std::string& out) {
  Feed feed{.bytes = bytes, .queue = nullptr, .text = &out};
  return convert(feed);
}

Resp2Converter::Result Resp2Converter::convert(Feed& feed) {
  while (state_ != State::kFailed && state_ != State::kDone && feed.at < feed.bytes.size()) {
    const Verdict verdict = take(feed);
    if (verdict == Verdict::kBad || is_held_too_large_) {
      state_ = State::kFailed;
    } else if (verdict == Verdict::kElementDone && close_levels(feed)) {
      state_ = State::kDone;
    }
  }
  if (state_ == State::kFailed) return {Step::kError, feed.at};
  flush(feed, feed.at);
  if (is_held_too_large_) {
    state_ = State::kFailed;
    return {Step::kError, feed.at};
  }
  if (state_ != State::kDone) return {Step::kNeedMore, feed.at};
  end_reply();
  return {is_push_dropped_ ? Step::kDroppedPush : Step::kReply, feed.at};
}

Resp2Converter::Verdict Resp2Converter::take(Feed& feed) {
  switch (state_) {
    case State::kType:
      if (pass_whole_strings(feed) == Verdict::kElementDone) return Verdict::kElementDone;
      return feed.at < feed.bytes.size() ? take_type(feed) : Verdict::kGoOn;
    case State::kText:
      return take_text(feed);
    case State::kLine:
      return take_line(feed);
    case State::kVerbatimPrefix:
      return skip_verbatim_prefix(feed);
    case State::kData:
      return take_data(feed);
    case State::kDataReturn:
    case State::kDataLineFeed:
    case State::kTextLineFeed:
      return take_line_end(feed);
    case State::kDone:
    case State::kFailed:
      break;
  }
  return Verdict::kBad;
}

// The common case of most replies and of all elements of large ones: strings that are here whole. What they are
// elements of is closed by the caller.
Resp2Converter::Verdict Resp2Converter::pass_whole_strings(Feed& feed) {
  const bool is_plain = levels_.empty() || levels_.back().kind == Kind::kPlain;
  if (!is_plain || is_streamed_string_ || owes_element_) return Verdict::kGoOn;
  while (const std::size_t size = whole_string_size(feed.bytes.substr(feed.at))) {
    feed.at += size;
    if (levels_.empty() || levels_.back().missing == 1 || levels_.back().missing == kStreamed) {
      return Verdict::kElementDone;
    }
    ++levels_.back().seen;
    --levels_.back().missing;
  }
  return Verdict::kGoOn;
}

Resp2Converter::Verdict Resp2Converter::take_type(Feed& feed) {
  const char type = feed.bytes[feed.at];
  state_ = State::kLine;
  if (is_streamed_string_) return type == ';' ? Verdict::kGoOn : Verdict::kBad;
  switch (type) {
    case '.': {
      const bool may_end = !levels_.empty() && levels_.back().missing == kStreamed;
      const bool lacks_value = may_end && levels_.back().is_map && levels_.back().seen % 2 != 0;
      return may_end && !lacks_value && !owes_element_ ? Verdict::kGoOn : Verdict::kBad;
    }
    case '|':
      return Verdict::kGoOn;
    case '>':
      // A push stands between replies, never inside one.
      return levels_.empty() ? begin_element(feed, type) : Verdict::kBad;
    default:
      return std::string_view("+-_:#,($!=*%~").contains(type) ? begin_element(feed, type) : Verdict::kBad;
  }
}

Resp2Converter::Verdict Resp2Converter::begin_element(Feed& feed, char type) {
  owes_element_ = false;
  if (!levels_.empty()) {
    const Level& parent = levels_.back();
    if (parent.kind == Kind::kPairsOfMap && parent.seen % 2 == 0) {
      flush(feed, feed.at);
      emit(feed, "*2\r\n");
    }
    if (!queued_.empty() && levels_.size() == 1 && dropped_levels_ == 0) {
      const auto index = static_cast<std::size_t>(parent.seen);
      shape_ = index < queued_.size() ? queued_[index] : ReplyShape{};
      root_ = 1;
    }
  }
  if (type != '+' && type != '-') return Verdict::kGoOn;
  if (!levels_.empty() && levels_.back().kind == Kind::kMaybeFlat) settle_header(feed, feed.at, false);
  if (!levels_.empty() && levels_.back().kind == Kind::kFlat) return Verdict::kBad;
  ++feed.at;
  state_ = State::kText;
  return Verdict::kGoOn;
}

Resp2Converter::Verdict Resp2Converter::take_text(Feed& feed) {
  const std::size_t end = std::min(feed.bytes.find_first_of(kLineEnd, feed.at), feed.bytes.size());
  feed.at = end;
  if (end == feed.bytes.size()) return Verdict::kGoOn;
  if (feed.bytes[end] == '\n') return Verdict::kBad;
  ++feed.at;
  state_ = State::kTextLineFeed;
  return Verdict::kGoOn;
}

Resp2Converter::Verdict Resp2Converter::take_line(Feed& feed) {
  const std::size_t begin = feed.at;
  const std::size_t line_feed = feed.bytes.find('\n', begin);
  const bool is_whole = line_feed != std::string_view::npos;
  const std::size_t end = is_whole ? line_feed + 1 : feed.bytes.size();
  const std::string_view part = feed.bytes.substr(begin, end - begin);
  const char type = line_.empty() ? part.front() : line_.front();
  const std::size_t size_max = is_number(type) ? options_.held_bytes_max : 1 + kNumberBytesMax + kLineEnd.size();
  if (line_.size() + part.size() > size_max) return Verdict::kBad;
  feed.is_line_here = is_whole && line_.empty();
  if (!feed.is_line_here) {
    flush(feed, begin);
    line_ += part;
    feed.run = end;
  }
  feed.at = end;
  if (!is_whole) return Verdict::kGoOn;

  feed.line_begin = begin;
  const std::string_view line = feed.is_line_here ? part : std::string_view(line_);
  if (!line.ends_with(kLineEnd)) return Verdict::kBad;
  state_ = State::kType;
  const Verdict verdict = end_line(feed, line.substr(0, line.size() - kLineEnd.size()));
  line_.clear();
  return verdict;
}

Resp2Converter::Verdict Resp2Converter::end_line(Feed& feed, std::string_view line) {
  const char type = line.front();
  const std::string_view text = line.substr(1);
  if (type == ';') return end_chunk_length(feed, text);
  if (type == '.') return text.empty() ? end_streamed(feed) : Verdict::kBad;
  if (type != '|' && !levels_.empty()) {
    const std::size_t begin = feed.is_line_here ? feed.line_begin : feed.at;
    if (levels_.back().kind == Kind::kMaybeFlat) settle_header(feed, begin, line == "*2");
    if (levels_.back().kind == Kind::kFlat) return line == "*2" ? begin_pair(feed) : Verdict::kBad;
  }
  switch (type) {
    case '_':
      replace_line(feed, is_null_array() ? "*-1\r\n" : "$-1\r\n");
      return text.empty() ? Verdict::kElementDone : Verdict::kBad;
    case ':':
    case '#':
    case ',':
    case '(':
      return end_number(feed, type, text);
    default:
      return end_length(feed, type, text);
  }
}

Resp2Converter::Verdict Resp2Converter::skip_verbatim_prefix(Feed& feed) {
  const char c = feed.bytes[feed.at++];
  feed.run = feed.at;
  if (--prefix_missing_ > 0) return Verdict::kGoOn;
  state_ = data_missing_ > 0 ? State::kData : State::kDataReturn;
  return c == ':' ? Verdict::kGoOn : Verdict::kBad;
}

Resp2Converter::Verdict Resp2Converter::take_data(Feed& feed) {
  const auto left = static_cast<std::int64_t>(feed.bytes.size() - feed.at);
  const auto step = static_cast<std::size_t>(std::min(data_missing_, left));
  if (is_error_text_) {
    std::string text(feed.bytes.substr(feed.at, step));
    std::ranges::replace_if(text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
    flush(feed, feed.at);
    emit(feed, text);
    feed.run += step;
  }
  feed.at += step;
  data_missing_ -= static_cast<std::int64_t>(step);
  if (data_missing_ == 0) state_ = State::kDataReturn;
  return Verdict::kGoOn;
}

Resp2Converter::Verdict Resp2Converter::take_line_end(Feed& feed) {
  const bool is_return = state_ == State::kDataReturn;
  const bool is_text = state_ == State::kTextLineFeed;
  if (feed.bytes[feed.at] != (is_return ? '\r' : '\n')) return Verdict::kBad;
  if (is_streamed_string_) {  // the line end of a chunk is none of the string
    flush(feed, feed.at);
    ++feed.run;
  }
  ++feed.at;
  if (is_return) {
    state_ = State::kDataLineFeed;
    return Verdict::kGoOn;
  }
  state_ = State::kType;
  is_error_text_ = false;
  return is_streamed_string_ && !is_text ? Verdict::kGoOn : Verdict::kElementDone;
}

bool Resp2Converter::close_levels(Feed& feed) {
  state_ = State::kType;
  while (!levels_.empty()) {
    Level& top = levels_.back();
    ++top.seen;
    if (top.missing == kStreamed) return false;
    if (--top.missing > 0) return false;
    const Kind kind = top.kind;
    levels_.pop_back();
    if (kind == Kind::kAttribute || kind == Kind::kDroppedPush) {
      --dropped_levels_;
      feed.run = feed.at;
    }
    if (kind == Kind::kAttribute) {
      owes_element_ = true;  // an attribute is no element itself: it belongs to the one that follows
      return false;
    }
    is_push_dropped_ = kind == Kind::kDroppedPush;
  }
  return true;
}

void Resp2Converter::end_reply() {
  if (levels_.capacity() > kLevelsKept) std::vector<Level>().swap(levels_);
  if (held_.capacity() > kHeldBytesKept) std::string().swap(held_);
  if (line_.capacity() > kHeldBytesKept) std::string().swap(line_);
}

void Resp2Converter::pass_line(Feed& feed) {
  if (!feed.is_line_here) emit(feed, line_);
}

void Resp2Converter::replace_line(Feed& feed, std::string_view text) {
  if (feed.is_line_here) flush(feed, feed.line_begin);
  emit(feed, text);
  feed.run = feed.at;
}

void Resp2Converter::flush(Feed& feed, std::size_t end) {
  if (end > feed.run) emit(feed, feed.bytes.substr(feed.run, end - feed.run));
  feed.run = end;
}

void Resp2Converter::emit(Feed& feed, std::string_view text) {
  if (text.empty() || dropped_levels_ > 0) return;
  if (held_parts_ > 0) {
    is_held_too_large_ |= held_.size() + text.size() > options_.held_bytes_max;
    if (!is_held_too_large_) held_ += text;
  } else if (feed.queue != nullptr) {
    feed.queue->append(text);
  } else {
    feed.text->append(text);
  }
}

}  // namespace anteroom::resp
