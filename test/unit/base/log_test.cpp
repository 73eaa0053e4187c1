#include "base/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "base/log_format.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::log {
namespace {

using test::TempDir;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string logfmt(Fields fields, std::string_view event = "e") {
  return detail::format_logfmt({.time = {}, .event = event, .fields = {fields.begin(), fields.size()}});
}
std::string json(Fields fields, std::string_view event = "e") {
  return detail::format_json({.time = {}, .event = event, .fields = {fields.begin(), fields.size()}});
}

TEST(LogFormat, FieldsKeepTheirOrderAndTypes) {
  EXPECT_EQ(logfmt({{"addr", "127.0.0.1"}, {"port", 8001}, {"ratio", 0.5}, {"up", true}}, "listening"),
            "level=info event=listening addr=127.0.0.1 port=8001 ratio=0.5 up=true");
  EXPECT_EQ(json({{"addr", "127.0.0.1"}, {"port", 8001}, {"ratio", 0.5}, {"up", true}}, "listening"),
            R"({"level":"info","event":"listening","addr":"127.0.0.1","port":8001,"ratio":0.5,"up":true})");
}

TEST(LogFormat, IntegersOfEveryWidthAreExact) {
  EXPECT_EQ(json({{"a", std::numeric_limits<std::int64_t>::min()},
                  {"b", std::numeric_limits<std::uint64_t>::max()},
                  {"c", std::uint16_t{7}}}),
            R"({"level":"info","event":"e","a":-9223372036854775808,"b":18446744073709551615,"c":7})");
}

TEST(LogFormat, NumbersThatJsonHasNoWordForAreStrings) {
  EXPECT_EQ(json({{"a", std::nan("")}, {"b", -HUGE_VAL}}), R"({"level":"info","event":"e","a":"nan","b":"-inf"})");
  EXPECT_EQ(logfmt({{"a", HUGE_VAL}}), "level=info event=e a=inf");
}

TEST(LogFormat, LogfmtQuotesWhatAReaderCouldMistake) {
  EXPECT_EQ(logfmt({{"a", ""}, {"b", "x y"}, {"c", "k=v"}, {"d", "say \"hi\""}, {"e", "back\\slash"}}, "link up"),
            R"(level=info event="link up" a="" b="x y" c="k=v" d="say \"hi\"" e="back\\slash")");
}

TEST(LogFormat, ControlCharactersAreEscapedInBothFormats) {
  const std::string value("\n\r\t\x1b[31m\x7f\0\xC2\x85", 12);
  EXPECT_EQ(logfmt({{"a", value}}), R"(level=info event=e a="\n\r\t\u001b[31m\u007f\u0000\u0085")");
  EXPECT_EQ(json({{"a", value}}), R"({"level":"info","event":"e","a":"\n\r\t\u001b[31m\u007f\u0000\u0085"})");
  EXPECT_EQ(logfmt({{"a", "\xE2\x80\xA8"}}), R"(level=info event=e a="\u2028")");
}

TEST(LogFormat, Utf8StaysAndOtherBytesAreReplaced) {
  EXPECT_EQ(json({{"a", "h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80"}}),
            "{\"level\":\"info\",\"event\":\"e\",\"a\":\"h\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80\"}");
  const std::string_view replacement = "\xEF\xBF\xBD";
  for (const char* bad : {"\xff", "\x80", "\xC3", "\xE2\x82", "\xF0\x9F\x98", "\xC0\xAF", "\xED\xA0\x80",
                          "\xF4\x90\x80\x80", "\xF5\x80\x80\x80"}) {
    const std::string line = json({{"a", bad}});
    EXPECT_THAT(line, HasSubstr(replacement)) << line;
    EXPECT_EQ(line.find(bad), std::string::npos) << line;
  }
}

TEST(LogFormat, LongStringsAreCut) {
  const std::string line = logfmt({{"a", std::string(100'000, 'x')}});
  EXPECT_LT(line.size(), detail::kStringBytesMax + 100);
  EXPECT_TRUE(line.ends_with("x...\""));
}

TEST(LogFormat, TimeIsRfc3339InUtcWithMilliseconds) {
  using namespace std::chrono;
  EXPECT_EQ(detail::format_time(sys_days(2026y / 1 / 31) + 23h + 59min + 58s + 7ms), "2026-01-31T23:59:58.007Z");
  EXPECT_EQ(detail::format_time(system_clock::time_point{}), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(detail::format_time(system_clock::time_point{} - 1ms), "1969-12-31T23:59:59.999Z");
}

TEST(Log, ACaptureSeesTheLinesOfItsLevel) {
  const ScopedCapture capture(Level::kInfo);
  debug("hidden", {{"n", 1}});
  info("shown", {{"n", 2}});
  error("bad");
  EXPECT_THAT(capture.lines(), ElementsAre("level=info event=shown n=2", "level=error event=bad"));
  EXPECT_TRUE(capture.has("n=2"));
  EXPECT_FALSE(capture.has("hidden"));
}

TEST(Log, TheLevelIsRestoredAfterACapture) {
  const bool before = is_enabled(Level::kTrace);
  {
    const ScopedCapture capture;
    EXPECT_TRUE(is_enabled(Level::kTrace));
  }
  EXPECT_EQ(is_enabled(Level::kTrace), before);
}

TEST(Log, FieldsTakeStringsOfEveryKind) {
  const ScopedCapture capture;
  const std::string text = "b";
  info("e", {{"a", "a"},
             {"b", text},
             {"c", std::string_view("c")},
             {"d", std::string("d")},
             {"f", 1.0F},
             {"u", 3U},
             {"b", false}});
  EXPECT_THAT(capture.lines(), ElementsAre("level=info event=e a=a b=b c=c d=d f=1 u=3 b=false"));
}

/// Lines of a file without their timestamps.
std::vector<std::string> lines_of(const std::string& path) {
  const std::string text = test::read_file(path);
  std::vector<std::string> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    const std::string line = text.substr(at, end - at);
    lines.push_back(line.starts_with("ts=") ? line.substr(line.find(' ') + 1) : line);
    if (end == text.npos) break;
    at = end + 1;
  }
  return lines;
}

class LogToFile : public testing::Test {
 protected:
  void TearDown() override { shutdown(); }

  void start(Options options = {}) {
    options.file = path_;
    const auto started = init(options);
    ASSERT_TRUE(started.has_value()) << started.error();
  }

  TempDir dir_;
  std::string path_ = dir_.file("log");
};

TEST_F(LogToFile, ShutdownWritesWhatWaits) {
  start();
  for (int i = 0; i < 1000; ++i) info("line", {{"i", i}});
  shutdown();
  const auto lines = lines_of(path_);
  ASSERT_EQ(lines.size(), 1000U);
  EXPECT_EQ(lines.front(), "level=info event=line i=0");
  EXPECT_EQ(lines.back(), "level=info event=line i=999");
}

TEST_F(LogToFile, JsonLinesHaveATimestamp) {
  start({.format = Format::kJson});
  info("line");
  shutdown();
  EXPECT_THAT(
      test::read_file(path_),
      testing::MatchesRegex("\\{\"ts\":\"20..-..-..T..:..:......Z\",\"level\":\"info\",\"event\":\"line\"\\}\n"));
}

TEST_F(LogToFile, TheLevelOfInitApplies) {
  start({.level = Level::kWarn});
  info("hidden");
  warn("shown");
  set_level(Level::kDebug);
  debug("shown too");
  shutdown();
  set_level(Level::kInfo);
  EXPECT_THAT(lines_of(path_), ElementsAre("level=warn event=shown", "level=debug event=\"shown too\""));
}

TEST_F(LogToFile, TheFileIsAppendedTo) {
  dir_.write("log", "level=info event=old\n");
  start();
  info("new");
  shutdown();
  EXPECT_THAT(lines_of(path_), ElementsAre("level=info event=old", "level=info event=new"));
}

TEST_F(LogToFile, TheFileIsNotForEveryone) {
  start();
  struct stat facts{};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07, 0U);
}

TEST_F(LogToFile, ReopenFollowsARotation) {
  start();
  info("before");
  // The queue is empty when a second init() has ended the first one's thread.
  start();
  ASSERT_EQ(std::rename(path_.c_str(), dir_.file("log.1").c_str()), 0);
  ASSERT_TRUE(reopen().has_value());
  info("after");
  shutdown();
  EXPECT_THAT(lines_of(dir_.file("log.1")), ElementsAre("level=info event=before"));
  EXPECT_THAT(lines_of(path_), ElementsAre("level=info event=after"));
}

TEST_F(LogToFile, AFailedReopenKeepsTheOldFile) {
  start();
  const std::string moved = dir_.file("log.1");
  ASSERT_EQ(std::rename(path_.c_str(), moved.c_str()), 0);
  ASSERT_EQ(::mkdir(path_.c_str(), 0700), 0);
  const auto reopened = reopen();
  ASSERT_FALSE(reopened.has_value());
  EXPECT_EQ(reopened.error(), path_ + ": Is a directory");
  info("still here");
  shutdown();
  EXPECT_THAT(lines_of(moved), ElementsAre("level=info event=\"still here\""));
}

TEST_F(LogToFile, AFileThatCannotBeOpenedIsNamed) {
  const auto started = init({.file = dir_.file("none/log")});
  ASSERT_FALSE(started.has_value());
  EXPECT_EQ(started.error(), dir_.file("none/log") + ": No such file or directory");
}

TEST_F(LogToFile, ManyThreadsWriteWholeLines) {
  start({.queue_lines_max = 100'000});
  std::vector<std::thread> threads;
  for (int id = 0; id < 4; ++id) {
    threads.emplace_back([id] {
      for (int i = 0; i < 500; ++i) info("line", {{"thread", id}, {"i", i}});
    });
  }
  for (std::thread& thread : threads) thread.join();
  shutdown();
  const auto lines = lines_of(path_);
  EXPECT_EQ(lines.size(), 2000U);
  EXPECT_TRUE(std::ranges::all_of(
      lines, [](const std::string& line) { return line.starts_with("level=info event=line thread="); }));
}

TEST(LogQueue, DroppedLinesAreCountedAndTheNewestStay) {
  // A pipe that nobody reads stands for a disk that hangs.
  const TempDir dir;
  const std::string path = dir.file("pipe");
  ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
  std::FILE* reader = std::fopen(path.c_str(), "r+");
  ASSERT_NE(reader, nullptr);
  ASSERT_TRUE(init({.file = path, .queue_lines_max = 4}).has_value());

  const std::string filler(4000, 'x');
  for (int i = 0; i < 200; ++i) info("line", {{"i", i}, {"filler", filler}});
  std::string text;
  std::thread drain([&] {
    while (!text.ends_with("event=end\n")) text += static_cast<char>(std::fgetc(reader));
  });
  // The last line is written after the queue is empty, so it is not among the dropped ones.
  shutdown();
  ASSERT_TRUE(init({.file = path}).has_value());
  info("end");
  shutdown();
  drain.join();
  std::fclose(reader);

  EXPECT_NE(text.find("level=warn event=\"log lines dropped\" count="), text.npos);
  EXPECT_NE(text.find("i=199 "), text.npos);
}

TEST(LogToStandardError, WorksBeforeInitAndAfterShutdown) {
  testing::internal::CaptureStderr();
  info("direct", {{"n", 1}});
  ASSERT_TRUE(init({}).has_value());
  info("queued");
  EXPECT_TRUE(reopen().has_value());
  shutdown();
  info("direct again");
  const std::string text = testing::internal::GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("level=info event=direct n=1\n"));
  EXPECT_THAT(text, HasSubstr("level=info event=queued\n"));
  EXPECT_THAT(text, HasSubstr("level=info event=\"direct again\"\n"));
}

}  // namespace
}  // namespace anteroom::log
