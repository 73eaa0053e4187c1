#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/staged_error.hpp"
#include "base/unique_fd.hpp"
#include "net/address.hpp"
#include "net/byte_stream.hpp"
#include "net/connect_error.hpp"
#include "net/event_loop.hpp"
#include "net/lane_source.hpp"
#include "net/resolver.hpp"
#include "net/socket_stream.hpp"
#include "net/tls_context.hpp"
#include "net/tls_stream.hpp"

namespace anteroom::net {

/// TLS to whom we connect; not for UNIX sockets.
struct TlsTarget {
  std::shared_ptr<const TlsContextSource> contexts;  ///< null: no TLS
  std::string server_name;                           ///< whom the certificate must name
  base::Milliseconds timeout{2000};                  ///< UPSTREAM.md B1.1, T5

  [[nodiscard]] bool is_wanted() const noexcept { return contexts != nullptr; }
};

/// Whom to connect to and how patiently. Times are those of UPSTREAM.md B1.1 (T3, T4).
struct ConnectTarget {
  std::string host;  ///< name or numeric address
  std::uint16_t port = 6379;
  std::string unix_path;  ///< not empty: this instead of host and port
  base::Milliseconds dns_timeout{1000};
  base::Milliseconds connect_timeout{1000};  ///< for each address that the host has
  base::Milliseconds connect_unix_timeout{250};
  SocketOptions socket;
  TlsTarget tls;
  LaneSource* lanes = nullptr;  ///< not null: its streams instead of connections; host and port are for logs

  [[nodiscard]] bool is_unix() const noexcept { return !unix_path.empty(); }
  /// "host:port" or "unix:/path", for logs.
  [[nodiscard]] std::string label() const;
};

/// Makes one connection: looks the name up, then tries its addresses in turn; with TLS, if that is wanted, but without
/// trying another address when TLS fails. Serves one attempt at a time and may be
/// started again. Loop thread only; loop, resolver and mailbox outlive it. Destroying it cancels.
class Connector {
 public:
  using Result = std::expected<std::unique_ptr<ByteStream>, ConnectError>;
  using Done = std::move_only_function<void(Result)>;

  /// The mailbox is that of `loop`.
  Connector(EventLoop& loop, Resolver& resolver, Mailbox& mailbox);
  ~Connector();
  Connector(const Connector&) = delete;
  Connector& operator=(const Connector&) = delete;

  /// Calls `done` exactly once, never inside this call, unless cancel() comes first. `done` may start the connector
  /// again but must not destroy it. REQUIRES: !is_running().
  void start(const ConnectTarget& target, Done done);
  void cancel() noexcept;
  [[nodiscard]] bool is_running() const noexcept { return step_ != Step::kIdle; }

  /// Of a name with more addresses only the first ones are tried, which bounds the time of one attempt.
  static constexpr std::size_t kAddressesMax = 4;
  /// Pause between tries while the queue of a UNIX listener is full, for which the kernel offers no event.
  static constexpr base::Milliseconds kUnixRetry{5};

 private:
  enum class Step : std::uint8_t { kIdle, kResolving, kConnecting, kSecuring, kOpeningLane };

  void on_resolved(Resolved resolved);
  void try_address();
  void on_connect_result(int error);
  void on_deadline();
  void on_address_failed(int error);
  void succeed();
  void secure(std::unique_ptr<ByteStream> stream);
  void on_secured(std::expected<void, TlsFailure> result);
  void fail(ConnectStage stage, int error, std::string text);
  void finish(Result result);
  void watch_connect();
  void drop_socket() noexcept;
  void drop_tls() noexcept;
  static void on_writable(evutil_socket_t, short, void* self) noexcept;

  EventLoop& loop_;
  Resolver& resolver_;
  Mailbox& mailbox_;

  Step step_ = Step::kIdle;
  ConnectTarget target_;
  Done done_;
  base::TimePoint started_{};
  Resolver::Handle lookup_;
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  base::UniqueFd fd_;
  event* writable_ = nullptr;
  std::unique_ptr<TlsStream> tls_;
  LaneSource::Ticket lane_{};
  Timer deadline_;
  Timer retry_;
};

}  // namespace anteroom::net
