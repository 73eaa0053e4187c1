#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "metrics/worker_metrics.hpp"
#include "proxy/session_table.hpp"
#include "upstream/link.hpp"

namespace anteroom::proxy {

enum class TopicKind : std::uint8_t { kChannel, kPattern, kShardChannel };
inline constexpr std::size_t kTopicKinds = 3;

/// The subscriptions of one worker's sessions: one at the server for each channel, however many clients have it, all on
/// one link of their own. The link speaks RESP3 and is made when it is first needed. After a loss everything is
/// subscribed to anew; what was published meanwhile is lost, as it is for a client that connects again itself
/// (https://redis.io/docs/latest/develop/pubsub/, at-most-once delivery). Loop thread only.
class SubscriptionHub final : private upstream::LinkEvents {
 public:
  /// Around it, outliving it; `link.events` is not used.
  SubscriptionHub(SessionTable& sessions, upstream::LinkContext link, upstream::LinkOptions options,
                  std::uint64_t jitter_seed);
  ~SubscriptionHub();

  /// The session gets what comes for `name` until unsubscribe(). True: the server has confirmed it. False: it is asked,
  /// and Session::on_subscribed() will tell; whatever it says, the session is a subscriber until it unsubscribes.
  /// REQUIRES: the session has not subscribed to it.
  [[nodiscard]] std::expected<bool, base::StagedError> subscribe(SessionId session, TopicKind kind,
                                                                 std::string_view name);
  void unsubscribe(SessionId session, TopicKind kind, std::string_view name);
  /// The same for who wants to know when it is over. False: Session::on_unsubscribed() will tell.
  [[nodiscard]] bool unsubscribe_and_tell(SessionId session, TopicKind kind, std::string_view name);

  /// Once a second: notices a link that has fallen silent, asks again for what was refused, and closes a link that
  /// nobody needs.
  void tick(base::TimePoint now);
  void close();

  /// Channels, patterns and shard channels that the server is asked for.
  [[nodiscard]] std::size_t topics() const noexcept;

 private:
  struct Topic {
    std::vector<SessionId> subscribers;
    std::vector<SessionId> waiting;  // of those, who has not been told yet
    bool is_confirmed = false;
    std::uint64_t asked = 0;  // the SUBSCRIBE that is under way; 0: none
  };
  struct NameHash {
    using is_transparent = void;  // NOLINT(readability-identifier-naming): the library's name
    std::size_t operator()(std::string_view name) const noexcept { return std::hash<std::string_view>{}(name); }
  };
  using Topics = std::unordered_map<std::string, Topic, NameHash, std::equal_to<>>;
  /// A command on the link. Of a PING and an UNSUBSCRIBE nobody wants to know the reply.
  struct Asked {
    std::optional<TopicKind> kind;  // of a subscription
    std::string name;
    std::optional<SessionId> left;  // who has unsubscribed
  };

  void on_reply(upstream::RequestId id, std::string_view piece, bool last) override;
  void on_failed(upstream::RequestId id, const base::StagedError& error) override;
  void on_expired(upstream::RequestId id, const base::StagedError& error) override;
  void on_discarded(upstream::RequestId id) override;
  void on_push(upstream::Link& link, std::string_view push) override;
  void on_ready(upstream::Link& link, upstream::Ready why) override;

  [[nodiscard]] upstream::Link& link();
  [[nodiscard]] Topics& topics_of(TopicKind kind) { return topics_[static_cast<std::size_t>(kind)]; }
  std::optional<base::StagedError> send(std::span<const std::string_view> command, std::optional<TopicKind> kind);
  [[nodiscard]] bool leave(SessionId session, TopicKind kind, std::string_view name);
  [[nodiscard]] bool is_up() const noexcept;
  void fail_waiting(const base::StagedError& error);
  [[nodiscard]] std::optional<base::StagedError> ask_for(TopicKind kind, const std::string& name, Topic& topic);
  void ask_for_all();
  void settle(std::uint64_t number, const Asked& asked, const std::optional<std::string>& error);
  void deliver(TopicKind kind, std::string_view name, std::string_view push);

  SessionTable& sessions_;
  const upstream::LinkContext context_;
  const upstream::LinkOptions options_;
  std::uint64_t jitter_seed_;
  std::unique_ptr<upstream::Link> link_;
  std::array<Topics, kTopicKinds> topics_;
  std::unordered_map<std::uint64_t, Asked> asked_;  // by request id
  std::uint64_t requests_ = 0;
  base::TimePoint last_heard_{};
  base::TimePoint last_needed_{};
  bool is_closed_ = false;
};

}  // namespace anteroom::proxy
