#include "cache/entry.hpp"

#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <string>

namespace anteroom::cache {
namespace {

constexpr std::array<std::uint8_t, 3> kKinds{0, kResultKind, kRootKind};

class EntryTest : public testing::TestWithParam<std::uint8_t> {
 protected:
  Entry header_of(std::string_view name, std::size_t reply_bytes, bool large) const {
    Entry header;
    header.epoch = 7;
    header.kind = GetParam() & 7;
    header.name_bytes = static_cast<std::uint16_t>(name.size());
    header.reply_bytes = static_cast<std::uint16_t>(reply_bytes);
    header.large = large;
    return header;
  }
  alignas(16) std::array<char, 512> memory{};
  alignas(16) std::array<char, 512> other{};
};

TEST_P(EntryTest, HoldsCopiesOfNameAndReply) {
  std::string name = "name";
  std::string reply = "reply";
  const Entry header = header_of(name, reply.size(), false);
  ASSERT_EQ(bytes_needed(header), sizeof(Entry) + (GetParam() == 0 ? 0 : sizeof(ResultLinks)) + 9);

  Entry& entry = write_entry(memory.data(), header, name, reply, nullptr);
  name = reply = "other";

  EXPECT_EQ(name_of(entry), "name");
  EXPECT_EQ(reply_of(entry), "reply");
  EXPECT_EQ(entry.epoch, 7u);
}

TEST_P(EntryTest, WritesNoMoreThanItNeeds) {
  for (const bool large : {false, true}) {
    for (std::size_t size = 0; size < 40; ++size) {
      const std::string name(size, 'n');
      const Entry header = header_of(name, large ? 0 : 3, large);
      memory.fill('x');
      Entry& entry = write_entry(memory.data(), header, name, "abc",
                                 large ? std::make_shared<const std::string>("shared") : nullptr);

      EXPECT_EQ(name_of(entry), name);
      EXPECT_EQ(reply_of(entry), large ? "shared" : "abc");
      EXPECT_EQ(memory[bytes_needed(header)], 'x');
      EXPECT_NE(memory[bytes_needed(header) - 1], 'x');
      if (large) std::destroy_at(&shared_of(entry));
    }
  }
}

TEST_P(EntryTest, MovesWithItsLinksAndItsSharedReply) {
  const auto shared = std::make_shared<const std::string>("shared");
  for (const bool large : {false, true}) {
    Entry& from =
        write_entry(memory.data(), header_of("name", large ? 0 : 3, large), "name", "abc", large ? shared : nullptr);
    if (GetParam() != 0) links_of(from) = {Slot{1}, Slot{2}, Slot{3}};

    Entry& to = move_entry(other.data(), from);
    memory.fill('x');

    EXPECT_EQ(name_of(to), "name");
    EXPECT_EQ(reply_of(to), large ? "shared" : "abc");
    if (GetParam() != 0) {
      EXPECT_EQ(links_of(to).root, Slot{3});
    }
    EXPECT_EQ(shared.use_count(), large ? 2 : 1);
    if (large) std::destroy_at(&shared_of(to));
  }
  EXPECT_EQ(shared.use_count(), 1);
}

INSTANTIATE_TEST_SUITE_P(EveryKind, EntryTest, testing::ValuesIn(kKinds));

TEST(AllocatedBytes, CoverTheBytesAndTheirBlock) {
  const auto shared = std::make_shared<const std::string>(std::string(5000, 'r'));
  EXPECT_GE(allocated_bytes(shared), 5000 + sizeof(std::string));
  EXPECT_LE(allocated_bytes(shared), 5000u + 200);
}

}  // namespace
}  // namespace anteroom::cache
