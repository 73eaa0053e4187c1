// Any bytes as access rules: refused in one line without control characters, or a user whose decisions agree with each
// other. An input is the rules, a line end, and one request, an argument a line.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "access/user.hpp"
#include "base/check.hpp"

namespace {

using namespace anteroom;

const command::Table& table() {
  static const command::Table built = command::Table::build().value();
  return built;
}

const std::shared_ptr<const access::AclCommands>& commands() {
  static const auto built = std::make_shared<const access::AclCommands>(access::AclCommands::build(table()).value());
  return built;
}

std::vector<std::string_view> lines(std::string_view input) {
  std::vector<std::string_view> all;
  for (std::size_t begin = 0; begin <= input.size();) {
    const std::size_t end = std::min(input.find('\n', begin), input.size());
    all.push_back(input.substr(begin, end - begin));
    begin = end + 1;
  }
  return all;
}

bool is_permitted(std::string_view rules, const command::Lookup& lookup, const std::vector<std::string_view>& args) {
  auto parsed = access::parse_rules(*commands(), rules);
  ANTEROOM_CHECK(parsed.has_value());
  return !access::User("u", std::move(*parsed), {.user = "own", .password = ""}, commands()).check(lookup, args);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::vector<std::string_view> args = lines({reinterpret_cast<const char*>(data), size});
  const std::string rules(args[0]);
  args.erase(args.begin());
  if (args.empty()) args.emplace_back("get");

  auto parsed = access::parse_rules(*commands(), rules);
  if (!parsed) {
    ANTEROOM_CHECK(std::ranges::none_of(parsed.error(), [](char c) { return c >= 0 && c < ' '; }));
    return 0;
  }
  const command::Lookup lookup = table().find(args);
  const access::User user("u", std::move(*parsed), {.user = "own", .password = ""}, commands());
  const auto denial = user.check(lookup, args);
  ANTEROOM_CHECK(user.check(lookup, args) == denial);
  if (user.is_unrestricted()) ANTEROOM_CHECK(!denial);
  if (denial) {
    ANTEROOM_CHECK(denial->index < args.size());
    const std::string error = access::denial_error(*denial, lookup, args);
    ANTEROOM_CHECK(error.size() < 400 && error.find_first_of("\r\n") == std::string::npos);
  }
  // One selector more permits no less, and rights that are taken away again leave nothing.
  if (!denial) ANTEROOM_CHECK(is_permitted(rules + " (+get ~k)", lookup, args));
  if (!denial) ANTEROOM_CHECK(is_permitted("clearselectors " + rules, lookup, args));
  const bool is_free = lookup.facts != nullptr && lookup.facts->has(command::kNoAuth);
  ANTEROOM_CHECK(is_permitted(rules + " reset", lookup, args) == is_free);
  return 0;
}
