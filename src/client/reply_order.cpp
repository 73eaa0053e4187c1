#include "client/reply_order.hpp"

#include <algorithm>

#include "base/ascii.hpp"
#include "resp/value.hpp"

namespace anteroom::client {
namespace {

bool is_message(std::string_view kind) { return kind == "message" || kind == "pmessage" || kind == "smessage"; }

}  // namespace

ReplyOrder::Query ReplyOrder::query_of(std::string_view name, std::size_t arguments) {
  constexpr std::array<std::string_view, kTopics> kSubscribe{"subscribe", "psubscribe", "ssubscribe"};
  constexpr std::array<std::string_view, kTopics> kUnsubscribe{"unsubscribe", "punsubscribe", "sunsubscribe"};
  if (base::equals_ignore_case(name, "hello")) return {.kind = Kind::kHello};
  if (base::equals_ignore_case(name, "reset")) return {.kind = Kind::kReset};
  for (std::size_t topic = 0; topic < kTopics; ++topic) {
    const std::size_t missing = std::max<std::size_t>(arguments, 1);
    if (base::equals_ignore_case(name, kSubscribe[topic])) {
      return {.kind = Kind::kSubscribe, .topic = topic, .missing = missing};
    }
    if (base::equals_ignore_case(name, kUnsubscribe[topic])) {
      return {.kind = Kind::kUnsubscribe, .topic = topic, .missing = missing, .is_of_all_left = arguments == 0};
    }
  }
  return {};
}

void ReplyOrder::add(const std::vector<std::string>& command) {
  queries_.push_back(command.empty() ? Query{} : query_of(command.front(), command.size() - 1));
}

// An array of RESP2 is looked into only where it may be more than a reply: others may begin with any word.
bool ReplyOrder::may_be_unasked() const {
  if (is_resp3_) return false;
  const bool is_confirmed =
      !queries_.empty() && (queries_.front().kind == Kind::kSubscribe || queries_.front().kind == Kind::kUnsubscribe);
  return is_confirmed || std::ranges::any_of(topics_, [](const auto& names) { return !names.empty(); });
}

ReplyOrder::Verdict ReplyOrder::judge(std::string_view reply, char type) {
  const bool is_push = type == '>';
  if (!is_push && (type != '*' || !may_be_unasked())) return settle(type);
  const auto value = resp::parse_value(reply);
  if (value && value->items.size() >= 2) {
    const std::string& kind = value->items[0].text;
    if (is_message(kind)) return Verdict::kPush;
    const Query confirmed = query_of(kind, 1);
    if (confirmed.kind == Kind::kSubscribe || confirmed.kind == Kind::kUnsubscribe) {
      note(confirmed, value->items[1].text);
      return settle_confirmation(confirmed);
    }
  }
  return is_push ? Verdict::kPush : settle(type);
}

void ReplyOrder::note(const Query& confirmed, const std::string& name) {
  auto& names = topics_[confirmed.topic];
  if (confirmed.kind == Kind::kSubscribe) {
    names.insert(name);
  } else {
    names.erase(name);
  }
}

// One that no query asked for is the server's own: it unsubscribes from shard channels whose hash slot has moved.
ReplyOrder::Verdict ReplyOrder::settle_confirmation(const Query& confirmed) {
  if (queries_.empty()) return Verdict::kPush;
  Query& first = queries_.front();
  if (first.kind != confirmed.kind || first.topic != confirmed.topic) return Verdict::kPush;
  const bool is_last = first.is_of_all_left ? topics_[first.topic].empty() : --first.missing == 0;
  if (!is_last) return Verdict::kReply;
  queries_.pop_front();
  return Verdict::kLastReply;
}

// Any other reply ends its query: an error, or QUEUED, also that to a SUBSCRIBE.
ReplyOrder::Verdict ReplyOrder::settle(char type) {
  if (queries_.empty()) return Verdict::kUnexpected;
  const Kind kind = queries_.front().kind;
  queries_.pop_front();
  if (kind == Kind::kHello && (type == '%' || type == '*')) is_resp3_ = type == '%';
  if (kind == Kind::kReset && type == '+') {
    is_resp3_ = false;
    for (auto& names : topics_) names.clear();
  }
  return Verdict::kLastReply;
}

}  // namespace anteroom::client
