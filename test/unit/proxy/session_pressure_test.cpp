// What a session does when somebody is too slow, asks too much, breaks the protocol or leaves.
#include <gtest/gtest.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;
using test::resp_command;

std::string repeat(std::string_view text, std::size_t times) {
  std::string all;
  for (std::size_t i = 0; i < times; ++i) all += text;
  return all;
}

class SessionPressure : public test::ProxyTest {};

TEST_F(SessionPressure, WhoWaitsForAReplyIsNotIdleAndWhoDoesNotTakeItIs) {
  Client& client = connect();
  const auto is_idle = [&] { return rig().sessions.find(client.id)->is_idle_for(base::Duration::zero()); };
  EXPECT_TRUE(is_idle());

  ask(client, "GET k");
  EXPECT_FALSE(is_idle());

  client.peer.allow_writes(0);
  in_turn([this] { rig().backend.answer(0, "value"); });
  EXPECT_TRUE(is_idle());
  EXPECT_FALSE(rig().sessions.find(client.id)->owes_nothing());
}

TEST_F(SessionPressure, AllRepliesOfATurnLeaveInOneWrite) {
  Client& client = connect();
  client.peer.queue(repeat(resp_command("PING"), 100));

  expect(client, repeat("+PONG\r\n", 100));

  EXPECT_EQ(client.peer.writes(), 1);
}

TEST_F(SessionPressure, ClientThatDoesNotTakeItsRepliesIsNotReadUntilHalfIsGone) {
  options_.limits.output_pause_bytes = 1000;
  Client& client = connect();
  client.peer.allow_writes(0);
  ask(client, "ECHO " + std::string(1200, 'x'));
  EXPECT_FALSE(client.peer.wants_read());

  client.peer.allow_writes(500);
  ask(client, "PING");
  EXPECT_TRUE(client.peer.has_unread_input());
  client.peer.allow_writes(10000);

  expect(client, bulk(std::string(1200, 'x')) + "+PONG\r\n");
  EXPECT_TRUE(client.peer.wants_read());
}

TEST_F(SessionPressure, OutputLimitClosesTheClient) {
  options_.limits.output_buffer_bytes = 1000;
  Client& client = connect();
  client.peer.allow_writes(0);

  ask(client, "ECHO " + std::string(1200, 'x'));

  expect_closed(client);
  EXPECT_EQ(rig().metrics.clients_closed_output_limit.value(), 1u);
}

TEST_F(SessionPressure, RepliesThatWaitBehindAnotherCountForTheOutputLimit) {
  options_.limits.output_buffer_bytes = 1000;
  Client& client = connect();

  ask(client, "GET miss", "ECHO " + std::string(1200, 'x'));

  expect_closed(client);
  in_turn([this] { rig().backend.answer(0, "late"); });  // nobody is there to take it
}

TEST_F(SessionPressure, QueryLimitClosesTheClient) {
  options_.limits.query_buffer_bytes = 1000;
  Client& client = connect();

  send(client, "*2\r\n$4\r\nECHO\r\n$5000\r\n" + std::string(1200, 'x'));

  expect_closed(client);
  EXPECT_EQ(rig().metrics.clients_closed_query_limit.value(), 1u);
}

TEST_F(SessionPressure, DeepPipelineIsReadInPartsAndAnsweredWhole) {
  options_.limits.pipeline_depth = 4;
  Client& client = connect();
  client.peer.queue(repeat(resp_command("INCR n"), 10));
  client.peer.queue(resp_command("PING"));
  settle();
  EXPECT_EQ(forwarded(), 4u);
  EXPECT_TRUE(client.peer.has_unread_input());

  auto& link = link_with("INCR n");
  link.send(":1\r\n:1\r\n");
  ASSERT_TRUE(await([this] { return forwarded() == 6; }));
  link.send(repeat(":1\r\n", 4));
  ASSERT_TRUE(await([this] { return forwarded() == 10; }));
  link.send(repeat(":1\r\n", 4));

  expect(client, repeat(":1\r\n", 10) + "+PONG\r\n");
}

TEST_F(SessionPressure, LongBatchIsCutIntoTurnsAndLosesNothing) {
  options_.limits.requests_per_turn = 3;
  Client& client = connect();
  client.peer.queue(repeat(resp_command("PING"), 8));

  in_turn([&] { client.peer.deliver(); });
  EXPECT_EQ(client.peer.written(), repeat("+PONG\r\n", 3));

  expect(client, repeat("+PONG\r\n", 8));
}

