#include "proxy/monitor_feed.hpp"

#include <algorithm>
#include <string>
#include <utility>

#include "base/log.hpp"
#include "proxy/push.hpp"
#include "proxy/session.hpp"

namespace anteroom::proxy {
namespace {

constexpr std::string_view kMonitor = "*1\r\n$7\r\nMONITOR\r\n";
constexpr upstream::RequestId kOnlyRequest{1};

upstream::LinkOptions for_feed(upstream::LinkOptions options) {
  options.db = 0;
  options.takes_pushes = true;
  options.is_feed = true;
  options.stay_connected = true;
  return options;
}

}  // namespace

MonitorFeed::MonitorFeed(SessionTable& sessions, const upstream::LinkContext& link, upstream::LinkOptions options,
                         std::uint64_t jitter_seed)
    : sessions_(sessions),
      context_(link.with_events(*this)),
      options_(for_feed(std::move(options))),
      jitter_seed_(jitter_seed) {}

MonitorFeed::~MonitorFeed() = default;

void MonitorFeed::add(SessionId id) {
  if (is_on_ && link_->state() == upstream::Link::State::kUp) {
    watching_.push_back(id);
    if (Session* session = sessions_.find(id)) session->on_monitoring({});
    return;
  }
  waiting_.push_back(id);
  if (!link_) {
    link_ = std::make_unique<upstream::Link>(context_, options_, ++jitter_seed_);
    link_->start();
  } else if (const auto refused = link_->refusal(kMonitor.size())) {
    tell_waiting(refused->reply());
  }
}

void MonitorFeed::remove(SessionId id) {
  std::erase(watching_, id);
  std::erase(waiting_, id);
  if (!watching_.empty() || !waiting_.empty() || !link_) return;
  is_on_ = false;
  link_->close();
  closed_.push_back(std::move(link_));
}

void MonitorFeed::on_ready(upstream::Link& link, upstream::Ready why) {
  if (why != upstream::Ready::kUp) return;
  is_on_ = false;
  static_cast<void>(link.submit(kOnlyRequest, kMonitor));
}

void MonitorFeed::on_reply(upstream::RequestId, std::string_view piece, bool last) {
  if (!last) return;
  is_on_ = !piece.starts_with('-');
  if (!is_on_) {
    const std::string error(piece.substr(1, piece.size() - 3));
    if (!watching_.empty()) log::warn("monitor feed not renewed", {{"reason", error}});
    tell_waiting(error);
    return;
  }
  for (const SessionId id : std::exchange(waiting_, {})) {
    watching_.push_back(id);
    if (Session* session = sessions_.find(id)) session->on_monitoring({});
  }
}

void MonitorFeed::on_failed(upstream::RequestId, const base::StagedError& error) { tell_waiting(error.reply()); }

void MonitorFeed::tell_waiting(const std::string& error) {
  for (const SessionId id : std::exchange(waiting_, {})) {
    if (Session* session = sessions_.find(id)) session->on_monitoring(error);
  }
}

void MonitorFeed::on_push(upstream::Link&, std::string_view push) {
  if (!push.starts_with('+')) return;
  Push line(push);
  for (const SessionId id : watching_) {
    if (Session* session = sessions_.find(id)) session->push(line);
  }
}

void MonitorFeed::tick() {
  std::erase_if(closed_, [](const auto& link) { return link->is_quiet(); });
  if (!link_) return;
  if (link_->state() == upstream::Link::State::kUp && !is_on_ && link_->pending() == 0) {
    static_cast<void>(link_->submit(kOnlyRequest, kMonitor));  // was refused, which may be over
  }
  if (waiting_.empty() || link_->state() != upstream::Link::State::kBackoff) return;
  if (const auto refused = link_->refusal(kMonitor.size())) tell_waiting(refused->reply());
}

void MonitorFeed::close() {
  if (link_) link_->close();
}

}  // namespace anteroom::proxy
