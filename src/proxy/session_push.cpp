// What a Session gets without asking each time: subscriptions and MONITOR.
#include <algorithm>
#include <utility>

#include "metrics/worker_metrics.hpp"
#include "net/event_loop.hpp"
#include "proxy/monitor_feed.hpp"
#include "proxy/push.hpp"
#include "proxy/session.hpp"
#include "proxy/subscription_hub.hpp"
#include "resp/writer.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::array<std::string_view, kTopicKinds> kSubscribed{"subscribe", "psubscribe", "ssubscribe"};
constexpr std::array<std::string_view, kTopicKinds> kUnsubscribed{"unsubscribe", "punsubscribe", "sunsubscribe"};

void append_confirmation(std::string& out, std::string_view what, const std::string* name, std::size_t count,
                         resp::Protocol protocol) {
  resp::append_push_header(out, 3, protocol);
  resp::append_bulk(out, what);
  if (name != nullptr) {
    resp::append_bulk(out, *name);
  } else {
    resp::append_null(out, protocol);
  }
  resp::append_integer(out, static_cast<std::int64_t>(count));
}

}  // namespace

void Session::push(Push& message) {
  // Whoever is to be closed for not keeping up gets no more.
  if (phase_ != Phase::kOpen || over_limit()) return;
  replies_.append_push(message.bytes(lane_.protocol));
  schedule_flush();
}

void Session::push(Push& message, TopicKind kind, std::string_view name) {
  const Subscriber::Pending& pending = subscriber_->pending;
  const bool is_pending = pending.missing > 0 && pending.kind == kind;
  if (is_pending && std::ranges::find(pending.added, name) != pending.added.end()) return;
  push(message);
}

bool Session::is_subscribed() const noexcept { return subscriber_ && subscriber_->is_active(); }

// --- SUBSCRIBE ---

// Nothing is owed when it comes here, so the confirmations go out before any message.
void Session::subscribe(const Request& request, TopicKind kind) {
  if (!subscriber_) subscriber_ = std::make_unique<Subscriber>();
  const bool was_subscribed = subscriber_->is_active();
  Subscriber::Pending pending{.slot = 0, .kind = kind, .asked = {}, .added = {}, .missing = 0, .error = {}};
  for (const std::string_view name : request.args.subspan(1)) {
    pending.asked.emplace_back(name);
    if (!subscriber_->of(kind).emplace(name).second) continue;
    const auto subscribed = services_.subscriptions.subscribe(id_, kind, name);
    if (!subscribed) {
      subscriber_->of(kind).erase(subscriber_->of(kind).find(name));
      take_back(pending);
      answer_error(request, subscribed.error().reply());
      return;
    }
    pending.added.emplace_back(name);
    if (!*subscribed) ++pending.missing;
  }
  if (!was_subscribed) services_.metrics.pubsub_clients.add(1);
  pending.slot = replies_.reserve();
  note_started(pending.slot, request, Outcome::Source::kForwarded);
  subscriber_->pending = std::move(pending);
  if (subscriber_->pending.missing == 0) {
    confirm_subscription();
  } else {
    wait_for(subscriber_->pending.slot);
  }
}

void Session::on_subscribed(const std::optional<std::string>& error) {
  Subscriber::Pending& pending = subscriber_->pending;
  if (pending.missing == 0) return;
  if (error && pending.error.empty()) pending.error = *error;
  if (--pending.missing == 0) confirm_subscription();
}

void Session::confirm_subscription() {
  const Subscriber::Pending pending = std::exchange(subscriber_->pending, {});
  std::string reply;
  if (pending.error.empty()) {
    replies_.unmute(pending.slot);  // CLIENT REPLY OFF is about replies, and for Redis this is a message
    std::size_t count = subscriber_->count(pending.kind) - pending.added.size();
    auto added = pending.added.begin();
    for (const std::string& name : pending.asked) {
      if (added != pending.added.end() && name == *added) {
        ++count;
        ++added;
      }
      append_confirmation(reply, kSubscribed[static_cast<std::size_t>(pending.kind)], &name, count, lane_.protocol);
    }
  } else {
    take_back(pending);
    if (!subscriber_->is_active()) services_.metrics.pubsub_clients.add(-1);
    resp::append_error(reply, pending.error);
  }
  replies_.append(pending.slot, reply);
  schedule_flush();
  slot_ended(pending.slot, pending.error);
}

