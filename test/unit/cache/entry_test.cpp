#include "cache/entry.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::cache {
namespace {

constexpr Key kKey{.bytes = "key", .hash = 77, .space = Space{3}};

TEST(Entry, HoldsCopiesOfKeyAndReply) {
  std::string reply = "reply";
  const Entry::Ptr entry = Entry::make(kKey, EntryKind::kValue, reply, base::kNever);
  reply = "other";

  EXPECT_EQ(entry->key(), "key");
  EXPECT_EQ(entry->reply(), "reply");
  EXPECT_EQ(entry->hash(), 77u);
  EXPECT_EQ(entry->space(), Space{3});
  EXPECT_EQ(entry->kind(), EntryKind::kValue);
  EXPECT_EQ(entry->shared(), nullptr);
  EXPECT_GE(entry->allocated_bytes(), sizeof(Entry) + 8);
}

TEST(Entry, LargeReplyIsSharedAndCounted) {
  const std::string reply(base::ByteQueue::kCopyMax + 1, 'r');
  Entry::Ptr entry = Entry::make(kKey, EntryKind::kValue, reply, base::kNever);
  const base::SharedBytes shared = entry->shared();
  ASSERT_NE(shared, nullptr);
  EXPECT_EQ(entry->reply(), "");
  EXPECT_GE(entry->allocated_bytes(), sizeof(Entry) + reply.size());

  entry.reset();

  EXPECT_EQ(*shared, reply);
}

TEST(Graveyard, FreesWhatItHolds) {
  const std::string reply(base::ByteQueue::kCopyMax + 1, 'r');
  base::SharedBytes shared;
  {
    Graveyard dead;
    Entry::Ptr entry = Entry::make(kKey, EntryKind::kValue, reply, base::kNever);
    shared = entry->shared();
    dead.add(*entry.release());
    dead.add(*Entry::make(kKey, EntryKind::kNil, "", base::kNever).release());
    EXPECT_EQ(shared.use_count(), 2);
  }
  EXPECT_EQ(shared.use_count(), 1);
}

}  // namespace
}  // namespace anteroom::cache
