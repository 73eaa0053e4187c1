#include "backend/hiredis_backend.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "net/byte_stream.hpp"
#include "net/lane_source.hpp"
#include "unit/backend/backend_fixture.hpp"

namespace anteroom::backend {
namespace {

using std::chrono::milliseconds;

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> all(last - first + 1);
  std::iota(all.begin(), all.end(), first);
  return all;
}

TEST_F(HiredisBackendTest, SendsGetAndPttlPipelinedAndTellsBothReplies) {
  fetch(1, "a");
  fetch(2, "b");
  auto& server = server_with(4);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a", "GET b", "PTTL b"}));

  server.send("$1\r\nA\r\n:1500\r\n$1\r\nB\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[1].ttl, 1500);
  EXPECT_EQ(fetches_[2].value, "$1\r\nB\r\n");
  EXPECT_EQ(fetches_[2].ttl, -1);
}

TEST_F(HiredisBackendTest, ValueIsToldBeforeTheTimeToLiveIsKnown) {
  fetch(1, "a");
  auto& server = server_with(2);
  server.send("$1\r\nA\r\n");
  ASSERT_TRUE(run_until([this] { return !fetches_[1].value.empty(); }));
  EXPECT_FALSE(fetches_[1].is_over);

  server.send(":7\r\n");

  EXPECT_TRUE(over(1));
}

TEST_F(HiredisBackendTest, FetchIsNeverAnsweredFromInside) {
  backend().close();
  fetch(1, "a");
  EXPECT_FALSE(fetches_[1].is_over);

  EXPECT_TRUE(over(1));
  EXPECT_TRUE(fetches_[1].failed.starts_with("TRYAGAIN anteroom: shutting down"));
}

TEST_F(HiredisBackendTest, MissingKeyIsNullAndEmptyValueIsNot) {
  fetch(1, "missing");
  fetch(2, "empty");
  server_with(4).send("$-1\r\n:-2\r\n$0\r\n\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].value, "nil");
  EXPECT_EQ(fetches_[1].ttl, -2);
  EXPECT_EQ(fetches_[2].value, "$0\r\n\r\n");
}

TEST_F(HiredisBackendTest, KeyAndValueMayBeAnyBytes) {
  const std::string bytes("\0\r\n$\xff", 5);
  fetch(1, bytes);
  auto& server = server_with(2);
  EXPECT_EQ(server.requests()[0], "GET " + bytes);

  server.send("$5\r\n" + bytes + "\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$5\r\n" + bytes + "\r\n");
}

TEST_F(HiredisBackendTest, LargeValueArrivesWhole) {
  options_.bulk_bytes_max = 4u << 20;
  const std::string value(3'000'000, 'x');
  fetch(1, "k");
  server_with(2).send("$3000000\r\n" + value + "\r\n:-1\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$3000000\r\n" + value + "\r\n");
}

TEST_F(HiredisBackendTest, ErrorOfTheServerIsToldAsItIsAndTheNextFetchIsRight) {
  fetch(1, "list");
  fetch(2, "b");
  server_with(4).send(
      "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n:-1\r\n$1\r\nB\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 2));
  EXPECT_EQ(fetches_[1].server_error, "WRONGTYPE Operation against a key holding the wrong kind of value");
  EXPECT_EQ(fetches_[1].ttl, -1);
  EXPECT_EQ(fetches_[2].value, "$1\r\nB\r\n");
}

TEST_F(HiredisBackendTest, ErrorInsteadOfTheTimeToLiveLeavesTheValueGood) {
  fetch(1, "k");
  server_with(2).send("$1\r\nA\r\n-NOPERM no PTTL for you\r\n");

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].value, "$1\r\nA\r\n");
  EXPECT_EQ(fetches_[1].failed, "NOPERM no PTTL for you");
}

// --- What is due ---

TEST_F(HiredisBackendTest, FetchesAreToldToBeDueSomeAtATimeBeforeTheirReplies) {
  constexpr std::uint64_t kFetches = 2 * FetchEvents::kDueMax + 8;
  for (std::uint64_t id = 1; id <= kFetches; ++id) fetch(id, "k");
  auto& server = server_with(2 * kFetches);
  EXPECT_TRUE(fetches_.due.empty());

  server.send("$1\r\nA\r\n:-1\r\n");
  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_.due, numbers(1, FetchEvents::kDueMax));

  for (std::uint64_t id = 2; id <= kFetches; ++id) server.send("$1\r\nA\r\n:-1\r\n");
  ASSERT_TRUE(over(1, kFetches));
  EXPECT_EQ(fetches_.due, numbers(1, kFetches));
}

TEST_F(HiredisBackendTest, GroupThatIsDueInPartLeavesNothingBehind) {
  constexpr std::uint64_t kGroup = FetchEvents::kDueMax;  // all but its first are one too many
  for (std::uint64_t id = 1; id < kGroup; ++id) fetch(id, "k");
  const std::array<FetchId, 3> ids{FetchId{kGroup}, FetchId{kGroup + 1}, FetchId{kGroup + 2}};
  backend().fetch_group(ids, 0, std::array<std::string_view, 3>{"a", "b", "c"});
  constexpr std::uint64_t kLast = kGroup + 3;
  fetch(kLast, "k");
  auto& server = server_with(2 * (kGroup - 1) + 4 + 2);
  for (std::uint64_t id = 1; id < kGroup; ++id) server.send("$1\r\nA\r\n:-1\r\n");
  server.send("*3\r\n$1\r\nA\r\n$1\r\nB\r\n$1\r\nC\r\n:-1\r\n:-1\r\n:-1\r\n");
  server.send("$1\r\nA\r\n:-1\r\n");

  ASSERT_TRUE(over(1, kLast));
  EXPECT_EQ(fetches_[kGroup + 2].value, "$1\r\nC\r\n");
  EXPECT_EQ(fetches_.due.size(), kGroup + 1);
  EXPECT_EQ(fetches_.due.back(), kLast);
}

TEST_F(HiredisBackendTest, WhatWasDueOnALostConnectionIsForgotten) {
  for (std::uint64_t id = 1; id <= 3; ++id) fetch(id, "k");
  server_with(6).send("$1\r\nA\r\n:-1\r\n");
  ASSERT_TRUE(over(1));
  server_.last().close();
  ASSERT_TRUE(over(2, 3));

  fetch(4, "k");
  ASSERT_TRUE(run_until([this] { return server_.accepted() == 2; }));
  server_with(2).send("$1\r\nA\r\n:-1\r\n");

  ASSERT_TRUE(over(4));
  EXPECT_EQ(fetches_.due, numbers(1, 4));
}

TEST_F(HiredisBackendTest, BurstLargerThanTheSocketsBufferIsAnsweredWhole) {
  server_.set_answers(
      [](const std::string& request) { return request.starts_with("GET ") ? "$1\r\nA\r\n" : ":-1\r\n"; });
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  constexpr std::uint64_t kFetches = 5000;
  for (std::uint64_t id = 1; id <= kFetches; ++id) fetch(id, std::to_string(id) + std::string(200, 'k'));

  ASSERT_TRUE(over(1, kFetches));
  for (std::uint64_t id = 1; id <= kFetches; ++id) ASSERT_EQ(fetches_[id].failed, "") << id;
  EXPECT_EQ(server_.accepted(), 1u);
  EXPECT_EQ(metrics_.fills_sent.value(), kFetches);
}

/// A connection that takes what is written and answers the handshake.
class CountingStream final : public net::ByteStream {
 public:
  struct Written {
    std::size_t writes = 0;
    std::string bytes;
  };
  CountingStream(net::EventLoop& loop, Written& written) : loop_(loop), written_(written) {}

