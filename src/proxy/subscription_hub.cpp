#include "proxy/subscription_hub.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "base/check.hpp"
#include "base/log.hpp"
#include "base/parse_int.hpp"
#include "proxy/push.hpp"
#include "proxy/session.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::array<std::string_view, kTopicKinds> kSubscribe{"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"};
constexpr std::array<std::string_view, kTopicKinds> kUnsubscribe{"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"};
constexpr std::array<std::string_view, kTopicKinds> kMessage{"message", "pmessage", "smessage"};
// A link on which nothing was heard for so long is asked whether it still is one.
constexpr auto kQuietMax = std::chrono::seconds(5);
// A link that nobody needs is kept for so long.
constexpr auto kUnneededMax = std::chrono::seconds(60);

upstream::LinkOptions for_pushes(upstream::LinkOptions options) {
  options.db = 0;
  options.protocol = resp::Protocol::kResp3;
  options.takes_pushes = true;
  options.stay_connected = true;
  return options;
}

/// The next bulk string of an encoded array; nothing if there is none.
std::optional<std::string_view> take_bulk(std::string_view& bytes) {
  const std::size_t line = bytes.find("\r\n");
  if (!bytes.starts_with('$') || line == std::string_view::npos) return std::nullopt;
  const auto size = base::parse_int(bytes.substr(1, line - 1), 0, std::numeric_limits<std::int32_t>::max());
  if (!size || line + 2 + static_cast<std::size_t>(*size) + 2 > bytes.size()) return std::nullopt;
  const std::string_view text = bytes.substr(line + 2, static_cast<std::size_t>(*size));
  bytes.remove_prefix(line + 2 + text.size() + 2);
  return text;
}

}  // namespace

SubscriptionHub::SubscriptionHub(SessionTable& sessions, upstream::LinkContext link, upstream::LinkOptions options,
                                 std::uint64_t jitter_seed)
    : sessions_(sessions),
      context_(link.with_events(*this)),
      options_(for_pushes(std::move(options))),
      jitter_seed_(jitter_seed) {}

SubscriptionHub::~SubscriptionHub() = default;

upstream::Link& SubscriptionHub::link() {
  if (!link_) {
    link_ = std::make_unique<upstream::Link>(context_, options_, ++jitter_seed_);
    if (is_closed_) link_->close();
  }
  return *link_;
}

std::size_t SubscriptionHub::topics() const noexcept {
  std::size_t sum = 0;
  for (const Topics& topics : topics_) sum += topics.size();
  return sum;
}

// --- Subscribing ---

std::expected<bool, base::StagedError> SubscriptionHub::subscribe(SessionId session, TopicKind kind,
                                                                  std::string_view name) {
  Topics& topics = topics_of(kind);
  auto found = topics.find(name);
  if (found == topics.end()) found = topics.emplace(name, Topic{}).first;
  Topic& topic = found->second;
  // After a loss everything is asked for anew when the link is up again.
  if (!topic.is_confirmed && topic.asked == 0) {
    if (auto refused = ask_for(kind, found->first, topic)) {
      if (topic.subscribers.empty()) topics.erase(found);
      return std::unexpected(std::move(*refused));
    }
  }
  topic.subscribers.push_back(session);
  const bool is_subscribed = topic.is_confirmed && is_up();
  if (!is_subscribed) topic.waiting.push_back(session);
  context_.metrics.pubsub_topics.set(static_cast<std::int64_t>(this->topics()));
  return is_subscribed;
}

bool SubscriptionHub::is_up() const noexcept { return link_ && link_->state() == upstream::Link::State::kUp; }

void SubscriptionHub::unsubscribe(SessionId session, TopicKind kind, std::string_view name) {
  static_cast<void>(leave(session, kind, name));
}

bool SubscriptionHub::unsubscribe_and_tell(SessionId session, TopicKind kind, std::string_view name) {
  if (!leave(session, kind, name)) return true;
  asked_[requests_].left = session;
  return false;
}

// Whether the server has been asked to end the subscription.
bool SubscriptionHub::leave(SessionId session, TopicKind kind, std::string_view name) {
  Topics& topics = topics_of(kind);
  const auto found = topics.find(name);
  if (found == topics.end()) return false;
  Topic& topic = found->second;
  std::erase(topic.waiting, session);
  const auto place = std::ranges::find(topic.subscribers, session);
  if (place != topic.subscribers.end()) {
    *place = topic.subscribers.back();
    topic.subscribers.pop_back();
  }
  if (!topic.subscribers.empty()) return false;
  topics.erase(found);
  last_needed_ = context_.loop.now();
  context_.metrics.pubsub_topics.set(static_cast<std::int64_t>(this->topics()));
  // If it cannot be sent, there is no connection that has the subscription.
  return link_ && !send(std::array{kUnsubscribe[static_cast<std::size_t>(kind)], name}, std::nullopt);
}

std::optional<base::StagedError> SubscriptionHub::send(std::span<const std::string_view> command,
                                                       std::optional<TopicKind> kind) {
  std::string encoded;
  resp::append_command(encoded, command);
  const upstream::RequestId id{++requests_};
  if (auto refused = link().submit(id, encoded)) return refused;
  asked_[requests_] = {kind, std::string(command.back()), std::nullopt};
  return std::nullopt;
}

