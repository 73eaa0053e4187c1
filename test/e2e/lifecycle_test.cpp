// The running process: signals, limits, logs, sockets.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "support/ports.hpp"
#include "support/rig.hpp"

namespace anteroom::test {
namespace {

class Lifecycle : public testing::TestWithParam<Transport> {
 protected:
  void start(std::vector<std::string> arguments = {}, std::string config = {}) {
    rig_ = std::make_unique<Rig>(Rig::Options{
        .upstream = GetParam(), .front = {.arguments = std::move(arguments), .config = std::move(config)}});
    ASSERT_TRUE(rig_->is_ready());
  }

  RedisServer& redis() { return rig_->redis; }
  AnteroomProcess& front() { return rig_->front; }
  RespClient client() { return front().connect(GetParam()); }

  std::unique_ptr<Rig> rig_;
};

INSTANTIATE_TEST_SUITE_P(Over, Lifecycle, kBothTransports, transport_name);

TEST_P(Lifecycle, SigtermDeliversOutstandingRepliesThenExitsWithZero) {
  start({"--shutdown-timeout", "60000", "--response-timeout", "60000"});
  std::vector<RespClient> users;
  users.push_back(client());
  ASSERT_EQ(users[0].ask("SET", "k", "1"), kOk);
  redis().pause();
  users[0].send_raw(encode({"INCR", "k"}) + encode({"PING"}));
  ASSERT_TRUE(eventually([&] { return bytes_not_read_by_server(users) == 0; }));

  front().process().send_signal(SIGTERM);
  EXPECT_TRUE(eventually([&] { return !client().is_connected(); })) << "no new clients while draining";
  EXPECT_TRUE(front().is_running());
  redis().resume();

  EXPECT_EQ(users[0].read(), integer(2));
  EXPECT_EQ(users[0].read(), kPong);
  EXPECT_TRUE(users[0].is_closed_by_peer());
  EXPECT_EQ(front().process().wait(), ExitStatus{.code = 0});
}

TEST_P(Lifecycle, SigtermAndSigintCloseIdleClientsAndExitWithZero) {
  for (const int signal : {SIGTERM, SIGINT}) {
    start();
    RespClient idle = client();
    EXPECT_EQ(idle.ask("PING"), kPong);
    front().process().send_signal(signal);
    EXPECT_TRUE(idle.is_closed_by_peer());
    EXPECT_EQ(front().process().wait(), ExitStatus{.code = 0});
  }
}

// What it waits for may never come.
TEST_P(Lifecycle, BlockedClientsDoNotHoldUpTheExit) {
  start({"--shutdown-timeout", "60000"});
  RespClient blocked = client();
  blocked.send({"BLPOP", "list", "0"});
  ASSERT_TRUE(eventually([&] { return contains(redis().connect().ask("CLIENT", "LIST").text, "cmd=blpop"); }));
  front().process().send_signal(SIGTERM);
  EXPECT_TRUE(blocked.is_closed_by_peer());
  EXPECT_EQ(front().process().wait(), ExitStatus{.code = 0});
}

TEST_P(Lifecycle, AFrozenUpstreamDelaysTheExitNoLongerThanTheShutdownTimeout) {
  start({"--shutdown-timeout", "500", "--response-timeout", "600000"});
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", "k", "1"), kOk);
  redis().pause();
  user.send({"INCR", "k"});
  front().expect_any_exit();
  front().process().send_signal(SIGTERM);
  EXPECT_TRUE(front().process().wait().has_value());
}

TEST_P(Lifecycle, ASecondSignalDoesNotHarmTheFirst) {
  start();
  EXPECT_EQ(client().ask("PING"), kPong);
  front().process().send_signal(SIGTERM);
  front().process().send_signal(SIGTERM);
  EXPECT_TRUE(front().process().wait().has_value());
  front().expect_any_exit();
}

TEST_P(Lifecycle, SighupReopensTheLogFile) {
  const TempDir logs;
  const std::string path = logs.file("anteroom.log");
  start({"--log-file", path});
  ASSERT_TRUE(eventually([&] { return !read_file(path).empty(); }));
  std::filesystem::rename(path, path + ".1");

  front().process().send_signal(SIGHUP);

  EXPECT_TRUE(eventually([&] { return std::filesystem::exists(path); }));
  EXPECT_EQ(client().ask("PING"), kPong);
  front().stop();
  EXPECT_NE(read_file(path), "") << "what comes after goes to the new file";
}

TEST_P(Lifecycle, MoreThanMaxclientsAreTurnedAwayWithTheServersText) {
  start({"--maxclients", "3"});
  EXPECT_TRUE(eventually([&] {  // the probes of the start may not be counted out yet
    RespClient probe = client();
    return probe.ask("PING") == kPong;
  }));
  std::vector<RespClient> users;
  EXPECT_TRUE(eventually([&] {
    RespClient user = client();
    if (user.ask("PING") == kPong) users.push_back(std::move(user));
    return users.size() == 3;
  }));

  RespClient surplus = client();
  const auto rest = surplus.read_rest();
  EXPECT_EQ(rest.bytes, "-ERR max number of clients reached\r\n");
  EXPECT_TRUE(rest.is_closed);
  for (RespClient& user : users) EXPECT_EQ(user.ask("PING"), kPong);

  users.pop_back();
  EXPECT_TRUE(eventually([&] { return client().ask("PING") == kPong; }));
}

TEST_P(Lifecycle, IdleClientsAreClosedAndBusyOnesAreNot) {
  start({"--timeout", "2"});
  RespClient idle = client();
  RespClient busy = client();
  EXPECT_EQ(idle.ask("PING"), kPong);
  const auto last_use = Clock::now();
  EXPECT_TRUE(eventually([&] {
    EXPECT_EQ(busy.ask("PING"), kPong);
    return idle.has_input(milliseconds{50});
  }));
  EXPECT_TRUE(idle.is_closed_by_peer());
  EXPECT_GE(Clock::now() - last_use, milliseconds{1'500});
  EXPECT_EQ(busy.ask("PING"), kPong);
}

TEST_P(Lifecycle, AClientThatWaitsForItsReplyIsNotIdle) {
  start({"--timeout", "1", "--response-timeout", "60000"});
  RespClient user = client();
  ASSERT_EQ(user.ask("SET", "k", "1"), kOk);
  redis().pause();
  user.send({"INCR", "k"});
  const bool has_input_too_early = user.has_input(milliseconds{2'500});
  redis().resume();
  EXPECT_FALSE(has_input_too_early);
  EXPECT_EQ(user.read(), integer(2));
}

TEST_P(Lifecycle, ManyClientsComeAndGoWithoutLeakingDescriptors) {
  start();
  const std::string folder = "/proc/" + std::to_string(front().process().pid()) + "/fd";
  const auto open_fds = [&] { return std::distance(std::filesystem::directory_iterator{folder}, {}); };
  for (int i = 0; i < 20; ++i) EXPECT_FALSE(client().ask("INCR", "k").is_error());
  std::ptrdiff_t before = 0;
  EXPECT_TRUE(eventually([&] { return std::exchange(before, open_fds()) == open_fds(); }));

  for (int i = 0; i < 500; ++i) {
    RespClient user = client();
    EXPECT_EQ(user.ask("PING"), kPong);
  }

  EXPECT_TRUE(eventually([&] { return open_fds() <= before; })) << before << " before, " << open_fds() << " now";
}

TEST_P(Lifecycle, TheStartUpLineSaysWhatMatters) {
  start();
  const std::string port = "port=" + std::to_string(front().port());
  EXPECT_TRUE(eventually([&] { return front().output().find(port) != std::string::npos; })) << front().output();
}

TEST_P(Lifecycle, JsonLogLinesAreJsonObjects) {
  start({"--log-format", "json", "--log-level", "debug"}, R"({"log":{"every_n":1}})");
  RespClient user = client();
  user.ask("SET", "a\"b\\\r\n\xff", "v");
  user.ask("GET", "a\"b\\\r\n\xff");
  user.ask("NO\"SUCH\n", "\x01");
  user.send_raw("*1\r\n\x01\r\n");
  (void)user.read_rest();
  redis().kill();
  (void)client().ask("INCR", "k");
  front().stop();
  std::istringstream lines{front().output()};
  int count = 0;
  for (std::string line; std::getline(lines, line); ++count) {
    const auto parsed = nlohmann::json::parse(line, nullptr, false);
    EXPECT_TRUE(parsed.is_object()) << line;
  }
  EXPECT_GT(count, 1);
}

TEST_P(Lifecycle, ValuesNeverReachTheLog) {
  start({"--log-level", "trace"}, R"({"log":{"every_n":1}})");
  RespClient user = client();
  user.ask("SET", "k", "private-value");
  user.ask("GET", "k");
  user.ask("APPEND", "k", "private-value");
  user.ask("AUTH", "private-value");
  user.ask("HELLO", "2", "AUTH", "default", "private-value");
  front().stop();
  EXPECT_FALSE(contains(front().output(), "private-value"));
}

TEST(Sockets, AStaleUnixSocketIsReplacedAndRemovedAtTheEnd) {
  const TempDir dir;
  const std::string path = dir.file("s");
  const std::vector<std::string> argv{anteroom_binary(), "serve", "--port",     "0",
                                      "--unixsocket",    path,    "--upstream", "unix:///nowhere"};
  for (const bool is_killed : {true, false}) {
    auto process = Process::spawn({.argv = argv});
    ASSERT_TRUE(process.has_value()) << process.error();
    const Address address{.transport = Transport::kUnix, .path = path};
    EXPECT_TRUE(eventually([&] { return !process->is_running() || RespClient{address}.is_connected(); }));
    EXPECT_EQ(RespClient{address}.ask("PING"), kPong);
    if (is_killed) {
      process->send_signal(SIGKILL);
      (void)process->wait();
      EXPECT_TRUE(std::filesystem::exists(path));
    } else {
      EXPECT_EQ(process->stop(), ExitStatus{.code = 0});
      EXPECT_FALSE(std::filesystem::exists(path));
    }
  }
}

TEST(Sockets, TheUnixSocketHasThePermissionsAskedFor) {
  RedisServer redis;
  ASSERT_TRUE(redis.start());
  AnteroomProcess front{{.upstream = redis.url(Transport::kUnix), .arguments = {"--unixsocketperm", "770"}}};
  ASSERT_TRUE(front.start());
  struct stat info{};
  ASSERT_EQ(stat(front.address(Transport::kUnix).path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777U, 0770U);
}

TEST(Limits, TooFewDescriptorsForMaxclientsIsSaidAtTheStart) {
  AnteroomProcess front{{.upstream = "unix:///nowhere", .arguments = {"--maxclients", "5000"}, .open_files_max = 200}};
  ASSERT_TRUE(front.launch());
  front.expect_any_exit();
  EXPECT_TRUE(eventually([&] { return front.output().find("maxclients") != std::string::npos; })) << front.output();
  if (front.is_running()) {
    EXPECT_TRUE(eventually([&] { return front.connect().ask("PING") == kPong; }));
  }
}

TEST(Limits, RunningOutOfDescriptorsTurnsClientsAwayAndServesTheOthers) {
  RedisServer redis;
  ASSERT_TRUE(redis.start());
  AnteroomProcess front{{.upstream = redis.url(Transport::kUnix), .open_files_max = 200}};
  ASSERT_TRUE(front.launch());
  front.expect_any_exit();
  ASSERT_TRUE(eventually([&] { return !front.is_running() || front.connect().is_connected(); }));
  if (!front.is_running()) return;  // it may also refuse to start: said in the test above
  RespClient early = front.connect();
  ASSERT_EQ(early.ask("SET", "k", "v"), kOk);
  std::vector<RespClient> crowd;
  for (int i = 0; i < 400; ++i) crowd.push_back(front.connect());
  EXPECT_EQ(early.ask("GET", "k"), bulk("v"));
  EXPECT_EQ(early.ask("STRLEN", "k"), integer(1));
  crowd.clear();
  EXPECT_TRUE(
      eventually([&] { return RespClient(front.address(Transport::kTcp), milliseconds{1'000}).ask("PING") == kPong; }));
}

}  // namespace
}  // namespace anteroom::test
