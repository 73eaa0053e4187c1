// What hiredis makes of a server's bytes is encoded to exactly one RESP2 value, and read as a reply of the handshake
// and as an invalidation.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "backend/hiredis_reader.hpp"
#include "backend/hiredis_replies.hpp"
#include "base/check.hpp"
#include "resp/value.hpp"
#include "support/fuzz_split.hpp"

namespace {

// HELLO 3's types are gone; what is left is what a client of RESP2 understands.
bool is_resp2(const anteroom::resp::Value& value) {
  using Type = anteroom::resp::Value::Type;
  switch (value.type) {
    case Type::kSimple:
    case Type::kError:
    case Type::kInteger:
    case Type::kBulk:
    case Type::kNullBulk:
      return true;
    case Type::kArray:
      return std::ranges::all_of(value.items, is_resp2);
    default:
      return false;
  }
}

void look_at(const redisReply& reply) {
  const anteroom::base::SharedBytes encoded = anteroom::backend::encode(reply, false);
  std::size_t used = 0;
  const auto value = anteroom::resp::parse_value(*encoded, &used);
  ANTEROOM_CHECK(value && used == encoded->size() && is_resp2(*value));

  const auto handshake = anteroom::backend::handshake_reply(reply);
  ANTEROOM_CHECK(handshake.error.empty() || reply.type == REDIS_REPLY_ERROR);
  if (reply.type != REDIS_REPLY_PUSH) return;
  const auto invalidation = anteroom::backend::invalidation(reply);
  ANTEROOM_CHECK(!invalidation.is_everything || invalidation.keys.empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  anteroom::backend::HiredisReader reader(1 << 16);  // room for all elements is made at once, which is slow
  for (const std::string_view piece : anteroom::test::random_pieces(input)) {
    reader.feed(piece);
    while (const redisReply* const reply = reader.next()) look_at(*reply);
    if (reader.has_failed()) break;
  }
  return 0;
}
