#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "support/loop_fixture.hpp"
#include "support/scripted_server.hpp"
#include "upstream/link.hpp"
#include "upstream/server_facts.hpp"

namespace anteroom::test {

/// Writes down what a link tells of each request.
class RecordedEvents final : public upstream::LinkEvents {
 public:
  struct Request {
    std::string reply;
    int pieces = 0;
    bool is_complete = false;
    std::string failed;   ///< error text; empty if it has not failed
    std::string expired;  ///< likewise
    bool is_discarded = false;
  };

  void on_reply(upstream::RequestId id, std::string_view piece, bool last) override {
    Request& request = open(id);
    request.reply += piece;
    ++request.pieces;
    request.is_complete = last;
  }
  void on_failed(upstream::RequestId id, const base::StagedError& error) override {
    Request& request = open(id);
    EXPECT_EQ(request.expired, "");
    request.failed = error.reply();
    if (when_failed) when_failed(id);
  }
  void on_expired(upstream::RequestId id, const base::StagedError& error) override {
    Request& request = open(id);
    EXPECT_EQ(request.expired, "");
    request.expired = error.reply();
    if (when_expired) when_expired(id);
  }
  void on_discarded(upstream::RequestId id) override {
    Request& request = open(id);
    EXPECT_NE(request.expired, "");
    request.is_discarded = true;
  }
  void on_ready(upstream::Link&, upstream::Ready why) override { ++(why == upstream::Ready::kUp ? ups : drained); }
  void before_write(upstream::Link& link) override { queued_before_writes.push_back(link.queued_bytes()); }

  [[nodiscard]] Request& operator[](std::uint64_t id) { return requests_[id]; }
  [[nodiscard]] bool knows(std::uint64_t id) const { return requests_.contains(id); }

  void on_push(upstream::Link&, std::string_view push) override { pushes.emplace_back(push); }

  std::function<void(upstream::RequestId)> when_failed;   ///< what is done on hearing of it
  std::function<void(upstream::RequestId)> when_expired;  ///< likewise
  int drained = 0;
  int ups = 0;
  std::vector<std::size_t> queued_before_writes;
  std::vector<std::string> pushes;

 private:
  /// After its last event there must not be another one.
  Request& open(upstream::RequestId id) {
    Request& request = requests_[static_cast<std::uint64_t>(id)];
    EXPECT_FALSE(request.is_complete || !request.failed.empty() || request.is_discarded);
    return request;
  }
  std::map<std::uint64_t, Request> requests_;
};

/// Tests with links to a ScriptedServer.
class LinkFixture : public LoopFixture {
 protected:
  LinkFixture() {
    options_.target = server_.target();
    options_.reconnect_base = options_.reconnect_cap = std::chrono::hours(1);
  }

  [[nodiscard]] upstream::LinkContext context() {
    return {loop_, resolver_, mailbox_, outages_, facts_, metrics_, events_};
  }
  /// Waits until the server has got `count` requests on its newest connection.
  [[nodiscard]] ScriptedConnection& server_with(std::size_t count) {
    EXPECT_TRUE(run_until([&] { return server_.accepted() > 0 && server_.last().count() >= count; }));
    return server_.last();
  }
  [[nodiscard]] bool answered(std::uint64_t id) {
    return run_until([&] { return events_[id].is_complete; });
  }
  [[nodiscard]] bool failed(std::uint64_t id) {
    return run_until([&] { return !events_[id].failed.empty(); });
  }
  [[nodiscard]] bool expired(std::uint64_t id) {
    return run_until([&] { return !events_[id].expired.empty(); });
  }
  [[nodiscard]] bool discarded(std::uint64_t id) {
    return run_until([&] { return events_[id].is_discarded; });
  }

  log::ScopedCapture log_{log::Level::kInfo};
  ScriptedServer server_{loop_};
  upstream::LinkOptions options_;
  net::Resolver resolver_;
  net::Mailbox mailbox_{loop_};
  net::OutageLog outages_{"test"};
  upstream::ServerFacts facts_;
  metrics::WorkerMetrics metrics_;
  RecordedEvents events_;
};

}  // namespace anteroom::test
