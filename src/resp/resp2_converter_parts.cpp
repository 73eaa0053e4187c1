// What becomes of the parts of a reply: numbers, strings, aggregates. How they are found is in resp2_converter.cpp.
#include "resp/resp2_converter.hpp"

#include "base/parse_int.hpp"
#include "resp/framing.hpp"

namespace anteroom::resp {
namespace {

// ReplyScanner's limit.
constexpr std::int64_t kStringBytesMax = std::int64_t{1} << 62;

// Streams, entries, an entry, and its null in place of fields.
constexpr std::size_t kEntryFieldsDepth = 3;

std::string header(char type, std::int64_t count) {
  std::string line(1, type);
  append_number(line, count);
  line += kLineEnd;
  return line;
}

bool is_legal_line(char type, std::string_view text) noexcept {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (!is_legal_text_byte(type, text[i], i)) return false;
  }
  return is_legal_text(type, text.substr(0, kNumberBytesMax), text.size());
}

}  // namespace

Resp2Converter::Verdict Resp2Converter::end_number(Feed& feed, char type, std::string_view text) {
  if (!is_legal_line(type, text)) return Verdict::kBad;
  if (type == ':') {
    pass_line(feed);
  } else if (type == '#') {
    replace_line(feed, text == "t" ? ":1\r\n" : ":0\r\n");
  } else {
    replace_line(feed, header('$', static_cast<std::int64_t>(text.size())));
    emit(feed, text);
    emit(feed, kLineEnd);
  }
  return Verdict::kElementDone;
}

Resp2Converter::Verdict Resp2Converter::end_length(Feed& feed, char type, std::string_view text) {
  if (text == "?") return begin_streamed(feed, type);
  if (text == "-1" && (type == '$' || type == '*')) {
    pass_line(feed);
    return Verdict::kElementDone;
  }
  const bool is_string = type == '$' || type == '!' || type == '=';
  const auto length = base::parse_int(text, 0, is_string ? kStringBytesMax : kAggregateCountMax);
  if (!length) return Verdict::kBad;
  return is_string ? begin_string(feed, type, *length) : begin_aggregate(feed, type, *length);
}

Resp2Converter::Verdict Resp2Converter::end_chunk_length(Feed& feed, std::string_view text) {
  const auto length = base::parse_int(text, 0, kStringBytesMax);
  if (!length) return Verdict::kBad;
  replace_line(feed, "");
  if (*length > 0) {
    data_missing_ = *length;
    state_ = State::kData;
    return Verdict::kGoOn;
  }
  is_streamed_string_ = false;
  end_held(feed, streamed_string_begin_, '$', static_cast<std::int64_t>(held_.size() - streamed_string_begin_));
  emit(feed, kLineEnd);
  return Verdict::kElementDone;
}

Resp2Converter::Verdict Resp2Converter::begin_string(Feed& feed, char type, std::int64_t size) {
  data_missing_ = size;
  state_ = size > 0 ? State::kData : State::kDataReturn;
  if (type == '$') {
    pass_line(feed);
  } else if (type == '!') {
    replace_line(feed, "-");
    is_error_text_ = true;
  } else {
    if (size < kVerbatimPrefixBytes) return Verdict::kBad;
    data_missing_ -= kVerbatimPrefixBytes;
    prefix_missing_ = kVerbatimPrefixBytes;
    state_ = State::kVerbatimPrefix;
    replace_line(feed, header('$', data_missing_));
  }
  return Verdict::kGoOn;
}

