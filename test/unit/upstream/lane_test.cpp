#include "upstream/lane.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <vector>

namespace anteroom::upstream {
namespace {

std::shared_ptr<const Credentials> login(const char* user, const char* password) {
  return std::make_shared<const Credentials>(Credentials{user, password});
}

Lane numbered(unsigned number) {
  Lane lane;
  lane.number = number;
  return lane;
}

TEST(Lane, IsEqualWhereItsOrderSaysSo) {
  const std::vector<Lane> lanes = {Lane(0),
                                   Lane(3),
                                   Lane(0, resp::Protocol::kResp3),
                                   numbered(1),
                                   Lane(0, resp::Protocol::kResp2, login("bob", "secret")),
                                   Lane(0, resp::Protocol::kResp2, login("bob", "other")),
                                   Lane(0, resp::Protocol::kResp2, login("", ""))};
  for (std::size_t i = 0; i < lanes.size(); ++i) {
    for (std::size_t j = 0; j < lanes.size(); ++j) {
      EXPECT_EQ(lanes[i] == lanes[j], i == j);
      EXPECT_EQ((lanes[i] <=> lanes[j]) == 0, i == j);
    }
  }
}

TEST(Lane, IsThatOfTheSameLoginWhoeverHoldsIt) {
  const Lane one(0, resp::Protocol::kResp2, login("bob", "secret"));
  const Lane other(0, resp::Protocol::kResp2, login("bob", "secret"));
  EXPECT_EQ(one, other);
  EXPECT_EQ(one <=> other, std::strong_ordering::equal);
}

}  // namespace
}  // namespace anteroom::upstream
