#include "net/address.hpp"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>
#include <string>
#include <string_view>

namespace anteroom::net {
namespace {

std::string shown(std::string_view host, std::uint16_t port) {
  const auto address = Address::from_numeric(host, port);
  return address ? address->to_string() : "nothing";
}

TEST(Address, NumericHostsAreReadAndShown) {
  EXPECT_EQ(shown("127.0.0.1", 6379), "127.0.0.1:6379");
  EXPECT_EQ(shown("0.0.0.0", 0), "0.0.0.0:0");
  EXPECT_EQ(shown("::1", 6379), "[::1]:6379");
  EXPECT_EQ(shown("[::1]", 65535), "[::1]:65535");
  EXPECT_EQ(shown("2001:DB8::1", 1), "[2001:db8::1]:1");
}

TEST(Address, OtherTextIsNotAnAddress) {
  for (const char* text : {"", "localhost", "127.0.0", "127.0.0.1.1", "256.0.0.1", "1", "[127.0.0.1]", "[::1", "::1]",
                           "[]", "*", "::1%", "::1%no-such-if", " 127.0.0.1", "127.0.0.1 "}) {
    EXPECT_FALSE(Address::from_numeric(text, 1)) << text;
  }
  EXPECT_FALSE(Address::from_numeric(std::string_view("::1\0x", 5), 1));
}

TEST(Address, LoopbackIsKnownInBothFamilies) {
  const auto is_loopback = [](std::string_view host) { return Address::from_numeric(host, 1)->is_loopback(); };
  EXPECT_TRUE(is_loopback("127.0.0.1"));
  EXPECT_TRUE(is_loopback("127.9.9.9"));
  EXPECT_TRUE(is_loopback("::1"));
  EXPECT_FALSE(is_loopback("0.0.0.0"));
  EXPECT_FALSE(is_loopback("192.0.2.1"));
  EXPECT_FALSE(is_loopback("::"));
  EXPECT_FALSE(Address::from_unix_path("/127")->is_loopback());
}

TEST(Address, HostsAreComparedWithoutTheirPorts) {
  const auto of = [](std::string_view host, std::uint16_t port) { return *Address::from_numeric(host, port); };
  EXPECT_TRUE(of("192.0.2.1", 1).is_same_host(of("192.0.2.1", 2)));
  EXPECT_FALSE(of("192.0.2.1", 1).is_same_host(of("192.0.2.2", 1)));
  EXPECT_TRUE(of("2001:db8::1", 1).is_same_host(of("2001:db8::1", 2)));
  EXPECT_FALSE(of("2001:db8::1", 1).is_same_host(of("2001:db8::2", 1)));
  EXPECT_FALSE(of("::1", 1).is_same_host(of("127.0.0.1", 1)));
}

TEST(Address, SourceTowardLoopbackIsLoopback) {
  EXPECT_TRUE(source_toward(*Address::from_numeric("127.0.0.1", 9))->is_loopback());
  EXPECT_TRUE(
      source_toward(*Address::from_numeric("127.0.0.1", 9))->is_same_host(*Address::from_numeric("127.0.0.1", 0)));
}

TEST(Address, ScopeIsTheNameOrTheNumberOfAnInterface) {
  EXPECT_EQ(shown("fe80::1%lo", 7), "[fe80::1%lo]:7");
  EXPECT_EQ(shown("fe80::1%" + std::to_string(if_nametoindex("lo")), 7), "[fe80::1%lo]:7");
}

TEST(Address, WrappedIpv4IsIpv4) {
  const auto address = Address::from_numeric("::ffff:192.0.2.7", 80);
  ASSERT_TRUE(address);
  EXPECT_EQ(address->family(), AF_INET);
  EXPECT_EQ(address->to_string(), "192.0.2.7:80");
  EXPECT_EQ(*address, *Address::from_numeric("192.0.2.7", 80));
}

TEST(Address, KnowsItsPort) {
  EXPECT_EQ(Address::from_numeric("127.0.0.1", 8001)->port(), 8001);
  EXPECT_EQ(Address::from_numeric("::1", 8001)->port(), 8001);
  EXPECT_EQ(Address::from_unix_path("/x")->port(), 0);
}

TEST(Address, UnixPathIsShownBehindItsScheme) {
  const auto address = Address::from_unix_path("/run/redis.sock");
  ASSERT_TRUE(address);
  EXPECT_TRUE(address->is_unix());
  EXPECT_EQ(address->unix_path(), "/run/redis.sock");
  EXPECT_EQ(address->to_string(), "unix:/run/redis.sock");
}

TEST(Address, UnixPathMustFit) {
  const std::string longest(Address::kUnixPathMax, 'x');
  ASSERT_TRUE(Address::from_unix_path(longest));
  EXPECT_EQ(Address::from_unix_path(longest)->unix_path(), longest);
  EXPECT_FALSE(Address::from_unix_path(longest + 'x'));
  EXPECT_FALSE(Address::from_unix_path(""));
  EXPECT_FALSE(Address::from_unix_path(std::string_view("/a\0b", 4)));
}

TEST(Address, UnnamedAndAbstractUnixSocketsAreShownToo) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const auto* const pointer = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(Address::from_sockaddr(pointer, sizeof address.sun_family).to_string(), "unix:");
  std::memcpy(address.sun_path + 1, "name", 4);
  EXPECT_EQ(Address::from_sockaddr(pointer, sizeof address.sun_family + 5).to_string(), "unix:@name");
}

TEST(Address, UnknownFamiliesAndImpossibleSizesAreShownAsUnknown) {
  EXPECT_EQ(Address().to_string(), "unknown");
  sockaddr_storage storage{};
  storage.ss_family = AF_INET6;
  const auto* const pointer = reinterpret_cast<const sockaddr*>(&storage);
  EXPECT_EQ(Address::from_sockaddr(pointer, 0).to_string(), "unknown");
  EXPECT_EQ(Address::from_sockaddr(pointer, 4).to_string(), "unknown");
  EXPECT_EQ(peer_address(-1).to_string(), "unknown");
  EXPECT_EQ(local_address(-1).to_string(), "unknown");
}

TEST(Address, EqualMeansSameHostAndPort) {
  const auto one = Address::from_numeric("127.0.0.1", 1);
  EXPECT_EQ(*one, *Address::from_numeric("127.0.0.1", 1));
  EXPECT_FALSE(*one == *Address::from_numeric("127.0.0.1", 2));
  EXPECT_FALSE(*one == *Address::from_numeric("127.0.0.2", 1));
  EXPECT_FALSE(*one == Address());
  EXPECT_EQ(Address(), Address());
}

TEST(HostAndPort, BracketsAreAddedWhereAColonNeedsThem) {
  EXPECT_EQ(host_and_port("redis.example", 6379), "redis.example:6379");
  EXPECT_EQ(host_and_port("::1", 6379), "[::1]:6379");
  EXPECT_EQ(host_and_port("[::1]", 6379), "[::1]:6379");
}

}  // namespace
}  // namespace anteroom::net
