#include "support/redis_server.hpp"

#include <gtest/gtest.h>

#include <charconv>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "support/ports.hpp"

namespace anteroom::test {

RedisServer::RedisServer(Options options) : options_(std::move(options)), port_(free_port()) {}

RedisServer::~RedisServer() { stop(); }

bool RedisServer::start() {
  const char* program = std::getenv("REDIS_SERVER_BINARY");
  SpawnOptions spawn{.argv = {program != nullptr ? program : "redis-server", "--port", std::to_string(port_), "--bind",
                              "127.0.0.1", "--unixsocket", dir_.file("redis.sock"), "--dir", dir_.path(), "--save", "",
                              "--appendonly", "no", "--maxclients", "15000", "--tcp-backlog", "511"},
                     .output_path = dir_.file("redis.log"),
                     .error_path = dir_.file("redis.log")};
  if (!options_.password.empty()) spawn.argv.insert(spawn.argv.end(), {"--requirepass", options_.password});
  spawn.argv.insert(spawn.argv.end(), options_.arguments.begin(), options_.arguments.end());
  auto process = Process::spawn(spawn);
  if (!process) {
    ADD_FAILURE() << process.error();
    return false;
  }
  process_ = std::move(*process);
  const auto answers = [&] { return !process_.is_running() || connect(Transport::kTcp).ask("PING") == kPong; };
  if (eventually(answers) && process_.is_running()) return true;
  ADD_FAILURE() << "redis-server did not start:\n" << read_file(dir_.file("redis.log"));
  return false;
}

void RedisServer::stop() {
  if (!process_.is_running()) return;
  resume();
  process_.stop();
}

void RedisServer::kill() {
  process_.send_signal(SIGKILL);
  (void)process_.wait();
}

void RedisServer::pause() { process_.send_signal(SIGSTOP); }

void RedisServer::resume() { process_.send_signal(SIGCONT); }

Address RedisServer::address(Transport transport) const {
  if (transport == Transport::kTcp) return {.transport = transport, .port = port_};
  return {.transport = transport, .path = dir_.file("redis.sock")};
}

std::string RedisServer::url(Transport transport, std::string_view user, std::string_view password) const {
  const std::string name{user};
  const std::string secret{password};
  if (transport == Transport::kTcp) {
    const std::string credentials = secret.empty() ? "" : name + ":" + secret + "@";
    return "redis://" + credentials + "127.0.0.1:" + std::to_string(port_);
  }
  std::string url = "unix://" + dir_.file("redis.sock");
  if (!secret.empty()) url += "?password=" + secret + (name.empty() ? "" : "&user=" + name);
  return url;
}

RespClient RedisServer::connect(Transport transport) const {
  RespClient client{address(transport)};
  if (client.is_connected() && !options_.password.empty()) (void)client.ask("AUTH", options_.password);
  return client;
}

std::int64_t RedisServer::calls(std::string_view command) const {
  RespClient client = connect();
  const Reply info = client.ask("INFO", "commandstats");
  const std::string value = info_field(info.text, "cmdstat_" + std::string{command});  // calls=3,usec=7,...
  constexpr std::string_view kPrefix = "calls=";
  std::int64_t calls = 0;
  if (value.starts_with(kPrefix)) std::from_chars(value.data() + kPrefix.size(), value.data() + value.size(), calls);
  return calls;
}

std::string info_field(std::string_view info, std::string_view field) {
  const std::string wanted = "\n" + std::string{field} + ":";
  const std::size_t at = info.find(wanted);
  if (at == std::string_view::npos) return {};
  const std::string_view value = info.substr(at + wanted.size());
  return std::string{value.substr(0, value.find_first_of("\r\n"))};
}

}  // namespace anteroom::test