std::optional<base::StagedError> SubscriptionHub::ask_for(TopicKind kind, const std::string& name, Topic& topic) {
  auto refused = send(std::array{kSubscribe[static_cast<std::size_t>(kind)], std::string_view(name)}, kind);
  topic.asked = refused ? 0 : requests_;
  return refused;
}

void SubscriptionHub::ask_for_all() {
  for (std::size_t kind = 0; kind < kTopicKinds; ++kind) {
    for (auto& [name, topic] : topics_[kind]) {
      if (!topic.is_confirmed && topic.asked == 0)
        static_cast<void>(ask_for(TopicKind{static_cast<std::uint8_t>(kind)}, name, topic));
    }
  }
}

// --- What the link says ---

void SubscriptionHub::on_ready(upstream::Link&, upstream::Ready why) {
  if (why != upstream::Ready::kUp) return;
  last_heard_ = context_.loop.now();
  bool is_again = false;
  for (Topics& topics : topics_) {
    for (auto& [name, topic] : topics) is_again |= std::exchange(topic.is_confirmed, false);
  }
  if (is_again) {
    context_.metrics.pubsub_resubscriptions.add();
    log::info("subscriptions renewed", {{"count", static_cast<std::int64_t>(topics())}});
  }
  ask_for_all();
}

void SubscriptionHub::on_reply(upstream::RequestId id, std::string_view piece, bool last) {
  last_heard_ = context_.loop.now();
  if (!last) return;  // only an error is of interest, and that comes whole
  const auto node = asked_.extract(static_cast<std::uint64_t>(id));
  if (node.empty()) return;
  std::optional<std::string> error;
  if (piece.starts_with('-')) error = std::string(piece.substr(1, piece.size() - 3));
  settle(node.key(), node.mapped(), error);
}

void SubscriptionHub::on_failed(upstream::RequestId id, const base::StagedError& error) {
  const auto node = asked_.extract(static_cast<std::uint64_t>(id));
  if (!node.empty()) settle(node.key(), node.mapped(), error.reply());
}

void SubscriptionHub::on_expired(upstream::RequestId id, const base::StagedError& error) { on_failed(id, error); }

// It may have been carried out late: whoever does not know of it must not get what comes of it.
void SubscriptionHub::on_discarded(upstream::RequestId) {}

void SubscriptionHub::settle(std::uint64_t number, const Asked& asked, const std::optional<std::string>& error) {
  if (asked.left) {
    if (Session* session = sessions_.find(*asked.left)) session->on_unsubscribed();
  }
  if (!asked.kind) return;
  Topics& topics = topics_of(*asked.kind);
  const auto found = topics.find(asked.name);
  if (found == topics.end()) return;
  Topic& topic = found->second;
  // Of one that all have left meanwhile: the server will end it before it comes to the one that is asked now.
  if (topic.asked != number) return;
  topic.asked = 0;
  topic.is_confirmed = !error;
  if (error && topic.waiting.size() < topic.subscribers.size()) {
    log::warn("subscription not renewed", {{"channel", asked.name}, {"reason", *error}});
  }
  // Each may unsubscribe, or go, when it is told.
  for (const SessionId id : std::exchange(topic.waiting, {})) {
    if (Session* session = sessions_.find(id)) session->on_subscribed(error);
  }
}

void SubscriptionHub::on_push(upstream::Link&, std::string_view push) {
  last_heard_ = context_.loop.now();
  std::string_view rest = push;
  rest.remove_prefix(std::min(rest.find("\r\n") + 2, rest.size()));
  const auto kind = take_bulk(rest);
  const auto name = kind ? take_bulk(rest) : std::nullopt;
  if (!name) return;
  const auto place = std::ranges::find(kMessage, *kind);
  if (place == kMessage.end()) return;  // nothing that we have asked for
  deliver(TopicKind{static_cast<std::uint8_t>(place - kMessage.begin())}, *name, push);
}

void SubscriptionHub::deliver(TopicKind kind, std::string_view name, std::string_view push) {
  const Topics& topics = topics_of(kind);
  const auto found = topics.find(name);
  if (found == topics.end()) return;  // just unsubscribed
  context_.metrics.pubsub_messages.add();
  Push message(push);
  for (const SessionId id : found->second.subscribers) {
    if (Session* session = sessions_.find(id)) session->push(message, kind, name);
  }
}

// --- Time ---

void SubscriptionHub::tick(base::TimePoint now) {
  if (!link_) return;
  if (topics() > 0) {
    last_needed_ = now;
    if (const auto refused = link_->refusal(0)) fail_waiting(*refused);
    if (!is_up()) return;
    ask_for_all();  // what was refused, by a server that was still loading, say
    if (now - last_heard_ >= kQuietMax && link_->pending() == 0)
      send(std::array{std::string_view("PING")}, std::nullopt);
  } else if (now - last_needed_ >= kUnneededMax && link_->is_quiet()) {
    link_.reset();
  }
}

void SubscriptionHub::fail_waiting(const base::StagedError& error) {
  std::vector<SessionId> waiting;
  for (Topics& topics : topics_) {
    for (auto& [name, topic] : topics) {
      waiting.insert(waiting.end(), topic.waiting.begin(), topic.waiting.end());
      topic.waiting.clear();
    }
  }
  for (const SessionId id : waiting) {
    if (Session* session = sessions_.find(id)) session->on_subscribed(error.reply());
  }
}

void SubscriptionHub::close() {
  is_closed_ = true;
  if (link_) link_->close();
}

}  // namespace anteroom::proxy
