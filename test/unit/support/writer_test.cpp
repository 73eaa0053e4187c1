#include "support/writer.hpp"

#include <gtest/gtest.h>

namespace anteroom::test {
namespace {

Outcome of(std::string_view bytes) { return outcome_of(parse_reply(bytes).reply); }

Outcome of_trouble(std::string_view raw) {
  Reply reply;
  reply.raw = raw;
  return outcome_of(reply);
}

TEST(OutcomeOf, RepliesThatAreNoErrorsAcknowledge) {
  for (const std::string_view bytes : {"+OK\r\n", ":0\r\n", "$-1\r\n", "$1\r\nx\r\n", "*1\r\n+OK\r\n"}) {
    EXPECT_EQ(of(bytes), Outcome::kAcknowledged) << bytes;
  }
}

TEST(OutcomeOf, OnlyCertainErrorsMeanThatItDidNotRun) {
  for (const std::string_view bytes : {"-ERR anteroom: no connection (stage=connect executed=no)\r\n",
                                       "-LOADING Redis is loading the dataset in memory\r\n", "-ERR no such key\r\n"}) {
    EXPECT_EQ(of(bytes), Outcome::kNotExecuted) << bytes;
  }
  for (const std::string_view bytes : {"-ERR anteroom: timeout (stage=reply executed=unknown)\r\n", "-ERR other\r\n"}) {
    EXPECT_EQ(of(bytes), Outcome::kUnknown) << bytes;
  }
}

TEST(OutcomeOf, LostConnectionsLeaveItOpen) {
  EXPECT_EQ(of_trouble("<refused>"), Outcome::kNotExecuted);
  EXPECT_EQ(of_trouble("<closed>"), Outcome::kUnknown);
  EXPECT_EQ(of_trouble("<timeout>"), Outcome::kUnknown);
}

TEST(FinishWrite, UnknownOutcomeKeepsTheGroupFromBeingWritten) {
  KeySpace keys({.single_keys = 2, .groups = 0});
  OperationLog log;
  finish_write({.group = 0}, keys, log);
  EXPECT_EQ(keys.group(0).in_doubt_until, 0);
  finish_write({.group = 0, .outcome = Outcome::kUnknown}, keys, log);
  EXPECT_GT(keys.group(0).in_doubt_until, now());
  EXPECT_EQ(keys.group(1).in_doubt_until, 0);
  EXPECT_EQ(log.writes.size(), 2U);
}

TEST(WriteForms, ChangeAllKeysOfAGroupInOneCommandOrTransaction) {
  const WriteForm::Job job{.keys = {"a", "b"}, .values = {"1", "2"}, .ttl_ms = "7"};
  for (const WriteForm& form : write_forms()) {
    const WriteForm::Commands commands = form.commands(job);
    const bool is_transaction = commands.front() == std::vector<std::string>{"MULTI"};
    EXPECT_TRUE(commands.size() == 1 || (is_transaction && commands.back() == std::vector<std::string>{"EXEC"}))
        << form.name;
    EXPECT_FALSE(form.is_deletion && form.expires) << form.name;
    EXPECT_FALSE(form.keys == WriteForm::Keys::kWholeGroup && form.expires) << form.name;
  }
}

}  // namespace
}  // namespace anteroom::test
