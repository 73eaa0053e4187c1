#include "server/worker_options.hpp"

#include <gtest/gtest.h>

#include "config/options.hpp"

namespace anteroom::server {
namespace {

using std::chrono::milliseconds;

class WorkerOptionsTest : public ::testing::Test {
 protected:
  [[nodiscard]] WorkerOptions made(unsigned number = 0, unsigned workers = 1) const {
    return worker_options(options_, number, workers);
  }
  config::Options options_;
};

TEST_F(WorkerOptionsTest, LinkAndFillConnectionGoToTheSamePlaceAsTheSameUser) {
  options_.upstream.target.kind = config::Upstream::Kind::kTcp;
  options_.upstream.target.host = "redis.example";
  options_.upstream.target.port = 7000;
  options_.upstream.target.user = "bob";
  options_.upstream.target.password = "secret";
  options_.upstream.target.db = 5;

  const WorkerOptions worker = made();

  for (const net::ConnectTarget* target : {&worker.link.target, &worker.backend.target}) {
    EXPECT_FALSE(target->is_unix());
    EXPECT_EQ(target->host, "redis.example");
    EXPECT_EQ(target->port, 7000);
  }
  EXPECT_EQ(worker.link.credentials.user, "bob");
  EXPECT_EQ(worker.link.credentials.password, "secret");
  EXPECT_EQ(worker.backend.user, "bob");
  EXPECT_EQ(worker.backend.password, "secret");
  EXPECT_EQ(worker.link.db, 5);
}

TEST_F(WorkerOptionsTest, UnixSocketTakesThePlaceOfHostAndPort) {
  options_.upstream.target.kind = config::Upstream::Kind::kUnix;
  options_.upstream.target.path = "/run/redis.sock";

  const WorkerOptions worker = made();

  EXPECT_EQ(worker.link.target.unix_path, "/run/redis.sock");
  EXPECT_EQ(worker.backend.target.unix_path, "/run/redis.sock");
}

TEST_F(WorkerOptionsTest, WithoutRedissThereIsNoTls) {
  const auto tls = upstream_tls(options_);
  ASSERT_TRUE(tls.has_value());
  EXPECT_EQ(*tls, nullptr);
  EXPECT_FALSE(made().link.target.tls.is_wanted());
}

TEST_F(WorkerOptionsTest, LinkAndFillConnectionSpeakTheSameTls) {
  options_.upstream.target.is_tls = true;
  options_.upstream.target.host = "redis.example";
  options_.upstream.tls_verify = false;
  options_.upstream.tls_timeout = milliseconds(7);
  const auto tls = upstream_tls(options_);
  ASSERT_TRUE(tls.has_value() && *tls != nullptr);

  for (const bool is_named : {false, true}) {
    if (is_named) options_.upstream.tls_server_name = "other.example";
    const WorkerOptions worker = worker_options(options_, 0, 1, *tls);
    for (const net::ConnectTarget* target : {&worker.link.target, &worker.backend.target}) {
      EXPECT_EQ(target->tls.contexts, *tls);
      EXPECT_EQ(target->tls.server_name, is_named ? "other.example" : "redis.example");
      EXPECT_EQ(target->tls.timeout, milliseconds(7));
    }
  }
}

TEST_F(WorkerOptionsTest, AFileOfTlsThatIsNotThereIsNamedWithItsOption) {
  options_.upstream.target.is_tls = true;
  options_.upstream.tls_ca = "/nonexistent/ca.crt";
  const auto tls = upstream_tls(options_);
  ASSERT_FALSE(tls.has_value());
  EXPECT_EQ(tls.error(), "upstream.tls_ca (from default): /nonexistent/ca.crt: No such file or directory");
}

TEST_F(WorkerOptionsTest, LocalSocketIsNeverWaitedForLongerThanAHostWouldBe) {
  options_.upstream.connect_timeout = milliseconds(100);
  EXPECT_EQ(made().link.target.connect_unix_timeout, milliseconds(100));

  options_.upstream.connect_timeout = milliseconds(5000);
  EXPECT_EQ(made().link.target.connect_timeout, milliseconds(5000));
  EXPECT_LT(made().link.target.connect_unix_timeout, milliseconds(1000));
}

TEST_F(WorkerOptionsTest, UpstreamTimesAndLimitsReachLinkAndFillConnection) {
  options_.upstream.handshake_timeout = milliseconds(11);
  options_.upstream.response_timeout = milliseconds(12);
  options_.upstream.reconnect_base = milliseconds(13);
  options_.upstream.reconnect_cap = milliseconds(14);
  options_.upstream.dns_timeout = milliseconds(15);
  options_.upstream.queue_bytes_max = 16;
  options_.upstream.queue_requests_max = 17;

  const WorkerOptions worker = made();

  EXPECT_EQ(worker.link.handshake_timeout, milliseconds(11));
  EXPECT_EQ(worker.link.response_timeout, milliseconds(12));
  EXPECT_EQ(worker.link.reconnect_base, milliseconds(13));
  EXPECT_EQ(worker.link.reconnect_cap, milliseconds(14));
  EXPECT_EQ(worker.link.target.dns_timeout, milliseconds(15));
  EXPECT_EQ(worker.link.queue_bytes_max, 16u);
  EXPECT_EQ(worker.link.queue_requests_max, 17u);
  EXPECT_EQ(worker.backend.handshake_timeout, milliseconds(11));
  EXPECT_EQ(worker.backend.response_timeout, milliseconds(12));
  EXPECT_EQ(worker.backend.reconnect_base, milliseconds(13));
  EXPECT_EQ(worker.backend.reconnect_cap, milliseconds(14));
  EXPECT_EQ(worker.backend.queue_max, 17u);
}

TEST_F(WorkerOptionsTest, CacheAndClientSettingsReachTheirUsers) {
  options_.cache.ttl = milliseconds(21);
  options_.cache.negative_ttl = milliseconds(22);
  options_.cache.min_ttl = milliseconds(23);
  options_.cache.fill_timeout = milliseconds(24);
  options_.cache.coalesce_max_waiters = 25;
  options_.cache.period = milliseconds(26);
  options_.listen.idle_timeout = std::chrono::seconds(27);
  options_.commands.deny = {"debug"};
  options_.commands.denied_as = config::DeniedAs::kHidden;
  options_.commands.rename = {"config=secret", "keys="};
  options_.log.every_n = 28;

  const WorkerOptions worker = made(2, 4);

  EXPECT_EQ(worker.number, cache::OwnerId{2});
  EXPECT_EQ(worker.workers, 4u);
  EXPECT_EQ(worker.ttl.ttl, milliseconds(21));
  EXPECT_EQ(worker.ttl.negative_ttl, milliseconds(22));
  EXPECT_EQ(worker.ttl.min_ttl, milliseconds(23));
  EXPECT_EQ(worker.fill_timeout, milliseconds(24));
  EXPECT_EQ(worker.fill_waiters_max, 25u);
  EXPECT_EQ(worker.cache_period, milliseconds(26));
  EXPECT_EQ(worker.idle_timeout, std::chrono::seconds(27));
  EXPECT_EQ(worker.denied_commands, std::vector<std::string>{"debug"});
  EXPECT_EQ(worker.denied_as, proxy::DeniedAs::kHidden);
  ASSERT_EQ(worker.renames.size(), 2u);
  EXPECT_EQ(worker.renames[0].old_name, "config");
  EXPECT_EQ(worker.renames[0].new_name, "secret");
  EXPECT_EQ(worker.renames[1].old_name, "keys");
  EXPECT_EQ(worker.renames[1].new_name, "");
  EXPECT_EQ(worker.access_log_every_n, 28u);
}

TEST_F(WorkerOptionsTest, ClientLimitsReachSessionAndParser) {
  options_.limits = {.query_buffer_bytes = 31,
                     .output_buffer_bytes = 32,
                     .output_pause_bytes = 33,
                     .pipeline_depth = 34,
                     .requests_per_turn = 35,
                     .inline_bytes = 36,
                     .args = 37,
                     .bulk_bytes = 38};

  const proxy::SessionLimits limits = made().limits;

  EXPECT_EQ(limits.query_buffer_bytes, 31u);
  EXPECT_EQ(limits.output_buffer_bytes, 32u);
  EXPECT_EQ(limits.output_pause_bytes, 33u);
  EXPECT_EQ(limits.pipeline_depth, 34u);
  EXPECT_EQ(limits.requests_per_turn, 35u);
  EXPECT_EQ(limits.parser.inline_bytes_max, 36u);
  EXPECT_EQ(limits.parser.args_max, 37);
  EXPECT_EQ(limits.parser.bulk_bytes_max, 38);
  EXPECT_EQ(limits.parser.command_bytes_max, 31u);
}

TEST_F(WorkerOptionsTest, CacheIsMadeForAllWorkers) {
  options_.cache.capacity = 41;
  options_.cache.capacity_bytes = 42;
  options_.cache.max_entry_bytes = 43;

  const cache::Options cache = cache_options(options_, 4);

  EXPECT_EQ(cache.capacity, 41u);
  EXPECT_EQ(cache.capacity_bytes, 42u);
  EXPECT_EQ(cache.max_entry_bytes, 43u);
  EXPECT_EQ(cache.workers, 4u);
}

TEST_F(WorkerOptionsTest, TrackingIsAskedForAndActedOnOrNeither) {
  EXPECT_TRUE(made().backend.tracking);
  EXPECT_TRUE(made().coherence.wants_tracking);

  options_.cache.consistency = config::Consistency::kTtl;

  EXPECT_FALSE(made().backend.tracking);
  EXPECT_FALSE(made().coherence.wants_tracking);
}

TEST_F(WorkerOptionsTest, MissingKeysAreRememberedWithoutTrackingOnlyIfThatIsWanted) {
  EXPECT_EQ(made().ttl.negative_ttl, milliseconds(10'000));
  EXPECT_EQ(made().untracked_ttl.negative_ttl, milliseconds(0));

  options_.sources["cache.negative_ttl_ms"] = "flag --negative-ttl";

  EXPECT_EQ(made().untracked_ttl.negative_ttl, milliseconds(10'000));
}

TEST_F(WorkerOptionsTest, JitterIsAPartOfOne) {
  options_.cache.ttl_jitter_percent = 25;
  EXPECT_DOUBLE_EQ(made().ttl.jitter, 0.25);
}

}  // namespace
}  // namespace anteroom::server
