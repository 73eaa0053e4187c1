#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace anteroom::client {

/// To which query of a stream a reply belongs. Usually the next one's, but SUBSCRIBE and UNSUBSCRIBE (and those of
/// patterns and shard channels) have one for each channel, which RESP3 sends as pushes, as it does messages; in RESP2
/// both are arrays (https://redis.io/docs/latest/develop/pubsub/). So it follows what the stream has subscribed to and
/// which protocol it speaks, by the replies alone. Bytes in, answers out; one for each stream.
class ReplyOrder {
 public:
  enum class Verdict : std::uint8_t {
    kReply,       ///< the first query's, which has more to come
    kLastReply,   ///< the first query's, which is done
    kPush,        ///< nobody's: a message, an invalidation
    kUnexpected,  ///< no query is there for it
  };

  void add(const std::vector<std::string>& command);
  /// `type` is the reply's type byte, behind its attribute.
  [[nodiscard]] Verdict judge(std::string_view reply, char type);

 private:
  enum class Kind : std::uint8_t { kOther, kHello, kReset, kSubscribe, kUnsubscribe };
  static constexpr std::size_t kTopics = 3;  // channels, patterns, shard channels
  struct Query {
    Kind kind = Kind::kOther;
    std::size_t topic = 0;
    std::size_t missing = 1;      // confirmations
    bool is_of_all_left = false;  // UNSUBSCRIBE without channels
  };

  [[nodiscard]] static Query query_of(std::string_view name, std::size_t arguments);
  [[nodiscard]] bool may_be_unasked() const;
  void note(const Query& confirmed, const std::string& name);
  [[nodiscard]] Verdict settle_confirmation(const Query& confirmed);
  [[nodiscard]] Verdict settle(char type);

  std::deque<Query> queries_;
  std::array<std::set<std::string, std::less<>>, kTopics> topics_;
  bool is_resp3_ = false;
};

}  // namespace anteroom::client
