#include "base/pin.hpp"

#include <gtest/gtest.h>

#include <string>

namespace anteroom::base {
namespace {

const std::string kDigits = "00ff10a9" + std::string(56, '7');

TEST(Pin, IsSha256AndItsDigitsInLowerCase) {
  EXPECT_EQ(digits_of_pin("sha256:" + kDigits), kDigits);
  EXPECT_EQ(digits_of_pin("sha256:00FF10A9" + std::string(56, '7')), kDigits);
}

TEST(Pin, AnythingElseIsNone) {
  for (const std::string& wrong :
       {std::string(), std::string("sha256:"), kDigits, "sha256:" + kDigits.substr(1), "sha256:" + kDigits + "0",
        "sha256:" + kDigits + "00", "sha256:" + kDigits.substr(1) + "g", "sha256:" + kDigits.substr(1) + " ",
        "SHA256:" + kDigits, "sha512:" + kDigits, " sha256:" + kDigits}) {
    EXPECT_EQ(digits_of_pin(wrong), std::nullopt) << wrong;
  }
}

TEST(Pin, DigitsOfEitherCaseAreItsBytes) {
  const std::string bytes = std::string("\x00\xff\x10\xa9", 4) + std::string(28, '\x77');
  EXPECT_EQ(bytes_of_pin(kDigits), bytes);
  EXPECT_EQ(bytes_of_pin("00FF10A9" + std::string(56, '7')), bytes);
}

TEST(Pin, OtherDigitsHaveNoBytes) {
  for (const std::string& wrong :
       {std::string(), std::string("ab"), kDigits.substr(1), kDigits + "0", kDigits + "00", "g" + kDigits.substr(1)}) {
    EXPECT_EQ(bytes_of_pin(wrong), std::nullopt) << wrong;
  }
}

}  // namespace
}  // namespace anteroom::base
