#include "access/password.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::access {
namespace {

constexpr std::string_view kAbc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

TEST(Password, DigestIsSha256) {
  // FIPS 180-4.
  EXPECT_EQ(hex_of(digest_of("abc")), kAbc);
  EXPECT_EQ(hex_of(digest_of("")), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_NE(digest_of(std::string_view("a\0b", 3)), digest_of("a"));
}

TEST(Password, HexIsReadBack) {
  EXPECT_EQ(parse_digest(kAbc), digest_of("abc"));
  EXPECT_EQ(parse_digest(hex_of(digest_of("x"))), digest_of("x"));
}

TEST(Password, OtherHexIsRefused) {
  const std::string hex(kAbc);
  EXPECT_EQ(parse_digest(""), std::nullopt);
  EXPECT_EQ(parse_digest(hex.substr(1)), std::nullopt);
  EXPECT_EQ(parse_digest(hex + "0"), std::nullopt);
  EXPECT_EQ(parse_digest("B" + hex.substr(1)), std::nullopt);
  EXPECT_EQ(parse_digest("g" + hex.substr(1)), std::nullopt);
  EXPECT_EQ(parse_digest(hex.substr(0, 63) + "F"), std::nullopt);
  EXPECT_EQ(parse_digest(hex.substr(0, 63) + '\xc0'), std::nullopt);
}

TEST(Password, EveryByteOfADigestCounts) {
  const Digest digest = digest_of("abc");
  EXPECT_TRUE(are_equal(digest, digest));
  for (std::size_t i = 0; i < digest.size(); ++i) {
    Digest other = digest;
    other[i] ^= 1;
    EXPECT_FALSE(are_equal(digest, other)) << i;
  }
}

}  // namespace
}  // namespace anteroom::access
