#include "base/staged_error.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

namespace anteroom::base {
namespace {

using std::chrono::milliseconds;

std::vector<StagedError> one_of_each() {
  return {StagedError::dns_failed("h", milliseconds(1)),
          StagedError::connect_failed(Stage::kConnect, "why", milliseconds(1)),
          StagedError::connect_failed(Stage::kConnectUnix, "why", milliseconds(1)),
          StagedError::tls_timeout(milliseconds(1)),
          StagedError::tls_failed("why", milliseconds(1)),
          StagedError::tls_refused("expired"),
          StagedError::handshake_timeout(milliseconds(1)),
          StagedError::handshake_lost(),
          StagedError::authentication_failed("WRONGPASS x"),
          StagedError::handshake_refused("x"),
          StagedError::overloaded(),
          StagedError::write_stalled(milliseconds(1)),
          StagedError::no_reply(milliseconds(1)),
          StagedError::connection_lost(Executed::kNo),
          StagedError::connection_lost(Executed::kUnknown),
          StagedError::reply_cut(),
          StagedError::shutting_down()};
}

TEST(StagedError, TextNamesStageAndWhatIsKnown) {
  EXPECT_EQ(StagedError::connect_failed(Stage::kConnect, "127.0.0.1:1: Connection refused", milliseconds(3)).reply(),
            "MASTERDOWN anteroom: cannot connect to upstream: 127.0.0.1:1: Connection refused (stage=connect "
            "executed=no after=3ms)");
  EXPECT_EQ(StagedError::tls_timeout(milliseconds(2000)).reply(),
            "MASTERDOWN anteroom: upstream did not finish the TLS handshake (stage=tls executed=no after=2000ms)");
  EXPECT_EQ(StagedError::tls_refused("wrong_name").reply(),
            "ERR anteroom: upstream TLS verification failed (stage=tls executed=no reason=wrong_name)");
  EXPECT_EQ(StagedError::no_reply(milliseconds(3000)).reply(),
            "TIMEOUT anteroom: no reply from upstream within 3000ms (stage=response executed=unknown)");
  EXPECT_EQ(StagedError::connection_lost(Executed::kUnknown).reply(),
            "CONNLOST anteroom: upstream connection lost before the reply (stage=response executed=unknown)");
}

TEST(StagedError, CodesThatClientsRetryAreOnlySentWhenNothingRan) {
  const std::set<std::string_view> retried = {"LOADING",     "READONLY", "MASTERDOWN",
                                              "CLUSTERDOWN", "TRYAGAIN", "NOREPLICAS"};
  for (const StagedError& error : one_of_each()) {
    if (retried.contains(error.code)) {
      EXPECT_EQ(error.executed, Executed::kNo) << error.reply();
    }
  }
}

TEST(StagedError, NeverMoreThanOneLine) {
  for (const StagedError& error : one_of_each()) EXPECT_EQ(error.reply().find_first_of("\r\n"), std::string::npos);
  const StagedError hostile = StagedError::handshake_refused("a\r\n+OK\r\n" + std::string(1000, 'x'));

  EXPECT_EQ(hostile.reply().find_first_of("\r\n"), std::string::npos);
  EXPECT_LE(hostile.reply().size(), 256u);
}

TEST(StagedError, VerbatimTextIsPassedOnUnchanged) {
  EXPECT_EQ(StagedError::verbatim("ERR DB index is out of range").reply(), "ERR DB index is out of range");
}

TEST(StagedError, AuthenticationErrorKeepsOnlyTheCode) {
  const std::string reply = StagedError::authentication_failed("WRONGPASS invalid username-password pair").reply();

  EXPECT_EQ(reply, "ERR anteroom: upstream authentication failed (stage=handshake executed=no upstream=WRONGPASS)");
}

}  // namespace
}  // namespace anteroom::base
