#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "proxy/session_table.hpp"
#include "upstream/link.hpp"

namespace anteroom::proxy {

/// What MONITOR shows at the server, for all sessions of one worker that want to see it: one link, however many they
/// are, made for the first and closed after the last. After a loss it begins anew. Loop thread only.
class MonitorFeed final : private upstream::LinkEvents {
 public:
  /// As for SubscriptionHub.
  MonitorFeed(SessionTable& sessions, const upstream::LinkContext& link, upstream::LinkOptions options,
              std::uint64_t jitter_seed);
  ~MonitorFeed();

  /// The session sees the feed until remove(). Session::on_monitoring() tells when it has begun, also from inside, or
  /// that it has not; then the session has been removed.
  void add(SessionId id);
  void remove(SessionId id);
  /// Once a second: asks again for what was refused, and tells who waits for a server that is not there.
  void tick();
  void close();

 private:
  void on_reply(upstream::RequestId id, std::string_view piece, bool last) override;
  void on_failed(upstream::RequestId id, const base::StagedError& error) override;
  void on_expired(upstream::RequestId id, const base::StagedError& error) override { on_failed(id, error); }
  void on_discarded(upstream::RequestId) override {}
  void on_push(upstream::Link& link, std::string_view push) override;
  void on_ready(upstream::Link& link, upstream::Ready why) override;

  void tell_waiting(const std::string& error);

  SessionTable& sessions_;
  const upstream::LinkContext context_;
  const upstream::LinkOptions options_;
  std::uint64_t jitter_seed_;
  std::unique_ptr<upstream::Link> link_;
  std::vector<std::unique_ptr<upstream::Link>> closed_;  // until nothing calls them any more
  std::vector<SessionId> watching_;
  std::vector<SessionId> waiting_;
  bool is_on_ = false;  // the server has begun, on the connection that there is or was last
};

}  // namespace anteroom::proxy
