#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "proxy/reply_queue.hpp"
#include "proxy/subscription_hub.hpp"

namespace anteroom::proxy {

/// What one session has subscribed to, and the SUBSCRIBE that it waits for. Plain data; made with the first one.
struct Subscriber {
  using Names = std::set<std::string, std::less<>>;

  std::array<Names, kTopicKinds> names;

  /// A SUBSCRIBE whose channels are not all confirmed yet. There is one at most: the session waits for it.
  struct Pending {
    ReplyQueue::Slot slot = 0;
    TopicKind kind{};
    std::vector<std::string> asked;  // as in the command
    std::vector<std::string> added;  // of those, what is new
    std::size_t missing = 0;
    std::string error;
  };
  Pending pending;
  /// An UNSUBSCRIBE, likewise.
  struct Leaving {
    ReplyQueue::Slot slot = 0;
    std::string reply;
    std::size_t missing = 0;
  };
  Leaving leaving;

  [[nodiscard]] Names& of(TopicKind kind) { return names[static_cast<std::size_t>(kind)]; }
  /// As the server counts in its confirmations: shard channels apart.
  [[nodiscard]] std::size_t count(TopicKind kind) const noexcept {
    if (kind == TopicKind::kShardChannel) return names[2].size();
    return names[0].size() + names[1].size();
  }
  [[nodiscard]] bool is_active() const noexcept { return !names[0].empty() || !names[1].empty() || !names[2].empty(); }
};

}  // namespace anteroom::proxy
