#include "base/intrusive_list.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::base {
namespace {

struct TagA;
struct TagB;

struct Item : ListHook<TagA>, ListHook<TagB> {
  explicit Item(char item_name) : name(item_name) {}
  char name;
};

using List = IntrusiveList<Item, TagA>;
using OtherList = IntrusiveList<Item, TagB>;

bool is_linked(const Item& item) { return static_cast<const ListHook<TagA>&>(item).is_linked(); }

template <typename AnyList>
std::string names(const AnyList& list) {
  std::string all;
  for (const Item* item = list.front(); item != nullptr; item = list.next(*item)) all += item->name;
  return all;
}

class IntrusiveListTest : public testing::Test {
 protected:
  Item a{'a'}, b{'b'}, c{'c'};
  List list;
};

TEST_F(IntrusiveListTest, EmptyListHasNoEnds) {
  EXPECT_TRUE(list.empty());
  EXPECT_EQ(list.front(), nullptr);
  EXPECT_EQ(list.back(), nullptr);
  EXPECT_EQ(list.pop_front(), nullptr);
}

TEST_F(IntrusiveListTest, PushesAtBothEndsKeepOrder) {
  list.push_back(b);
  list.push_back(c);
  list.push_front(a);

  EXPECT_EQ(names(list), "abc");
  EXPECT_EQ(list.front(), &a);
  EXPECT_EQ(list.back(), &c);
}

TEST_F(IntrusiveListTest, ElementLeavesFromAnyPlace) {
  for (Item* item : {&a, &b, &c}) {
    list.push_back(a);
    list.push_back(b);
    list.push_back(c);

    List::unlink(*item);

    EXPECT_FALSE(is_linked(*item));
    EXPECT_EQ(names(list).find(item->name), std::string::npos);
    EXPECT_EQ(names(list).size(), 2u);
    list.clear();
  }
}

TEST_F(IntrusiveListTest, MoveToFrontFromEachPlace) {
  list.push_back(a);
  list.push_back(b);
  list.push_back(c);

  list.move_to_front(c);
  EXPECT_EQ(names(list), "cab");
  list.move_to_front(a);
  EXPECT_EQ(names(list), "acb");
  list.move_to_front(a);
  EXPECT_EQ(names(list), "acb");
}

TEST_F(IntrusiveListTest, PopTakesFromTheFront) {
  list.push_back(a);
  list.push_back(b);

  EXPECT_EQ(list.pop_front(), &a);
  EXPECT_EQ(list.pop_front(), &b);
  EXPECT_TRUE(list.empty());
}

TEST_F(IntrusiveListTest, SpliceMovesEverythingBehind) {
  List other;
  list.push_back(a);
  other.push_back(b);
  other.push_back(c);

  list.splice_back(other);
  EXPECT_EQ(names(list), "abc");
  EXPECT_TRUE(other.empty());

  list.splice_back(other);
  list.splice_back(list);
  EXPECT_EQ(names(list), "abc");
}

TEST_F(IntrusiveListTest, ListsOfDifferentTagsAreIndependent) {
  OtherList other;
  list.push_back(a);
  other.push_back(a);
  other.push_back(b);

  List::unlink(a);

  EXPECT_TRUE(list.empty());
  EXPECT_EQ(names(other), "ab");
}

TEST_F(IntrusiveListTest, DyingListUnlinksItsElements) {
  {
    List short_lived;
    short_lived.push_back(a);
    EXPECT_TRUE(is_linked(a));
  }
  EXPECT_FALSE(is_linked(a));
}

TEST_F(IntrusiveListTest, CopyOfAnElementIsInNoList) {
  list.push_back(a);

  Item copy = a;
  EXPECT_FALSE(is_linked(copy));
  copy = b;
  a = copy;

  EXPECT_EQ(names(list), "b");
}

using IntrusiveListDeathTest = IntrusiveListTest;

TEST_F(IntrusiveListDeathTest, LinkingTwiceOrUnlinkingAStrangerAborts) {
  list.push_back(a);
  EXPECT_DEATH(list.push_back(a), "is_linked");
  EXPECT_DEATH(List::unlink(b), "is_linked");
}

}  // namespace
}  // namespace anteroom::base
