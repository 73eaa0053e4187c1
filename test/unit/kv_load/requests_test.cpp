#include "kv_load/requests.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <string>

namespace anteroom::kv_load {
namespace {

std::string text_of(const RequestForm& form, std::uint32_t first_key) {
  std::string out;
  form.append(out, [&] { return first_key++; });
  EXPECT_EQ(out.size(), form.bytes());
  return out;
}

const KeyFormat kKeys = KeyFormat::of("k:", 1'000);

TEST(RequestForm, GetAsksForOneKey) {
  EXPECT_EQ(text_of(RequestForm::get(Protocol::kResp, kKeys), 7), "*2\r\n$3\r\nGET\r\n$5\r\nk:007\r\n");
  EXPECT_EQ(text_of(RequestForm::get(Protocol::kMemcached, kKeys), 7), "get k:007\r\n");
}

TEST(RequestForm, MgetHasAKeyOfItsOwnInEachPlace) {
  EXPECT_EQ(text_of(RequestForm::mget(kKeys, 2), 41), "*3\r\n$4\r\nMGET\r\n$5\r\nk:041\r\n$5\r\nk:042\r\n");
}

TEST(RequestForm, PttlAsksForTheKeyOfItsGet) {
  const RequestForm form = RequestForm::get_and_pttl(kKeys);
  EXPECT_EQ(text_of(form, 41), "*2\r\n$3\r\nGET\r\n$5\r\nk:041\r\n*2\r\n$4\r\nPTTL\r\n$5\r\nk:041\r\n");
}

TEST(RequestForm, SetHasAValueOfTheLengthThatWasAsked) {
  EXPECT_EQ(text_of(RequestForm::set(Protocol::kResp, kKeys, 3), 999),
            "*3\r\n$3\r\nSET\r\n$5\r\nk:999\r\n$3\r\nxxx\r\n");
  EXPECT_EQ(text_of(RequestForm::set(Protocol::kMemcached, kKeys, 3), 999), "set k:999 0 0 3\r\nxxx\r\n");
  EXPECT_EQ(text_of(RequestForm::set(Protocol::kResp, kKeys, 0), 0), "*3\r\n$3\r\nSET\r\n$5\r\nk:000\r\n$0\r\n\r\n");
}

TEST(RequestForm, RequestsAreAppendedOneAfterTheOther) {
  const RequestForm form = RequestForm::get(Protocol::kMemcached, kKeys);
  std::string out;
  for (std::uint32_t key = 0; key < 3; ++key) form.append(out, [&] { return key; });
  EXPECT_EQ(out, "get k:000\r\nget k:001\r\nget k:002\r\n");
}

TEST(ReplyBytes, OfASetAreThoseOfItsStatus) {
  EXPECT_EQ(reply_bytes_of_set(Protocol::kResp), std::string("+OK\r\n").size());
  EXPECT_EQ(reply_bytes_of_set(Protocol::kMemcached), std::string("STORED\r\n").size());
}

TEST(ReplyBytes, AreThoseOfAHit) {
  EXPECT_EQ(reply_bytes(Protocol::kResp, kKeys, 3, 0), std::string("$3\r\nxxx\r\n").size());
  EXPECT_EQ(reply_bytes(Protocol::kResp, kKeys, 10, 0), std::string("$10\r\nxxxxxxxxxx\r\n").size());
  EXPECT_EQ(reply_bytes(Protocol::kResp, kKeys, 3, 2), std::string("*2\r\n$3\r\nxxx\r\n$3\r\nxxx\r\n").size());
  EXPECT_EQ(reply_bytes(Protocol::kMemcached, kKeys, 3, 0), std::string("VALUE k:007 0 3\r\nxxx\r\nEND\r\n").size());
}

}  // namespace
}  // namespace anteroom::kv_load
