#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "support/link_fixture.hpp"
#include "upstream/link.hpp"

namespace anteroom::upstream {

inline std::string command(std::string_view word) {
  return "*1\r\n$" + std::to_string(word.size()) + "\r\n" + std::string(word) + "\r\n";
}

/// One link to a scripted server.
class LinkTest : public test::LinkFixture {
 protected:
  /// The link is torn down and what it deferred is run, as the worker does.
  void TearDown() override {
    if (!link_) return;
    link_->close();
    run_turn();
    EXPECT_EQ(metrics_.upstream_pending.value(), 0);
  }

  Link& link() {
    if (!link_) link_ = std::make_unique<Link>(context(), options_, 1);
    return *link_;
  }
  void submit(std::uint64_t id, std::string_view word) {
    const auto refused = link().submit(RequestId{id}, command(word));
    EXPECT_FALSE(refused.has_value()) << refused->reply();
  }
  [[nodiscard]] std::string refusal(std::string_view word = "X") {
    const auto refused = link().submit(RequestId{99}, command(word));
    EXPECT_FALSE(events_.knows(99));
    return refused ? refused->reply() : "accepted";
  }
  /// Submits 1 and lets the handshake go wrong with this reply to each of its commands.
  std::string error_after_handshake_reply(const std::string& reply) {
    server_.set_handshake([reply](const std::string&) { return reply; });
    submit(1, "A");
    EXPECT_TRUE(failed(1));
    EXPECT_EQ(link().state(), Link::State::kBackoff);
    EXPECT_EQ(refusal(), events_[1].failed) << "in the pause the same error is given at once";
    return events_[1].failed;
  }

  std::unique_ptr<Link> link_;
};

}  // namespace anteroom::upstream