// All of the command or nothing.
void Session::take_back(const Subscriber::Pending& pending) {
  for (const std::string& name : pending.added) {
    subscriber_->of(pending.kind).erase(name);
    services_.subscriptions.unsubscribe(id_, pending.kind, name);
  }
}

// As after the server's own confirmation, nothing is delivered, or counted as received, any more.
void Session::unsubscribe(const Request& request, TopicKind kind) {
  if (!subscriber_) subscriber_ = std::make_unique<Subscriber>();
  const bool was_subscribed = is_subscribed();
  std::vector<std::string> names(request.args.begin() + 1, request.args.end());
  if (names.empty()) names.assign(subscriber_->of(kind).begin(), subscriber_->of(kind).end());
  const std::string_view what = kUnsubscribed[static_cast<std::size_t>(kind)];
  Subscriber::Leaving& leaving = subscriber_->leaving;
  leaving = {};
  for (const std::string& name : names) {
    const bool is_new = subscriber_->of(kind).erase(name) > 0;
    if (is_new && !services_.subscriptions.unsubscribe_and_tell(id_, kind, name)) ++leaving.missing;
    append_confirmation(leaving.reply, what, &name, subscriber_->count(kind), lane_.protocol);
  }
  if (names.empty()) append_confirmation(leaving.reply, what, nullptr, subscriber_->count(kind), lane_.protocol);
  if (was_subscribed && !is_subscribed()) services_.metrics.pubsub_clients.add(-1);
  leaving.slot = replies_.reserve();
  note_started(leaving.slot, request, Outcome::Source::kForwarded);
  if (leaving.missing == 0) {
    confirm_unsubscription();
  } else {
    wait_for(leaving.slot);
  }
}

void Session::on_unsubscribed() {
  // After a RESET, say, nobody waits for it.
  if (!subscriber_ || subscriber_->leaving.missing == 0) return;
  --subscriber_->leaving.missing;
  if (subscriber_->leaving.missing == 0) confirm_unsubscription();
}

void Session::confirm_unsubscription() {
  const Subscriber::Leaving left = std::exchange(subscriber_->leaving, {});
  replies_.unmute(left.slot);
  replies_.append(left.slot, left.reply);
  schedule_flush();
  slot_ended(left.slot, {});
}

// --- MONITOR ---

void Session::monitor(const Request& request) {
  is_monitor_ = true;
  services_.metrics.monitors.add(1);
  const ReplyQueue::Slot slot = replies_.reserve();
  note_started(slot, request, Outcome::Source::kForwarded);
  monitor_slot_ = slot;
  services_.monitor.add(id_);
  wait_for(slot);
}

void Session::on_monitoring(const std::string& error) {
  if (!error.empty()) leave_monitor();
  const ReplyQueue::Slot slot = *std::exchange(monitor_slot_, std::nullopt);
  std::string reply(kOk);
  if (!error.empty()) {
    reply.clear();
    resp::append_error(reply, error);
  }
  replies_.append(slot, reply);
  schedule_flush();
  slot_ended(slot, error);
}

void Session::leave_monitor() {
  if (!std::exchange(is_monitor_, false)) return;
  services_.metrics.monitors.add(-1);
  services_.monitor.remove(id_);
}

// --- Leaving ---

void Session::leave_feeds() {
  leave_monitor();
  if (is_subscribed()) services_.metrics.pubsub_clients.add(-1);
  if (!subscriber_) return;
  for (std::size_t kind = 0; kind < kTopicKinds; ++kind) {
    for (const std::string& name : subscriber_->names[kind]) {
      services_.subscriptions.unsubscribe(id_, TopicKind{static_cast<std::uint8_t>(kind)}, name);
    }
  }
  subscriber_.reset();
}

std::size_t Session::output_limit() const noexcept {
  const SessionLimits& limits = services_.limits;
  return is_subscribed() || is_monitor_ ? std::min(limits.pubsub_output_bytes, limits.output_buffer_bytes)
                                        : limits.output_buffer_bytes;
}

void Session::note_output_size() {
  const bool is_over = (is_subscribed() || is_monitor_) && out_.size() > services_.limits.pubsub_output_soft_bytes;
  if (!is_over) {
    over_soft_since_.reset();
  } else if (!over_soft_since_) {
    over_soft_since_ = services_.loop.now();
  }
}

}  // namespace anteroom::proxy