  void set_events(net::StreamEvents* events) noexcept override { events_ = events; }
  net::IoResult read(std::span<char> into) override {
    if (replies_.empty()) return {};
    const std::size_t size = replies_.copy(into.data(), into.size());
    replies_.erase(0, size);
    return {.status = net::IoResult::Status::kOk, .bytes = size};
  }
  net::IoResult write(std::span<const iovec> pieces) override {
    ++written_.writes;
    std::size_t size = 0;
    for (const iovec& piece : pieces) {
      written_.bytes.append(static_cast<const char*>(piece.iov_base), piece.iov_len);
      size += piece.iov_len;
    }
    if (written_.writes == 1) {
      replies_ = "%0\r\n";  // to HELLO
      loop_.next_turn([this] { events_->on_readable(); });
    }
    return {.status = net::IoResult::Status::kOk, .bytes = size};
  }
  void want_read(bool) override {}
  void want_write(bool) override {}
  void finish() noexcept override {}
  void close() noexcept override {}
  [[nodiscard]] std::string peer_name() const override { return "counting"; }
  [[nodiscard]] std::string local_name() const override { return "counting"; }

 private:
  net::EventLoop& loop_;
  Written& written_;
  net::StreamEvents* events_ = nullptr;
  std::string replies_;
};

class CountingLanes final : public net::LaneSource {
 public:
  CountingLanes(net::EventLoop& loop, CountingStream::Written& written) : loop_(loop), written_(written) {}

  Ticket open(Done done) override {
    loop_.next_turn(
        [this, done = std::move(done)]() mutable { done(std::make_unique<CountingStream>(loop_, written_)); });
    return Ticket{1};
  }
  void cancel(Ticket) noexcept override {}

