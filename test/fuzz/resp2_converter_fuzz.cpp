// Resp2Converter: the first byte of the input chooses the shape, the rest is a reply. It ends where ReplyScanner says,
// however it is cut, and becomes what the short and slow reference makes of it, which is one value of RESP2.
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "resp/reply_scanner.hpp"
#include "resp/resp2_converter.hpp"
#include "resp/value.hpp"
#include "support/fuzz_split.hpp"
#include "support/resp2_reference.hpp"

namespace {

using anteroom::resp::kValueDepthMax;
using anteroom::resp::parse_value;
using anteroom::resp::ReplyScanner;
using anteroom::resp::ReplyShape;
using anteroom::resp::Resp2Converter;
using Step = Resp2Converter::Step;

constexpr std::array kShapes{
    ReplyShape{},
    ReplyShape{.pairs = ReplyShape::Pairs::kFlat},
    ReplyShape{.pairs = ReplyShape::Pairs::kOfMap, .null_arrays = ReplyShape::NullArrays::kReplyAndEntries},
    ReplyShape{.null_arrays = ReplyShape::NullArrays::kReply},
    ReplyShape{.null_arrays = ReplyShape::NullArrays::kElements},
    ReplyShape{.null_arrays = ReplyShape::NullArrays::kFourthElement},
};

struct Outcome {
  Step step = Step::kNeedMore;
  std::size_t end = 0;
  std::string text{};

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

Outcome convert(const std::vector<std::string_view>& pieces, ReplyShape shape, const std::vector<ReplyShape>& queued) {
  Resp2Converter converter(shape, {.keeps_pushes = true, .depth_max = kValueDepthMax});
  converter.reset(shape, queued);
  Outcome outcome;
  for (const std::string_view piece : pieces) {
    const Resp2Converter::Result result = converter.convert(piece, outcome.text);
    ANTEROOM_CHECK(result.used <= piece.size());
    outcome.step = result.step;
    if (result.step == Step::kError) return {.step = Step::kError};
    outcome.end += result.used;
    if (result.step != Step::kNeedMore) break;
    ANTEROOM_CHECK(result.used == piece.size());
  }
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const bool is_exec = data[0] >= 128;
  const ReplyShape chosen = kShapes[data[0] % kShapes.size()];
  const std::vector<ReplyShape> queued(is_exec ? 3 : 0, chosen);
  const ReplyShape shape = is_exec ? ReplyShape{.null_arrays = ReplyShape::NullArrays::kReply} : chosen;
  const std::string_view input(reinterpret_cast<const char*>(data + 1), size - 1);

  const Outcome outcome = convert({input}, shape, queued);
  const Outcome in_pieces = convert(anteroom::test::random_pieces(input), shape, queued);
  ANTEROOM_CHECK(outcome == in_pieces);

  ReplyScanner scanner(ReplyScanner::Options{.depth_max = kValueDepthMax});
  const ReplyScanner::Result scanned = scanner.scan(input);
  const bool is_whole = scanned.step == ReplyScanner::Step::kReply || scanned.step == ReplyScanner::Step::kPush;
  if (!is_whole) {  // a bad line is seen at its end here, at its bad byte there
    ANTEROOM_CHECK(outcome.step == Step::kError || outcome.step == Step::kNeedMore);
    return 0;
  }
  // A streamed array of two is no pair; the tree does not show that it was streamed.
  if (chosen.pairs == ReplyShape::Pairs::kFlat && input.contains("*?")) return 0;
  const auto value = parse_value(input);
  ANTEROOM_CHECK(value.has_value());
  const auto expected = anteroom::test::resp2_reference(*value, shape, queued);
  ANTEROOM_CHECK(expected.has_value() == (outcome.step == Step::kReply));
  if (!expected) return 0;
  ANTEROOM_CHECK(outcome.end == scanned.used);
  // Encoded anew, because ":+1" goes through as it is.
  const auto made = parse_value(outcome.text);
  ANTEROOM_CHECK(made.has_value());
  std::string text;
  encode(*made, text);
  ANTEROOM_CHECK(text == *expected);
  return 0;
}
