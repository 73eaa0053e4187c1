// parse_value and encode: what was parsed is encoded to bytes that mean the same, and no prefix of a value is one.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.hpp"
#include "resp/value.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace anteroom::resp;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  std::size_t used = 0;
  const auto value = parse_value(input, &used);
  if (!value) {
    ANTEROOM_CHECK(used == 0);
    return 0;
  }
  ANTEROOM_CHECK(used > 0 && used <= size);

  std::string encoded;
  encode(*value, encoded);
  std::size_t used_again = 0;
  const auto again = parse_value(encoded, &used_again);
  ANTEROOM_CHECK(again && *again == *value && used_again == encoded.size());

  const std::size_t stride = 1 + used / 64;
  for (std::size_t cut = 0; cut < used; cut += stride) {
    const auto prefix = parse_value(input.substr(0, cut));
    ANTEROOM_CHECK(!prefix && prefix.error() == ParseError::kIncomplete);
  }
  return 0;
}
