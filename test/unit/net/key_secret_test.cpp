#include "net/key_secret.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "support/certificates.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::net {
namespace {

class KeySecret : public testing::Test {
 protected:
  [[nodiscard]] static std::array<std::uint8_t, 32> secret(const std::string& file) {
    const auto made = secret_of_key(file);
    EXPECT_TRUE(made.has_value()) << made.error();
    return made.value_or(std::array<std::uint8_t, 32>{});
  }
  static void expect_error(const std::string& file, const std::string& reason) {
    const auto made = secret_of_key(file);
    ASSERT_FALSE(made.has_value());
    EXPECT_EQ(made.error(), file + ": " + reason);
  }

  const test::TempDir dir_;
  const test::CertificateAuthority ca_{dir_};
  const std::string key_ = ca_.issue({.name = "one"}).key;
};

TEST_F(KeySecret, IsTheSameForTheSameKey) {
  EXPECT_EQ(secret(key_), secret(key_));
  EXPECT_EQ(secret(dir_.write("copy.key", test::read_file(key_))), secret(key_));
}

TEST_F(KeySecret, IsAnotherOneForAnotherKey) { EXPECT_NE(secret(ca_.issue({.name = "other"}).key), secret(key_)); }

TEST_F(KeySecret, IsNotMadeOfNothing) {
  EXPECT_TRUE(std::ranges::any_of(secret(key_), [](std::uint8_t byte) { return byte != 0; }));
}

TEST_F(KeySecret, MissingFileIsNamed) { expect_error(dir_.file("missing.key"), "No such file or directory"); }

// Anybody could make the secret of a file that cannot be read or has nothing in it.
TEST_F(KeySecret, FolderIsNoKey) { expect_error(dir_.path(), "Is a directory"); }

TEST_F(KeySecret, EmptyFileIsNoKey) {
  const std::string empty = dir_.write("empty.key", "");
  const auto made = secret_of_key(empty);
  ASSERT_FALSE(made.has_value());
  EXPECT_TRUE(made.error().starts_with(empty + ": ")) << made.error();
}

}  // namespace
}  // namespace anteroom::net
