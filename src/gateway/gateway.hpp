#pragma once

#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "gateway/worker.hpp"
#include "net/event_loop.hpp"
#include "net/outage_log.hpp"
#include "net/resolver.hpp"
#include "net/signals.hpp"

namespace anteroom::gateway {

struct Options {
  std::vector<net::Address> listen;  ///< UDP
  net::ConnectTarget target{};       ///< Redis: a UNIX socket or TCP
  net::TlsOptions tls{};
  quic::Options quic{};
  bool always_validates = false;
  std::size_t connections_max = 10'000;
  std::size_t connections_per_address_max = 1'000;
  std::size_t streams_max = 10'000;  ///< of all connections of one worker
  unsigned workers = 1;
  base::Milliseconds shutdown_timeout{5000};
};

/// `anteroom gateway`: stands beside Redis and gives whoever comes by QUIC a connection to it for each stream. Passes
/// bytes on as they are, and knows nothing of RESP.
class Gateway {
 public:
  /// One line that names what is wrong.
  using Created = std::expected<std::unique_ptr<Gateway>, std::string>;
  /// Listens when it returns.
  [[nodiscard]] static Created create(const Options& options);
  ~Gateway();
  Gateway(const Gateway&) = delete;
  Gateway& operator=(const Gateway&) = delete;

  /// Until SIGTERM or SIGINT; a second one ends it at once. SIGHUP reads the certificates anew, and opens the log file
  /// anew; SIGUSR1 writes the figures to the log, as the end does.
  void run();

  [[nodiscard]] std::vector<net::Address> places() const { return workers_.front()->places(); }

 private:
  explicit Gateway(const Options& options);
  [[nodiscard]] std::expected<void, std::string> listen();
  void stop(unsigned times);
  void reload();
  void log_figures() const;

  const Options options_;
  std::shared_ptr<net::TlsContextSource> contexts_;
  net::EventLoop loop_;
  net::Mailbox mailbox_;
  net::Resolver resolver_;
  net::OutageLog outage_log_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::size_t stopped_ = 0;
};

}  // namespace anteroom::gateway
