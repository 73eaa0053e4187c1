// What is too large to be fetched is read on links, where it is passed on in pieces.
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "support/session_rig.hpp"

namespace anteroom::proxy {
namespace {

using test::bulk;
using test::Client;

class LargeFill : public test::ProxyTest {
 protected:
  using Requests = std::vector<std::string>;
  void too_large(std::size_t fetch) {
    in_turn([=, this] { rig().backend.too_large(fetch); });
  }
  void end(std::size_t fetch) {
    in_turn([=, this] { rig().backend.ttl(fetch, -1); });
  }
  Client& reader_of(std::string_view words) {
    Client& client = connect();
    ask(client, std::string(words));
    return client;
  }
  /// The key is known to be large from now on.
  void learn(std::string_view key) {
    Client& client = reader_of("GET " + std::string(key));
    too_large(fetches().size() - 1);
    link_with("GET " + std::string(key)).send(bulk("large"));
    expect(client, bulk("large"));
    end(fetches().size() - 1);
  }
};

TEST_F(LargeFill, IsReadOnALinkOfItsOwnAndPassedOnInPieces) {
  Client& client = reader_of("GET k");
  too_large(0);
  auto& link = link_with("GET k");
  EXPECT_EQ(rig().pinned.links() - rig().pinned.idle(), 1u);

  link.send("$100000\r\n" + std::string(50'000, 'a'));
  ASSERT_TRUE(await([&] { return client.peer.written().size() > 30'000; }));
  link.send(std::string(50'000, 'b') + "\r\n");

  expect(client, bulk(std::string(50'000, 'a') + std::string(50'000, 'b')));
  EXPECT_EQ(rig().pinned.idle(), 1u) << "given back";
  end(0);
  EXPECT_EQ(rig().fills.size(), 0u);
  EXPECT_FALSE(is_cached("k"));
}

TEST_F(LargeFill, OthersAreAnsweredOnTheSharedLinkMeanwhile) {
  reader_of("GET k");
  too_large(0);
  auto& own = link_with("GET k");
  own.send("$100000\r\n" + std::string(50'000, 'a'));

  Client& other = reader_of("INCR n");
  auto& shared = link_with("INCR n");

  EXPECT_NE(&shared, &own);
  shared.send(":1\r\n");
  expect(other, ":1\r\n");
}

TEST_F(LargeFill, EverybodyWhoWaitedReadsForHimself) {
  Client& first = reader_of("GET k");
  Client& second = reader_of("GET k");
  server_.set_answers([](const std::string&) { return bulk("v"); });
  too_large(0);

  expect(first, bulk("v"));
  expect(second, bulk("v"));
}

TEST_F(LargeFill, ReadersOfAnotherWorkerToo) {
  static_cast<void>(reader_of("GET k"));
  Client& far = connect(second_rig());
  ask(far, "GET k");
  shared_.mesh.deliver();
  server_.set_answers([](const std::string&) { return bulk("v"); });
  too_large(0);
  expect_nothing(far);

  shared_.mesh.deliver();

  expect(far, bulk("v"));
}

TEST_F(LargeFill, ReaderOfAnotherWorkerWhoComesTooLateReadsForHimself) {
  static_cast<void>(reader_of("GET k"));
  Client& far = connect(second_rig());
  ask(far, "GET k");
  server_.set_answers([](const std::string&) { return bulk("v"); });
  too_large(0);

  shared_.mesh.deliver();

  expect(far, bulk("v"));
  EXPECT_TRUE(second_rig().backend.fetches.empty());
}

TEST_F(LargeFill, NextReadsDoNotFetchIt) {
  learn("k");
  Client& client = reader_of("GET k");

  link_with("GET k").send(bulk("again"));

  expect(client, bulk("again"));
  EXPECT_EQ(fetches().size(), 1u);
  EXPECT_EQ(rig().pinned.idle(), 1u);
  EXPECT_EQ(rig().cache.stats().bypass_large, 1u);
}

TEST_F(LargeFill, WriteMakesItFetchedAgain) {
  learn("k");
  Client& writer = reader_of("SET k small");
  link_with("SET k small").send("+OK\r\n");
  expect(writer, "+OK\r\n");

  Client& client = reader_of("GET k");
  in_turn([this] { rig().backend.answer(1, "small"); });

  expect(client, bulk("small"));
  EXPECT_TRUE(is_cached("k"));
}

TEST_F(LargeFill, OtherReadsAreRepeatedAsTheyWereAsked) {
  Client& client = reader_of("HGET h f");
  too_large(0);

  link_with("HGET h f").send(bulk("v"));

  expect(client, bulk("v"));
}

TEST_F(LargeFill, WriteBehindItGoesBehindItOnTheSameLink) {
  Client& client = connect();
  ask(client, "GET k", "SET k new", "GET k");
  too_large(0);

  auto& link = link_with("SET k new");
  EXPECT_TRUE(await([&] { return link.count() == 3; }));
  EXPECT_EQ(link.requests(), (Requests{"GET k", "SET k new", "GET k"}));
  link.send(bulk("old") + "+OK\r\n" + bulk("new"));

  expect(client, bulk("old") + "+OK\r\n" + bulk("new"));
}

TEST_F(LargeFill, RepliesKeepTheirOrder) {
  Client& client = connect();
  ask(client, "GET large", "GET small");
  too_large(0);
  in_turn([this] { rig().backend.answer(1, "s"); });
  expect_nothing(client);

  link_with("GET large").send(bulk("l"));

  expect(client, bulk("l") + bulk("s"));
}

TEST_F(LargeFill, ClientThatHasGoneIsNotReadFor) {
  Client& client = reader_of("GET k");
  in_turn([&] { session_of(client)->close(); });

  too_large(0);
  end(0);

  settle();
  EXPECT_EQ(server_.link("0"), nullptr);
  EXPECT_EQ(rig().fills.size(), 0u);
}

TEST_F(LargeFill, LossOfTheLinkInTheMiddleEndsTheClient) {
  Client& client = reader_of("GET k");
  too_large(0);
  auto& link = link_with("GET k");
  link.send("$100000\r\n" + std::string(50'000, 'a'));
  ASSERT_TRUE(await([&] { return !client.peer.written().empty(); }));

  link.close();

  expect_closed(client);
}

TEST_F(LargeFill, LossBeforeTheReplyIsAnError) {
  Client& client = reader_of("GET k");
  too_large(0);

  link_with("GET k").close();

  expect(client, "-" + base::StagedError::connection_lost(base::Executed::kUnknown).reply() + "\r\n");
  EXPECT_TRUE(await([&] { return rig().pinned.links() == 0; }));
}

TEST_F(LargeFill, SharedLinkServesWhereNoOtherIsToSpare) {
  options_.pinned.links_max = 1;
  Client& client = reader_of("GET k");
  too_large(0);

  link_with("GET k").send(bulk("v"));

  expect(client, bulk("v"));
  EXPECT_EQ(rig().pinned.links(), 0u);
}

TEST_F(LargeFill, ValueOfAKeyThatChangedMeanwhileIsNotCached) {
  cache_value("other", "o");
  Client& client = reader_of("GET k");
  too_large(1);
  auto& link = link_with("GET k");
  Client& writer = reader_of("SET k small");
  link_with("SET k small").send("+OK\r\n");
  expect(writer, "+OK\r\n");
  cache_value("k", "small");

  link.send(bulk("large"));

  expect(client, bulk("large"));
  EXPECT_FALSE(is_cached("k")) << "R14: what was read last may be newer";
  EXPECT_TRUE(is_cached("other"));
}

// --- MGET ---

TEST_F(LargeFill, MgetWithALargeValueIsReadAsAWhole) {
  Client& client = reader_of("MGET a k b");
  in_turn([this] {
    rig().backend.value(0, "A");
    rig().backend.too_large(1);
    rig().backend.nil(2);
  });

  auto& link = link_with("MGET a k b");
  link.send("*3\r\n$1\r\nA\r\n$1\r\nK\r\n$-1\r\n");

  expect(client, "*3\r\n$1\r\nA\r\n$1\r\nK\r\n$-1\r\n");
  for (std::size_t fetch = 0; fetch < 3; ++fetch) end(fetch);
  EXPECT_EQ(rig().fills.size(), 0u);
  EXPECT_EQ(rig().pinned.idle(), 1u);
}

TEST_F(LargeFill, MgetOfAKeyThatIsKnownIsNotFetched) {
  learn("k");
  Client& client = reader_of("MGET a k");

  link_with("MGET a k").send("*2\r\n$1\r\nA\r\n$1\r\nK\r\n");

  expect(client, "*2\r\n$1\r\nA\r\n$1\r\nK\r\n");
  EXPECT_EQ(fetches().size(), 1u);
}

TEST_F(LargeFill, MgetOfSingleKeysIsReadAsAWholeOnceAllHaveCome) {
  options_.cached_reads.mget = MgetMode::kPerKey;
  cache_value("a", "A");
  Client& client = reader_of("MGET a k b");
  too_large(1);
  EXPECT_EQ(server_.link("0"), nullptr);
  in_turn([this] { rig().backend.answer(2, "B"); });

  link_with("MGET a k b").send("*3\r\n$1\r\nA\r\n$1\r\nK\r\n$1\r\nB\r\n");

  expect(client, "*3\r\n$1\r\nA\r\n$1\r\nK\r\n$1\r\nB\r\n");
}

// --- Behind a lost or silent connection ---

TEST_F(LargeFill, LargeReplyIsNotCollectedForSeveralReadersOfALostFill) {
  Client& first = reader_of("GET k");
  Client& second = reader_of("GET k");
  in_turn([this] { rig().fills.leave_connection(); });
  auto& link = link_with("GET k");
  const std::string large = bulk(std::string(LinkReads::kReadBytesMax, 'v'));
  server_.set_answers([](const std::string&) { return bulk("each"); });

  link.send(large);

  expect(first, bulk("each"));
  expect(second, bulk("each"));
  EXPECT_TRUE(
      rig().cache.is_known_large(cache::Cache::string_query(rig().cache.key(cache::Space{0}, "k")), loop_.now()));
}

TEST_F(LargeFill, FillThatWasGivenUpStillTellsThatItIsLarge) {
  Client& client = reader_of("GET k");
  in_turn([this] { rig().fills.leave_connection(); });
  link_with("GET k").send(bulk("v"));
  expect(client, bulk("v"));

  too_large(0);
  expect_nothing(client);

  reader_of("GET k");
  EXPECT_EQ(fetches().size(), 1u);
}

}  // namespace
}  // namespace anteroom::proxy
