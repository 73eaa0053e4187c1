#include "net/allow_list.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace anteroom::net {
namespace {

AllowList list_of(const std::vector<std::string>& networks) {
  auto list = AllowList::parse(networks);
  EXPECT_TRUE(list.has_value()) << list.error();
  return list.value_or(AllowList{});
}

bool allows(const AllowList& list, const char* host) { return list.allows(*Address::from_numeric(host, 1234)); }

TEST(AllowList, AnEmptyOneAllowsEverybody) {
  EXPECT_TRUE(allows({}, "192.0.2.1"));
  EXPECT_TRUE(AllowList{}.allows(*Address::from_unix_path("/a")));
}

TEST(AllowList, ANetworkAllowsItsAddressesAndNoOthers) {
  const AllowList list = list_of({"10.0.0.0/8", "192.168.4.0/22", "2001:db8::/33"});
  for (const char* in : {"10.0.0.0", "10.255.255.255", "192.168.4.0", "192.168.7.255", "2001:db8:7fff::1"}) {
    EXPECT_TRUE(allows(list, in)) << in;
  }
  for (const char* out : {"9.255.255.255", "11.0.0.0", "192.168.3.255", "192.168.8.0", "2001:db8:8000::1", "::1"}) {
    EXPECT_FALSE(allows(list, out)) << out;
  }
}

TEST(AllowList, AnAddressAloneIsANetworkOfOne) {
  const AllowList list = list_of({"127.0.0.1", "::1", "10.0.0.7/32"});
  EXPECT_TRUE(allows(list, "127.0.0.1"));
  EXPECT_FALSE(allows(list, "127.0.0.2"));
  EXPECT_TRUE(allows(list, "::1"));
  EXPECT_FALSE(allows(list, "::2"));
  EXPECT_TRUE(allows(list, "10.0.0.7"));
  EXPECT_FALSE(allows(list, "10.0.0.6"));
}

TEST(AllowList, AnIpv4ClientOfADualStackListenerIsStillIpv4) {
  EXPECT_TRUE(allows(list_of({"10.0.0.0/8"}), "::ffff:10.1.2.3"));
  EXPECT_TRUE(allows(list_of({"::ffff:10.0.0.0/104"}), "10.1.2.3"));
  EXPECT_FALSE(allows(list_of({"::ffff:10.0.0.0/104"}), "11.1.2.3"));
}

TEST(AllowList, ThePrefixOfLengthZeroIsTheWholeFamily) {
  EXPECT_TRUE(allows(list_of({"0.0.0.0/0"}), "203.0.113.9"));
  EXPECT_FALSE(allows(list_of({"0.0.0.0/0"}), "2001:db8::1"));
  EXPECT_TRUE(allows(list_of({"::/0"}), "2001:db8::1"));
}

TEST(AllowList, AUnixSocketIsInNoNetwork) {
  EXPECT_FALSE(list_of({"0.0.0.0/0", "::/0"}).allows(*Address::from_unix_path("/a")));
}

TEST(AllowList, WhatIsNoNetworkIsRefusedByName) {
  for (const char* wrong :
       {"", "/8", "10.0.0/8", "example.org", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/", "10.0.0.0/8x", "::/129",
        "[::1]", "fe80::1%lo", "10.0.0.0/8/8", "10.0.0.1/8", "2001:db8::1/64"}) {
    const auto list = AllowList::parse({"127.0.0.1", wrong});
    ASSERT_FALSE(list.has_value()) << wrong;
    EXPECT_TRUE(list.error().starts_with('"' + std::string(wrong) + "\" ")) << list.error();
  }
}

}  // namespace
}  // namespace anteroom::net
