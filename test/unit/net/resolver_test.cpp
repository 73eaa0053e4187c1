#include "net/resolver.hpp"

#include <gtest/gtest.h>
#include <netdb.h>

#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "support/gate.hpp"
#include "support/loop_fixture.hpp"

namespace anteroom::net {
namespace {

const Address kSomewhere = *Address::from_numeric("192.0.2.1", 6379);

class ResolverTest : public test::LoopFixture {
 protected:
  Resolver::Callback note(std::optional<Resolved>& answer) {
    return [&answer](Resolved resolved) { answer = std::move(resolved); };
  }
  /// Blocks in every lookup until the gate opens.
  static Resolver::Lookup gated(std::shared_ptr<test::Gate> gate) {
    return [gate = std::move(gate)](const std::string&, std::uint16_t) -> Resolved {
      gate->pass();
      return std::vector{kSomewhere};
    };
  }

  Mailbox mailbox_{loop_};
  std::optional<Resolved> answer_;
};

TEST_F(ResolverTest, AnswersOnTheLoopOfTheAsker) {
  std::optional<std::thread::id> where;
  std::pair<std::string, std::uint16_t> asked;
  Resolver resolver([&](const std::string& host, std::uint16_t port) -> Resolved {
    asked = {host, port};
    return std::vector{kSomewhere};
  });

  const auto handle = resolver.resolve("redis.example", 6379, mailbox_, [&](Resolved resolved) {
    where = std::this_thread::get_id();
    answer_ = std::move(resolved);
  });
  ASSERT_TRUE(run_until([&] { return answer_.has_value(); }));

  EXPECT_EQ(where, std::this_thread::get_id());
  EXPECT_EQ(asked, std::make_pair(std::string("redis.example"), std::uint16_t{6379}));
  EXPECT_EQ(answer_->value(), std::vector{kSomewhere});
}

TEST_F(ResolverTest, NumericHostNeedsNoLookupAndIsStillAnsweredLater) {
  Resolver resolver([](const std::string&, std::uint16_t) -> Resolved {
    ADD_FAILURE() << "looked up";
    return std::unexpected(ResolveError{});
  });

  const auto handle = resolver.resolve("::1", 6379, mailbox_, note(answer_));
  EXPECT_FALSE(answer_);
  run_turn();

  ASSERT_TRUE(answer_ && *answer_);
  EXPECT_EQ((*answer_)->at(0).to_string(), "[::1]:6379");
}

TEST_F(ResolverTest, ErrorsReachTheAsker) {
  Resolver resolver([](const std::string&, std::uint16_t) -> Resolved {
    return std::unexpected(ResolveError{EAI_NONAME, "Name or service not known"});
  });
  const auto handle = resolver.resolve("no.such.host", 6379, mailbox_, note(answer_));
  ASSERT_TRUE(run_until([&] { return answer_.has_value(); }));
  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().code, EAI_NONAME);
  EXPECT_EQ(answer_->error().text, "Name or service not known");
}

TEST_F(ResolverTest, LateAnswerToACancelledQuestionIsDropped) {
  const auto gate = std::make_shared<test::Gate>();
  Resolver resolver(gated(gate));
  auto first = resolver.resolve("slow.example", 1, mailbox_, note(answer_));
  ASSERT_TRUE(gate->wait_for_arrivals(1));

  first.cancel();
  gate->open();

  std::optional<Resolved> second_answer;
  const auto second = resolver.resolve("slow.example", 1, mailbox_, note(second_answer));
  ASSERT_TRUE(run_until([&] { return second_answer.has_value(); }));
  EXPECT_FALSE(answer_);
}

TEST_F(ResolverTest, AnswerOnItsWayIsDroppedWhenTheHandleGoes) {
  Resolver resolver(gated(nullptr));
  {
    const auto handle = resolver.resolve("127.0.0.1", 1, mailbox_, note(answer_));
  }
  EXPECT_TRUE(never([&] { return answer_.has_value(); }));
}

TEST_F(ResolverTest, CancellingDestroysTheCallbackAtOnce) {
  const auto gate = std::make_shared<test::Gate>();
  Resolver resolver(gated(gate));
  const auto token = std::make_shared<int>(0);
  auto handle = resolver.resolve("slow.example", 1, mailbox_, [token](const Resolved&) {});
  handle.cancel();
  EXPECT_EQ(token.use_count(), 1);
  handle.cancel();
  gate->open();
}

TEST_F(ResolverTest, AssigningAHandleCancelsTheFormerQuestion) {
  Resolver resolver(gated(nullptr));
  std::optional<Resolved> second_answer;
  auto handle = resolver.resolve("127.0.0.1", 1, mailbox_, note(answer_));
  handle = resolver.resolve("127.0.0.2", 1, mailbox_, note(second_answer));
  ASSERT_TRUE(run_until([&] { return second_answer.has_value(); }));
  EXPECT_FALSE(answer_);
}

TEST_F(ResolverTest, HandleMayBeCancelledInItsCallback) {
  Resolver resolver(gated(nullptr));
  int calls = 0;
  Resolver::Handle handle;
  handle = resolver.resolve("127.0.0.1", 1, mailbox_, [&](const Resolved&) {
    ++calls;
    handle.cancel();
  });
  EXPECT_TRUE(run_until([&] { return calls == 1; }));
}

TEST_F(ResolverTest, TooManyWaitingQuestionsAreRefused) {
  const auto gate = std::make_shared<test::Gate>();
  Resolver resolver(gated(gate));
  std::vector<Resolver::Handle> handles;
  std::size_t answers = 0;
  const auto ask = [&] {
    handles.push_back(resolver.resolve("slow.example", 1, mailbox_, [&](const Resolved&) { ++answers; }));
  };
  ask();
  ASSERT_TRUE(gate->wait_for_arrivals(1));
  for (std::size_t i = 0; i < Resolver::kQueueMax; ++i) ask();

  const auto one_more = resolver.resolve("slow.example", 1, mailbox_, note(answer_));
  EXPECT_FALSE(answer_);
  ASSERT_TRUE(run_until([&] { return answer_.has_value(); }));

  ASSERT_FALSE(answer_->has_value());
  EXPECT_EQ(answer_->error().text, "too many lookups are waiting");
  EXPECT_EQ(answers, 0u);
  gate->open();
  EXPECT_TRUE(run_until([&] { return answers == Resolver::kQueueMax + 1; }));
}

TEST_F(ResolverTest, CancelledQuestionsMakeRoom) {
  const auto gate = std::make_shared<test::Gate>();
  Resolver resolver(gated(gate));
  const auto running = resolver.resolve("slow.example", 1, mailbox_, [](const Resolved&) {});
  ASSERT_TRUE(gate->wait_for_arrivals(1));
  for (std::size_t i = 0; i < 3 * Resolver::kQueueMax; ++i) {
    auto handle = resolver.resolve("slow.example", 1, mailbox_, [](const Resolved&) {});
    handle.cancel();
  }

  const auto handle = resolver.resolve("slow.example", 1, mailbox_, note(answer_));
  gate->open();

  ASSERT_TRUE(run_until([&] { return answer_.has_value(); }));
  EXPECT_TRUE(answer_->has_value());
  EXPECT_EQ(gate->arrivals(), 2) << "cancelled questions were looked up";
}

TEST_F(ResolverTest, HangingLookupDelaysTheEndOnlyBriefly) {
  const auto gate = std::make_shared<test::Gate>();
  std::optional<Resolver> resolver(std::in_place, gated(gate));
  const auto handle = resolver->resolve("slow.example", 1, mailbox_, note(answer_));
  ASSERT_TRUE(gate->wait_for_arrivals(1));

  const auto start = test::Clock::now();
  resolver.reset();
  EXPECT_LT(test::Clock::now() - start, test::kPatience / 2);

  // The thread that was left behind answers nobody and lets go of everything.
  gate->open();
  EXPECT_TRUE(test::eventually([&] { return gate.use_count() == 1; }));
  EXPECT_TRUE(never([&] { return answer_.has_value(); }));
}

TEST_F(ResolverTest, MailboxMayDieBeforeTheAnswer) {
  const auto gate = std::make_shared<test::Gate>();
  Resolver resolver(gated(gate));
  {
    Mailbox short_lived(loop_);
    const auto handle = resolver.resolve("slow.example", 1, short_lived, note(answer_));
    ASSERT_TRUE(gate->wait_for_arrivals(1));
  }
  gate->open();
  std::optional<Resolved> second_answer;
  const auto second = resolver.resolve("slow.example", 1, mailbox_, note(second_answer));
  ASSERT_TRUE(run_until([&] { return second_answer.has_value(); }));
  EXPECT_FALSE(answer_);
}

TEST(ResolveBlocking, LocalhostIsThisMachine) {
  const Resolved resolved = resolve_blocking("localhost", 6379);
  ASSERT_TRUE(resolved) << resolved.error().text;
  ASSERT_FALSE(resolved->empty());
  for (const Address& address : *resolved) {
    EXPECT_TRUE(address.to_string() == "127.0.0.1:6379" || address.to_string() == "[::1]:6379") << address.to_string();
  }
}

TEST(ResolveBlocking, ImpossibleNameIsAnErrorWithAText) {
  const Resolved resolved = resolve_blocking(std::string(300, 'a'), 6379);
  ASSERT_FALSE(resolved);
  EXPECT_NE(resolved.error().code, 0);
  EXPECT_FALSE(resolved.error().text.empty());
}

}  // namespace
}  // namespace anteroom::net
