// BulkFilter: the same bytes pass however they are cut, never more than came; and what has no line that is too large's
// header passes as it is.
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/bulk_filter.hpp"
#include "base/check.hpp"
#include "support/fuzz_split.hpp"

namespace {

using anteroom::backend::BulkFilter;

struct Passed {
  std::string bytes;
  std::uint64_t to_skip = 0;

  friend bool operator==(const Passed&, const Passed&) = default;
};

Passed filter(const std::vector<std::string_view>& pieces) {
  BulkFilter filter(BulkFilter::kBulkBytesMin);
  std::vector<char> buffer;
  Passed passed;
  std::size_t received = 0;
  for (const std::string_view piece : pieces) {
    buffer.assign(BulkFilter::kHeldMax + piece.size() + 1, '\0');
    const std::span<char> space = filter.prepare(buffer);
    ANTEROOM_CHECK(space.size() > piece.size());
    piece.copy(space.data(), piece.size());
    passed.bytes.append(buffer.data(), filter.filter(buffer, piece.size()));
    received += piece.size();
    ANTEROOM_CHECK(passed.bytes.size() <= received);
  }
  passed.to_skip = filter.bytes_to_skip();
  return passed;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const Passed whole = filter({input});
  ANTEROOM_CHECK(filter(anteroom::test::random_pieces(input)) == whole);
  const bool has_mark = whole.bytes.find("-LARGE\r\n") != std::string::npos;
  ANTEROOM_CHECK(has_mark || input.starts_with(whole.bytes));
  ANTEROOM_CHECK(has_mark || input.size() - whole.bytes.size() < BulkFilter::kHeldMax);
  ANTEROOM_CHECK(has_mark || whole.to_skip == 0);
  return 0;
}
