// What is known of every command's access categories and key uses is what the running server says.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "command/acl_categories.hpp"
#include "support/redis_server.hpp"

namespace anteroom::test {
namespace {

bool has_word(const Reply& list, std::string_view word) {
  return std::ranges::any_of(list.items, [word](const Reply& item) { return item.text == word; });
}

/// The value of `key` in a flat list of keys and values.
const Reply& value_of(const Reply& pairs, std::string_view key) {
  static const Reply none;
  for (std::size_t i = 0; i + 1 < pairs.items.size(); i += 2) {
    if (pairs.items[i].text == key) return pairs.items[i + 1];
  }
  return none;
}

/// The letters of AclFacts::key_uses for the specifications that say where the key is; the others are walked.
std::string key_uses_of(const Reply& specs) {
  std::string uses;
  for (const Reply& spec : specs.items) {
    const Reply& flags = value_of(spec, "flags");
    if (value_of(value_of(spec, "begin_search"), "type").text != "index") continue;
    const bool reads = has_word(flags, "access");
    const bool writes = has_word(flags, "insert") || has_word(flags, "update") || has_word(flags, "delete");
    const char use = reads && writes ? 'b' : reads ? 'r' : writes ? 'w' : 'n';
    uses += has_word(flags, "not_key") ? '-' : use;
  }
  return uses;
}

/// Compares one entry of COMMAND and its subcommands; counts them.
int compare(const Reply& entry) {
  const std::string& name = entry.items[0].text;
  const command::AclFacts* ours = command::find_acl_facts(name);
  EXPECT_NE(ours, nullptr) << name;
  int compared = 1;
  if (ours != nullptr) {
    std::uint32_t categories = 0;
    for (const Reply& category : entry.items[6].items) categories |= command::acl_category(category.text.substr(1));
    EXPECT_EQ(ours->categories, categories) << name;
    EXPECT_TRUE(ours->key_uses.starts_with(key_uses_of(entry.items[8]))) << name << ' ' << ours->key_uses;
  }
  for (const Reply& subcommand : entry.items[9].items) compared += compare(subcommand);
  return compared;
}

TEST(AclData, IsThatOfTheServer) {
  RedisServer redis;
  ASSERT_TRUE(redis.start());
  RespClient client = redis.connect();

  const Reply commands = client.ask("COMMAND");
  int compared = 0;
  for (const Reply& entry : commands.items) {
    ASSERT_EQ(entry.items.size(), 10U);
    compared += compare(entry);
  }
  EXPECT_GT(compared, 350);

  const Reply categories = client.ask("ACL", "CAT");
  ASSERT_EQ(categories.items.size(), command::acl::kNames.size());
  for (std::size_t i = 0; i < categories.items.size(); ++i) {
    EXPECT_EQ(categories.items[i].text, command::acl::kNames[i]);
  }
}

}  // namespace
}  // namespace anteroom::test
