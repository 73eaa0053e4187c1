// Key extraction: indexes in bounds and the same each time, written keys among all keys, no write without its keys.
// An input is one request, an argument a line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "command/blocking.hpp"
#include "command/key_extraction.hpp"
#include "command/table.hpp"

namespace {

using namespace anteroom::command;
using Args = std::vector<std::string_view>;

const Table& table() {
  static const Table built = Table::build().value();
  return built;
}

Args lines(std::string_view input) {
  Args args;
  for (std::size_t begin = 0; begin <= input.size();) {
    const std::size_t end = std::min(input.find('\n', begin), input.size());
    args.push_back(input.substr(begin, end - begin));
    begin = end + 1;
  }
  return args;
}

void check_list(Extraction extraction, const KeyList& keys, const Args& args) {
  ANTEROOM_CHECK((extraction == Extraction::kKeys) == !keys.empty());
  for (const std::uint32_t index : keys) ANTEROOM_CHECK(index > 0 && index < args.size());
}

void check_request(const Facts& facts, const Args& args, bool is_complete) {
  KeyList all;
  KeyList again;
  KeyList written;
  const Extraction extraction = extract_keys(facts, args, all);
  check_list(extraction, all, args);
  ANTEROOM_CHECK(extract_keys(facts, args, again) == extraction && std::ranges::equal(all, again));

  const Extraction writes = extract_written_keys(facts, args, written);
  check_list(writes, written, args);
  if (extraction == Extraction::kKeys) {
    for (const std::uint32_t index : written) ANTEROOM_CHECK(std::ranges::find(all, index) != all.end());
  }
  if (is_complete && cache_effect(facts, args) == CacheEffect::kWritesKeys) {
    ANTEROOM_CHECK(writes != Extraction::kNoKeys);
  }
  static_cast<void>(needs_pinned_link(facts, args));
  if (const auto timeout = blocking_timeout(facts, args)) ANTEROOM_CHECK(timeout->count() >= 0);
}

void check_error(const std::string& text) {
  ANTEROOM_CHECK(text.size() < 400 && text.find_first_of("\r\n") == std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Args args = lines({reinterpret_cast<const char*>(data), size});
  const Lookup lookup = table().find(args);
  switch (lookup.match) {
    case Match::kFound:
      check_request(*lookup.facts, args, true);
      break;
    case Match::kUnknownCommand:
      check_error(unknown_command_error(args));
      break;
    case Match::kUnknownSubcommand:
      check_error(unknown_subcommand_error(args));
      break;
    case Match::kWrongArity:
      check_error(wrong_arity_error(*lookup.facts));
      check_request(*lookup.facts, args, false);
      break;
  }
  return 0;
}