TEST_F(SessionPressure, CongestedLinkStopsTheSessionUntilItHasDrained) {
  Client& client = connect();
  const std::string value(600 * 1024, 'x');
  for (int i = 0; i < 8; ++i) client.peer.queue(resp_command("SET k " + value));
  settle();
  EXPECT_FALSE(client.peer.wants_read());
  EXPECT_LT(forwarded(), 8u);
  Client& other = connect();
  ask(other, "PING");
  expect(other, "+PONG\r\n");

  ASSERT_TRUE(await([this] { return server_.accepted() > 0 && server_.last().count() == 8; }));
  server_.last().send(repeat("+OK\r\n", 8));

  expect(client, repeat("+OK\r\n", 8));
}

TEST_F(SessionPressure, ProtocolErrorIsAnsweredBehindEarlierRepliesAndCloses) {
  Client& client = connect();
  send(client, resp_command("INCR n") + "*1\r\nnonsense\r\n" + resp_command("PING"));

  link_with("INCR n").send(":1\r\n");

  expect(client, ":1\r\n-ERR Protocol error: expected '$', got 'n'\r\n");
  expect_closed(client);
  EXPECT_EQ(rig().metrics.clients_closed_protocol_error.value(), 1u);
}

TEST_F(SessionPressure, HalfClosedClientGetsWhatItIsOwed) {
  Client& client = connect();
  client.peer.queue(resp_command("INCR n") + resp_command("PING"));
  client.peer.end_input();
  settle();
  EXPECT_TRUE(is_alive(client));

  link_with("INCR n").send(":1\r\n");

  expect(client, ":1\r\n+PONG\r\n");
  expect_closed(client);
}

TEST_F(SessionPressure, HalfClosedClientGetsItsPutOffCommandToo) {
  Client& client = connect();
  client.peer.queue(resp_command("GET k") + resp_command("SET k v"));
  client.peer.end_input();
  settle();
  in_turn([this] { rig().backend.value(0, "old"); });

  link_with("SET k v").send("+OK\r\n");

  expect(client, bulk("old") + "+OK\r\n");
  expect_closed(client);
}

TEST_F(SessionPressure, EndOfAnIdleClientClosesItsSession) {
  Client& client = connect();
  send(client, "*1\r\n$4\r\nPI");
  client.peer.end_input();

  expect_closed(client);
  EXPECT_EQ(client.peer.take_written(), "");
}

TEST_F(SessionPressure, ReadErrorClosesAtOnce) {
  Client& client = connect();
  ask(client, "INCR n");
  client.peer.fail_reads(ECONNRESET);

  expect_closed(client);
}

TEST_F(SessionPressure, WriteErrorClosesAtOnce) {
  Client& client = connect();
  client.peer.fail_writes(EPIPE);
  ask(client, "PING");

  expect_closed(client);
}

TEST_F(SessionPressure, ReplyToAClientThatHasGoneReachesNobodyElse) {
  Client& gone = connect();
  ask(gone, "INCR n", "GET k");
  auto& link = link_with("GET k");
  gone.peer.fail_reads(ECONNRESET);
  settle();
  Client& next = connect();  // takes the place of the one that has gone
  EXPECT_EQ(next.id.index, gone.id.index);
  ask(next, "INCR m");
  EXPECT_EQ(&link_with("INCR m"), &link) << "the link lives on";

  link.send(":1\r\n" + bulk("v") + ":7\r\n");

  expect(next, ":7\r\n");
}

TEST_F(SessionPressure, DrainedSessionGetsItsRepliesAndCloses) {
  Client& client = connect();
  ask(client, "INCR n");
  in_turn([&] { session_of(client)->drain(); });
  ask(client, "PING");

  link_with("INCR n").send(":1\r\n");

  expect(client, ":1\r\n");
  expect_closed(client);
}

TEST_F(SessionPressure, GivesItsPlaceAmongTheClientsBack) {
  Client& client = connect();
  EXPECT_EQ(rig().clients.load(), 1u);
  EXPECT_EQ(rig().metrics.connected_clients.value(), 1);

  in_turn([&] { session_of(client)->close(); });

  EXPECT_EQ(rig().clients.load(), 0u);
  EXPECT_EQ(rig().metrics.connected_clients.value(), 0);
}

TEST(ClientPermit, IsRefusedAtTheLimitAndFreeAgainAfterItsEnd) {
  std::atomic<std::size_t> taken{0};
  {
    ClientPermit first(taken, 1, 7);
    const ClientPermit moved(std::move(first));
    EXPECT_TRUE(moved.is_valid());
    EXPECT_EQ(moved.client_id(), 7u);
    EXPECT_FALSE(ClientPermit(taken, 1, 8).is_valid());
  }
  EXPECT_EQ(taken.load(), 0u);
  EXPECT_TRUE(ClientPermit(taken, 1, 9).is_valid());
}

}  // namespace
}  // namespace anteroom::proxy
