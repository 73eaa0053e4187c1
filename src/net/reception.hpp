#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <memory>

#include "base/clock.hpp"
#include "base/unique_fd.hpp"
#include "metrics/worker_metrics.hpp"
#include "net/byte_stream.hpp"
#include "net/event_loop.hpp"
#include "net/tls_context.hpp"

namespace anteroom::net {

/// What an accepted connection has to do before it is a client.
struct EntryRules {
  bool proxy_protocol = false;              ///< begin with a PROXY header
  std::shared_ptr<const TlsContext> tls{};  ///< then shake hands by it; null: no TLS
};

/// Connections that were accepted and are no clients yet. Each has kTimeout for all that its rules ask of it; who fails
/// is closed without a word of RESP, and counted. Loop thread only; loop and metrics outlive it.
class Reception {
 public:
  /// Takes the stream of a client: no bytes of it were read that belong to the client's requests.
  using Admitted = std::move_only_function<void(std::unique_ptr<ByteStream>)>;

  Reception(EventLoop& loop, metrics::WorkerMetrics& metrics, base::Duration timeout = kTimeout);
  ~Reception();
  Reception(const Reception&) = delete;
  Reception& operator=(const Reception&) = delete;

  /// `fd` is connected and non-blocking. `admitted` is called at once if there is nothing to do first, later otherwise,
  /// or is destroyed when the connection fails.
  void receive(base::UniqueFd fd, const EntryRules& rules, Admitted admitted);
  /// Closes all that wait here.
  void close();
  [[nodiscard]] std::size_t size() const noexcept { return entrants_.size(); }

  static constexpr base::Milliseconds kTimeout{10'000};

 private:
  class Entrant;
  using Place = std::list<std::unique_ptr<Entrant>>::iterator;
  void leave(Place place);

  EventLoop& loop_;
  metrics::WorkerMetrics& metrics_;
  const base::Duration timeout_;
  std::list<std::unique_ptr<Entrant>> entrants_;
};

}  // namespace anteroom::net
