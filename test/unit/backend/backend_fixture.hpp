#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "backend/hiredis_backend.hpp"
#include "base/log.hpp"
#include "net/mailbox.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "support/loop_fixture.hpp"
#include "support/scripted_server.hpp"

/// What the tests of HiredisBackend share: a scripted server, and records of all that the backend tells.
namespace anteroom::backend {

/// Writes down what became of each fetch, and that it is told once.
class RecordedFetches final : public FetchEvents {
 public:
  struct Fetch {
    std::string value;  ///< as encoded, "nil" for null
    std::optional<std::int64_t> ttl;
    std::string server_error;
    std::string failed;
    bool is_too_large = false;
    bool is_over = false;
  };

  void on_due(std::span<const FetchId> ids) override {
    EXPECT_LE(ids.size(), kDueMax);
    for (const FetchId id : ids) {
      const Fetch& fetch = fetches_[static_cast<std::uint64_t>(id)];
      EXPECT_FALSE(fetch.is_over || fetch.is_too_large || !fetch.value.empty() || !fetch.server_error.empty());
      due.push_back(static_cast<std::uint64_t>(id));
    }
  }
  void on_value(FetchId id, base::SharedBytes encoded_reply) override {
    open(id).value = encoded_reply ? *encoded_reply : "nil";
  }
  void on_ttl(FetchId id, std::int64_t pttl_ms) override {
    open(id).ttl = pttl_ms;
    end(id);
  }
  void on_server_error(FetchId id, std::string_view error) override { open(id).server_error = error; }
  void on_too_large(FetchId id) override { open(id).is_too_large = true; }
  void on_failed(FetchId id, const base::StagedError& error) override {
    open(id).failed = error.reply();
    end(id);
  }

  [[nodiscard]] Fetch& operator[](std::uint64_t id) { return fetches_[id]; }
  [[nodiscard]] bool are_over(std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t id = first; id <= last; ++id) {
      if (!fetches_[id].is_over) return false;
    }
    return true;
  }

  std::vector<std::uint64_t> due;  ///< those that were told to be

 private:
  Fetch& open(FetchId id) {
    Fetch& fetch = fetches_[static_cast<std::uint64_t>(id)];
    EXPECT_FALSE(fetch.is_over);
    return fetch;
  }
  void end(FetchId id) { fetches_[static_cast<std::uint64_t>(id)].is_over = true; }

  std::map<std::uint64_t, Fetch> fetches_;
};

/// Writes down what the server said about coherence, in order.
class RecordedCoherence final : public CoherenceEvents {
 public:
  void on_connected(const Greeting& greeting) override {
    last_greeting = greeting;
    said.push_back(greeting.tracks ? "tracks" : "does not track");
  }
  void on_lost() override { said.push_back("lost"); }
  void on_invalidated(std::string_view key) override { said.push_back("invalidated " + std::string(key)); }
  void on_all_invalidated() override { said.push_back("all invalidated"); }
  void on_fence(base::TimePoint sent) override {
    said.push_back("fence");
    last_fence = sent;
  }
  void on_held_up(bool is_held_up) override { said.push_back(is_held_up ? "held up" : "goes on"); }

  std::vector<std::string> said;
  Greeting last_greeting;
  base::TimePoint last_fence{};
};

class HiredisBackendTest : public test::LoopFixture {
 protected:
  HiredisBackendTest() {
    options_.target = server_.target();
    options_.reconnect_base = options_.reconnect_cap = std::chrono::hours(1);
  }
  void TearDown() override {
    if (!backend_) return;
    backend_->close();
    run_turn();
    backend_.reset();
    run_turn();
  }

  HiredisBackend& backend() {
    if (!backend_) {
      backend_ = std::make_unique<HiredisBackend>(
          HiredisBackend::Context{loop_, resolver_, mailbox_, outages_, metrics_, fetches_, coherence_}, options_, 1);
    }
    return *backend_;
  }
  void fetch(std::uint64_t id, std::string_view key, int db = 0) {
    backend().fetch(FetchId{id}, {.db = db, .key = key});
  }
  [[nodiscard]] bool over(std::uint64_t first, std::uint64_t last) {
    return run_until([&] { return fetches_.are_over(first, last); });
  }
  [[nodiscard]] bool over(std::uint64_t id) { return over(id, id); }
  /// The newest connection, when it has got `count` requests.
  test::ScriptedConnection& server_with(std::size_t count) {
    EXPECT_TRUE(run_until([&] { return server_.accepted() > 0 && server_.last().count() >= count; }));
    return server_.last();
  }
  /// What a fetch fails with when each command of the handshake is answered with `reply`.
  std::string error_after_handshake_reply(const std::string& reply) {
    server_.set_handshake([reply](const std::string&) { return reply; });
    fetch(1, "k");
    EXPECT_TRUE(over(1));
    return fetches_[1].failed;
  }

  log::ScopedCapture log_{log::Level::kInfo};
  test::ScriptedServer server_{loop_};
  HiredisBackend::Options options_;
  net::Resolver resolver_;
  net::Mailbox mailbox_{loop_};
  net::OutageLog outages_{"test"};
  metrics::WorkerMetrics metrics_;
  RecordedFetches fetches_;
  RecordedCoherence coherence_;
  std::unique_ptr<HiredisBackend> backend_;
};

}  // namespace anteroom::backend
