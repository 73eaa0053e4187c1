#include "command/acl_categories.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "command/key_extraction.hpp"
#include "command/table.hpp"

namespace anteroom::command {
namespace {

const Table& table() {
  static const Table built = Table::build().value();
  return built;
}

TEST(AclCategories, EveryCommandButTheSentinelsHasItsRow) {
  std::size_t known = 0;
  for (const Facts& facts : table()) {
    if (facts.has(kOnlySentinel)) continue;
    ++known;
    EXPECT_NE(find_acl_facts(facts.name), nullptr) << facts.name;
  }
  EXPECT_EQ(acl_rows().size(), known);
}

TEST(AclCategories, EveryKeySourceHasItsUse) {
  for (const AclFacts& row : acl_rows()) {
    const Facts* facts = table().find_name(row.name);
    ASSERT_NE(facts, nullptr) << row.name;
    EXPECT_EQ(row.key_uses.size(), key_sources(*facts)) << row.name;
    EXPECT_EQ(row.key_uses.find_first_not_of("rwbn-"), std::string_view::npos) << row.name;
    for (std::size_t i = 0; i < facts->keys.size() && i < row.key_uses.size(); ++i) {
      EXPECT_EQ(row.key_uses[i] == '-', facts->keys[i].access == KeySpec::Access::kChannel) << row.name;
    }
  }
}

TEST(AclCategories, FollowFromTheFlagsWhereRedisDerivesThem) {
  for (const AclFacts& row : acl_rows()) {
    const Facts& facts = *table().find_name(row.name);
    EXPECT_NE((row.categories & acl::kFast) != 0, (row.categories & acl::kSlow) != 0) << row.name;
    // Redis has no flags for the bare names of containers.
    if (facts.is_container && facts.flags == 0) continue;
    EXPECT_EQ((row.categories & acl::kFast) != 0, facts.has(kFast)) << row.name;
    EXPECT_EQ((row.categories & acl::kWrite) != 0, facts.has(kWrite)) << row.name;
    EXPECT_TRUE(!facts.has(kPubsub) || (row.categories & acl::kPubsub) != 0) << row.name;
  }
}

TEST(AclCategories, AreFoundByNameInAnyCase) {
  EXPECT_EQ(acl_category("keyspace"), acl::kKeyspace);
  EXPECT_EQ(acl_category("SCRIPTING"), acl::kScripting);
  EXPECT_EQ(acl_category("SortedSet"), acl::kSortedSet);
  EXPECT_EQ(acl_category("all"), 0U);
  EXPECT_EQ(acl_category(""), 0U);
  EXPECT_EQ(acl_category("rea"), 0U);
}

TEST(AclCategories, AnUnknownNameHasNoRow) {
  EXPECT_EQ(find_acl_facts(""), nullptr);
  EXPECT_EQ(find_acl_facts("zzz"), nullptr);
  EXPECT_EQ(find_acl_facts("config|nothing"), nullptr);
  EXPECT_EQ(find_acl_facts("sentinel"), nullptr);
}

/// Each source's keys, the sources apart: "1 | 3 4".
std::string sources_of(const std::vector<std::string_view>& args) {
  const Lookup lookup = table().find(args);
  std::string out;
  KeyList keys;
  for (std::size_t source = 0; source < key_sources(*lookup.facts); ++source) {
    if (source > 0) out += '|';
    if (extract_keys_of(*lookup.facts, args, source, keys) == Extraction::kUnknown) out += '?';
    for (const std::uint32_t index : keys) out += ' ' + std::to_string(index);
  }
  return out;
}

TEST(KeySources, AreToldApart) {
  EXPECT_EQ(sources_of({"zunionstore", "d", "2", "a", "b"}), " 1| 3 4");
  EXPECT_EQ(sources_of({"sort", "k", "by", "w", "store", "d"}), " 1| 5");
  EXPECT_EQ(sources_of({"sort", "k"}), " 1|");
  EXPECT_EQ(sources_of({"xread", "streams", "a", "b", "0", "0"}), " 2 3");
  EXPECT_EQ(sources_of({"spublish", "c", "m"}), " 1");
  EXPECT_EQ(sources_of({"eval", "s", "9", "a"}), "?");
  EXPECT_EQ(sources_of({"ping"}), "");
}

}  // namespace
}  // namespace anteroom::command
