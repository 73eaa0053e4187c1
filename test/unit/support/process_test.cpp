#include "support/process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <set>

#include "support/anteroom_process.hpp"
#include "support/ports.hpp"
#include "support/words.hpp"

namespace anteroom::test {
namespace {

TEST(Run, CollectsOutputErrorsAndExitStatus) {
  const Finished finished = run({"sh", "-c", "cat; echo oops >&2; exit 3"}, {.input = "text"});
  EXPECT_EQ(finished.output, "text");
  EXPECT_EQ(finished.errors, "oops\n");
  EXPECT_EQ(finished.status, ExitStatus{.code = 3});
}

TEST(Run, AProgramThatIsTooSlowIsEndedAndSaidSo) {
  const Finished finished = run({"sleep", "1000"}, {.patience = milliseconds{50}});
  EXPECT_TRUE(finished.is_timed_out);
}

TEST(Run, VariablesOfTheProgramUnderTestAreNotInherited) {
  setenv("ANTEROOM_SECRET_TEST", "x", 1);
  setenv("CACHE_TTL", "x", 1);
  const Finished finished = run({"env"}, {.environment = {{"ADDED", "yes"}, {"PORT", "7"}}});
  unsetenv("ANTEROOM_SECRET_TEST");
  unsetenv("CACHE_TTL");
  EXPECT_EQ(finished.output.find("ANTEROOM_SECRET_TEST"), std::string::npos);
  EXPECT_EQ(finished.output.find("CACHE_TTL"), std::string::npos);
  EXPECT_NE(finished.output.find("ADDED=yes\n"), std::string::npos);
  EXPECT_NE(finished.output.find("PORT=7\n"), std::string::npos);
}

TEST(Process, AMissingProgramIsAnErrorNotAnExitStatus) {
  const auto process = Process::spawn({.argv = {"/no/such/program"}});
  ASSERT_FALSE(process.has_value());
  EXPECT_NE(process.error().find("No such file"), std::string::npos);
}

TEST(Process, StopsBySignalAndReportsIt) {
  auto process = Process::spawn({.argv = {"sleep", "1000"}});
  ASSERT_TRUE(process.has_value());
  EXPECT_TRUE(process->is_running());
  EXPECT_EQ(process->stop().signal, SIGTERM);
  EXPECT_FALSE(process->is_running());
}

TEST(FreePort, GivesADifferentPortEachTime) {
  std::set<std::uint16_t> ports;
  for (int i = 0; i < 50; ++i) ports.insert(free_port());
  EXPECT_EQ(ports.size(), 50U);
}

TEST(Words, SingleQuotesHoldSpacesAndEmptyWords) {
  EXPECT_EQ(words("SET k 'a b' ''  x"), (std::vector<std::string>{"SET", "k", "a b", "", "x"}));
}

TEST(SanitizerReport, IsFoundInOutputAndNotInOrdinaryLogs) {
  EXPECT_EQ(sanitizer_report("level=info msg=\"listening\" port=8001\n"), "");
  EXPECT_EQ(sanitizer_report("a\n==1==ERROR: AddressSanitizer: heap-use-after-free\nb\n"),
            "==1==ERROR: AddressSanitizer: heap-use-after-free\nb\n");
}

}  // namespace
}  // namespace anteroom::test
