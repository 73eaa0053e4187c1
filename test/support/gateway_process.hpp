#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace anteroom::test {

/// One `anteroom gateway` on a loopback port of its own, with a certificate that it makes. Can be stopped and started
/// again, at the same place and with the same key. Destruction stops it; an exit status other than 0 or a sanitizer
/// report is then a failure of the running test.
class GatewayProcess {
 public:
  struct Options {
    std::string upstream{};                ///< --upstream
    std::vector<std::string> arguments{};  ///< further flags
    unsigned workers = 2;
    std::string ulimit{};  ///< as for the shell's command, "-Sn 64"; empty: ours
  };

  explicit GatewayProcess(Options options);
  ~GatewayProcess();
  GatewayProcess(const GatewayProcess&) = delete;
  GatewayProcess& operator=(const GatewayProcess&) = delete;

  /// Waits until it listens. False, with a test failure, when it does not.
  bool start();
  /// SIGTERM, waits, and judges.
  void stop();
  /// SIGKILL: nobody is told.
  void kill();
  /// Writes its figures to the log, and gives the latest value of one.
  [[nodiscard]] std::int64_t figure(const std::string& name);

  [[nodiscard]] Process& process() { return process_; }
  [[nodiscard]] std::uint16_t port() const { return port_; }
  /// "sha256:HEX", once it has started.
  [[nodiscard]] const std::string& pin() const { return pin_; }
  /// For --upstream of a front-end, which pins its key; by way of another port, if one is given.
  [[nodiscard]] std::string url(std::uint16_t port = 0) const;
  [[nodiscard]] std::string output() const { return read_file(dir_.file("output")); }

 private:
  const Options options_;
  TempDir dir_;
  const std::uint16_t port_;
  std::string pin_;
  Process process_;
  bool is_judged_ = true;
};

}  // namespace anteroom::test
