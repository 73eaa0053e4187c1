// What a server says of its commands: nothing of it leads beyond the arguments, hides a compiled-in command, or lets a
// write pass without its keys. An input is one reply to COMMAND; the names in it are then asked for.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.hpp"
#include "command/key_extraction.hpp"
#include "command/overlay.hpp"
#include "command/table.hpp"
#include "resp/value.hpp"

namespace {

using namespace anteroom;
using command::Overlay;

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

void check_request(const Overlay& overlay, const std::vector<std::string_view>& args) {
  const Overlay::Entry* const entry = overlay.find(args);
  if (entry == nullptr) return;
  const command::Facts& facts = entry->facts;
  ANTEROOM_CHECK(table().find_name(facts.name) == nullptr);
  command::KeyList keys;
  const command::Extraction extraction = command::extract_written_keys(facts, args, keys);
  for (const std::uint32_t key : keys) ANTEROOM_CHECK(key > 0 && key < args.size());
  const bool may_write = facts.has(command::kWrite) || !facts.has(command::kReadonly);
  const command::CacheEffect effect = command::cache_effect(facts, args);
  ANTEROOM_CHECK(!may_write || effect != command::CacheEffect::kNone);
  if (effect == command::CacheEffect::kWritesKeys && extraction == command::Extraction::kNoKeys) {
    // Only where a rule asks for arguments that this request lacks, or for a count of none.
    for (const command::KeySpec& spec : facts.keys) {
      const bool is_read = spec.access == command::KeySpec::Access::kReadOnly;
      const bool is_channel = spec.access == command::KeySpec::Access::kChannel;
      const bool is_optional = facts.has(command::kNoMandatoryKeys) || spec.begin == args.size();
      ANTEROOM_CHECK(is_read || is_channel || is_optional);
    }
  }
}

void ask_for(const Overlay& overlay, const resp::Value& value) {
  for (const resp::Value& item : value.items) ask_for(overlay, item);
  const std::string_view name = value.text;
  if (name.empty()) return;
  const std::size_t bar = name.find('|');
  const std::string_view own = name.substr(0, bar);
  if (bar != std::string_view::npos) check_request(overlay, {own, name.substr(bar + 1), "1", "k", "l"});
  check_request(overlay, {own});
  check_request(overlay, {own, "k"});
  check_request(overlay, {own, "2", "k", "l", "0"});
  static_cast<void>(overlay.knows(name));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto overlay = Overlay::parse(input, table());
  const auto value = resp::parse_value(input);
  if (!overlay) return 0;
  ANTEROOM_CHECK(value.has_value());
  ask_for(*overlay, *value);
  return 0;
}