Resp2Converter::Verdict Resp2Converter::begin_aggregate(Feed& feed, char type, std::int64_t count) {
  const bool is_map = type == '%' || type == '|';
  Level level{.missing = is_map ? 2 * count : count, .kind = Kind::kPlain, .is_map = is_map};
  if (type == '|' || (type == '>' && !options_.keeps_pushes)) {
    replace_line(feed, "");
    level.kind = type == '|' ? Kind::kAttribute : Kind::kDroppedPush;
  } else if (type == '%' && is_root() && shape_.pairs == ReplyShape::Pairs::kOfMap) {
    replace_line(feed, header('*', count));
    level.kind = Kind::kPairsOfMap;
  } else if (type == '*' && count > 0 && is_root() && shape_.pairs == ReplyShape::Pairs::kFlat) {
    replace_line(feed, "");
    level.kind = Kind::kMaybeFlat;
  } else if (type == '*') {
    pass_line(feed);
  } else {
    replace_line(feed, header('*', level.missing));
  }
  if (type == '>' && count == 0) return Verdict::kBad;
  if (count > 0) return push_level(level);
  owes_element_ = type == '|';
  return owes_element_ ? Verdict::kGoOn : Verdict::kElementDone;
}

// Its header goes, its two elements become elements of the array around it.
Resp2Converter::Verdict Resp2Converter::begin_pair(Feed& feed) {
  replace_line(feed, "");
  return push_level({.missing = 2, .kind = Kind::kPlain});
}

Resp2Converter::Verdict Resp2Converter::begin_streamed(Feed& feed, char type) {
  if (!std::string_view("$*~%").contains(type)) return Verdict::kBad;
  replace_line(feed, "");
  ++held_parts_;
  if (type == '$') {
    is_streamed_string_ = true;
    streamed_string_begin_ = held_.size();
    return Verdict::kGoOn;
  }
  Level level{.missing = kStreamed, .kind = Kind::kPlain, .is_map = type == '%', .held_begin = held_.size()};
  if (type == '%' && is_root() && shape_.pairs == ReplyShape::Pairs::kOfMap) level.kind = Kind::kPairsOfMap;
  if (type == '*' && is_root() && shape_.pairs == ReplyShape::Pairs::kFlat) level.kind = Kind::kMaybeFlat;
  return push_level(level);
}

Resp2Converter::Verdict Resp2Converter::end_streamed(Feed& feed) {
  replace_line(feed, "");
  const Level level = levels_.back();
  levels_.pop_back();
  std::int64_t count = level.seen;
  if (level.kind == Kind::kFlat) count *= 2;
  if (level.kind == Kind::kPairsOfMap) count /= 2;
  end_held(feed, level.held_begin, '*', count);
  return Verdict::kElementDone;
}

// What is held from `begin` on gets its header; the outermost part goes out.
void Resp2Converter::end_held(Feed& feed, std::size_t begin, char type, std::int64_t count) {
  --held_parts_;
  if (dropped_levels_ > 0) return;
  held_.insert(begin, header(type, count));
  if (held_parts_ > 0) return;
  emit(feed, held_);
  held_.clear();
}

// The first element has told whether the array's elements are pairs.
void Resp2Converter::settle_header(Feed& feed, std::size_t element_begin, bool is_flat) {
  Level& top = levels_.back();
  top.kind = is_flat ? Kind::kFlat : Kind::kPlain;
  if (top.missing == kStreamed) return;
  flush(feed, element_begin);
  emit(feed, header('*', is_flat ? 2 * top.missing : top.missing));
}

Resp2Converter::Verdict Resp2Converter::push_level(Level level) {
  if (levels_.size() >= options_.depth_max) return Verdict::kBad;
  levels_.push_back(level);
  if (level.kind == Kind::kAttribute || level.kind == Kind::kDroppedPush) ++dropped_levels_;
  return Verdict::kGoOn;
}

bool Resp2Converter::is_null_array() const noexcept {
  const std::size_t depth = levels_.size() - root_;
  switch (shape_.null_arrays) {
    case ReplyShape::NullArrays::kNone:
      return false;
    case ReplyShape::NullArrays::kReply:
      return depth == 0;
    case ReplyShape::NullArrays::kElements:
      return depth == 1;
    case ReplyShape::NullArrays::kFourthElement:
      return depth == 1 && levels_.back().seen == 3;
    case ReplyShape::NullArrays::kReplyAndEntries:
      return depth == 0 || depth == kEntryFieldsDepth;
  }
  return false;
}

}  // namespace anteroom::resp
