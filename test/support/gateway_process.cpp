#include "support/gateway_process.hpp"

#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>

#include "support/anteroom_process.hpp"
#include "support/deadline.hpp"
#include "support/ports.hpp"

namespace anteroom::test {

namespace {

std::size_t count(const std::string& text, std::string_view part) {
  std::size_t times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

}  // namespace

GatewayProcess::GatewayProcess(Options options) : options_(std::move(options)), port_(free_port()) {}

GatewayProcess::~GatewayProcess() { stop(); }

bool GatewayProcess::start() {
  SpawnOptions spawn{
      .argv = {anteroom_binary(), "gateway", "--listen", "127.0.0.1:" + std::to_string(port_), "--upstream",
               options_.upstream, "--workers", std::to_string(options_.workers), "--tls-self-signed", "--tls-cert",
               dir_.file("gateway.crt"), "--tls-key", dir_.file("gateway.key")},
      .output_path = dir_.file("output"),
      .error_path = dir_.file("output")};
  spawn.argv.insert(spawn.argv.end(), options_.arguments.begin(), options_.arguments.end());
  if (!options_.ulimit.empty()) {
    const std::vector<std::string> shell{"/bin/sh", "-c", "ulimit " + options_.ulimit + R"( && exec "$0" "$@")"};
    spawn.argv.insert(spawn.argv.begin(), shell.begin(), shell.end());
  }
  auto process = Process::spawn(spawn);
  if (!process) {
    ADD_FAILURE() << process.error();
    return false;
  }
  process_ = std::move(*process);
  is_judged_ = false;
  const bool listens = eventually([this] { return output().contains("event=listening") || !process_.is_running(); });
  const std::string text = output();
  const std::size_t at = text.find("pin=sha256:");
  if (!listens || at == std::string::npos || !process_.is_running()) {
    ADD_FAILURE() << "the gateway did not start:\n" << text;
    return false;
  }
  pin_ = text.substr(at + 4, 7 + 64);
  return true;
}

void GatewayProcess::stop() {
  if (is_judged_) return;
  is_judged_ = true;
  const ExitStatus status = process_.stop();
  const std::string text = output();
  EXPECT_EQ(sanitizer_report(text), "");
  EXPECT_EQ(status, ExitStatus{.code = 0}) << to_string(status) << "\n" << text;
}

void GatewayProcess::kill() {
  is_judged_ = true;
  process_.send_signal(SIGKILL);
  EXPECT_TRUE(process_.wait().has_value());
}

std::int64_t GatewayProcess::figure(const std::string& name) {
  const std::size_t before = count(output(), "event=figures");
  process_.send_signal(SIGUSR1);
  EXPECT_TRUE(eventually([&] { return count(output(), "event=figures") > before; }));
  const std::string text = output();
  const std::size_t line = text.rfind("event=figures");
  const std::size_t at = text.find(" " + name + "=", line);
  if (at == std::string::npos) {
    ADD_FAILURE() << "no figure " << name << "\n" << text;
    return -1;
  }
  return std::atoll(text.c_str() + at + name.size() + 2);
}

std::string GatewayProcess::url(std::uint16_t port) const {
  return "quic://127.0.0.1:" + std::to_string(port != 0 ? port : port_) + "?pin=" + pin_;
}

}  // namespace anteroom::test
