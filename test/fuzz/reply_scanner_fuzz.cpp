// ReplyScanner: the same ends however the bytes are cut, and the same verdict as parse_value, which is written
// otherwise.
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "resp/reply_scanner.hpp"
#include "resp/value.hpp"
#include "support/fuzz_split.hpp"

namespace {

using anteroom::resp::kValueDepthMax;
using anteroom::resp::parse_value;
using anteroom::resp::ParseError;
using anteroom::resp::ReplyScanner;
using Step = ReplyScanner::Step;

struct Event {
  Step step;
  char type;
  std::size_t end;  // from the start of the input

  friend bool operator==(const Event&, const Event&) = default;
};

std::vector<Event> scan(const std::vector<std::string_view>& pieces, const ReplyScanner::Options& options) {
  ReplyScanner scanner(options);
  std::vector<Event> events;
  std::size_t end = 0;
  for (std::string_view piece : pieces) {
    while (!piece.empty()) {
      const ReplyScanner::Result result = scanner.scan(piece);
      ANTEROOM_CHECK(result.used <= piece.size());
      ANTEROOM_CHECK(result.step == Step::kError || result.used > 0);
      ANTEROOM_CHECK(result.step != Step::kNeedMore || result.used == piece.size());
      end += result.used;
      piece.remove_prefix(result.used);
      if (result.step == Step::kNeedMore) continue;
      events.push_back({result.step, scanner.type(), end});
      if (result.step == Step::kError) return events;
    }
  }
  return events;
}

void compare_with_parser(std::string_view input, const std::vector<Event>& events) {
  std::size_t begin = 0;
  for (const Event& event : events) {
    std::size_t used = 0;
    const auto value = parse_value(input.substr(begin), &used);
    ANTEROOM_CHECK(value.has_value() == (event.step != Step::kError));
    if (!value) return;
    ANTEROOM_CHECK(begin + used == event.end);
    begin = event.end;
  }
  if (begin == input.size()) return;
  const auto rest = parse_value(input.substr(begin));
  ANTEROOM_CHECK(!rest && rest.error() == ParseError::kIncomplete);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const ReplyScanner::Options as_parser{.depth_max = kValueDepthMax};
  const ReplyScanner::Options tight{
      .depth_max = 2, .line_bytes_max = 8, .aggregate_count_max = 3, .bulk_bytes_max = 10};
  for (const ReplyScanner::Options& options : {ReplyScanner::Options{}, as_parser, tight}) {
    ANTEROOM_CHECK(scan({input}, options) == scan(anteroom::test::random_pieces(input), options));
  }
  compare_with_parser(input, scan({input}, as_parser));
  return 0;
}