 private:
  net::EventLoop& loop_;
  CountingStream::Written& written_;
};

TEST_F(HiredisBackendTest, CommandsOfATurnLeaveByOneWrite) {
  CountingStream::Written written;
  CountingLanes lanes(loop_, written);
  options_.target.lanes = &lanes;
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  written = {1, {}};
  for (std::uint64_t id = 1; id <= 20; ++id) fetch(id, "key");
  EXPECT_EQ(written.bytes, "");
  run_turn();
  EXPECT_EQ(written.writes, 2u);
  EXPECT_TRUE(written.bytes.ends_with("*2\r\n$4\r\nPTTL\r\n$3\r\nkey\r\n"));

  fetch(21, "key");
  run_turn();
  EXPECT_EQ(written.writes, 3u);
  TearDown();  // before the lanes end
}

// --- Dbs ---

TEST_F(HiredisBackendTest, SelectsWheneverTheDbChangesAndOnlyThen) {
  fetch(1, "a", 0);
  fetch(2, "b", 3);
  fetch(3, "c", 3);
  fetch(4, "d", 0);
  auto& server = server_with(10);
  EXPECT_EQ(server.requests(), (std::vector<std::string>{"GET a", "PTTL a", "SELECT 3", "GET b", "PTTL b", "GET c",
                                                         "PTTL c", "SELECT 0", "GET d", "PTTL d"}));

  server.send("$1\r\n1\r\n:-1\r\n+OK\r\n$1\r\n2\r\n:-1\r\n$1\r\n3\r\n:-1\r\n+OK\r\n$1\r\n4\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 4));
  for (std::uint64_t id = 1; id <= 4; ++id) {
    EXPECT_EQ(fetches_[id].value, "$1\r\n" + std::to_string(id) + "\r\n");
  }
}

TEST_F(HiredisBackendTest, WhatFollowsASelectThatFailedIsNoValue) {
  fetch(1, "a", 99);
  fetch(2, "b", 99);
  fetch(3, "c", 0);
  auto& server = server_with(8);

  server.send(
      "-ERR DB index is out of range\r\n$5\r\nwrong\r\n:-1\r\n$5\r\nwrong\r\n:-1\r\n+OK\r\n$5\r\nright\r\n:-1\r\n");

  ASSERT_TRUE(over(1, 3));
  EXPECT_EQ(fetches_[1].server_error, "ERR DB index is out of range");
  EXPECT_EQ(fetches_[2].server_error, "ERR DB index is out of range");
  EXPECT_EQ(fetches_[1].value + fetches_[2].value, "");
  EXPECT_EQ(fetches_[3].value, "$5\r\nright\r\n");
}

TEST_F(HiredisBackendTest, FailedSelectIsTriedAgainByTheNextFetch) {
  fetch(1, "a", 1);
  server_with(3).send("-BUSY Redis is busy running a script\r\n$-1\r\n:-2\r\n");
  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].server_error, "BUSY Redis is busy running a script");

  fetch(2, "b", 1);
  auto& server = server_with(6);
  EXPECT_EQ(server.requests()[3], "SELECT 1");
  server.send("+OK\r\n$5\r\nright\r\n:-1\r\n");

  ASSERT_TRUE(over(2));
  EXPECT_EQ(fetches_[2].value, "$5\r\nright\r\n");
}

TEST_F(HiredisBackendTest, ReplyToSelectMayComeBeforeTheGetBehindItHasLeft) {
  server_.set_answers([](const std::string& request) {
    if (request.starts_with("SELECT")) return "+OK\r\n";
    return request.starts_with("GET ") ? "$1\r\nA\r\n" : ":-1\r\n";
  });
  backend().start();
  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));

  fetch(1, std::string(1u << 20, 'k'), 1);

  ASSERT_TRUE(over(1));
  EXPECT_EQ(fetches_[1].failed, "");
  EXPECT_EQ(server_.accepted(), 1u);
}

TEST_F(HiredisBackendTest, NewConnectionBeginsInDbZero) {
  options_.reconnect_base = options_.reconnect_cap = milliseconds(10);
  fetch(1, "a", 3);
  server_with(3).close();
  ASSERT_TRUE(over(1));
  ASSERT_TRUE(run_until([this] { return server_.accepted() == 2 && outages_.is_up(); }));

  ASSERT_TRUE(run_until([this] { return metrics_.upstream_links.value() == 1; }));
  fetch(2, "b", 3);

  EXPECT_EQ(server_with(3).requests(), (std::vector<std::string>{"SELECT 3", "GET b", "PTTL b"}));
}

}  // namespace
}  // namespace anteroom::backend
