#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "net/address.hpp"
#include "net/mailbox.hpp"

namespace anteroom::net {

struct ResolveError {
  int code = 0;      ///< an EAI_... value, or 0 if the lookup was not even made
  std::string text;  ///< "Name or service not known", "too many lookups are waiting"
};

/// At least one address, or an error.
using Resolved = std::expected<std::vector<Address>, ResolveError>;

/// Turns host names into addresses on a thread of its own, because getaddrinfo() blocks for as long as it likes and has
/// no time limit that we could set. One for the process, used by all loops; thread-safe. At most kQueueMax lookups
/// wait.
class Resolver {
  struct Request;
  struct Shared;

 public:
  /// Blocking lookup; called on the resolver's thread, one at a time.
  using Lookup = std::function<Resolved(const std::string& host, std::uint16_t port)>;
  using Callback = std::move_only_function<void(Resolved)>;

  /// One question. Destroying or cancelling it means the callback never runs: a late answer is dropped. Lives on the
  /// thread that asked, may outlive the resolver, and must not outlive the loop.
  class Handle {
   public:
    Handle() = default;
    ~Handle() { cancel(); }
    Handle(Handle&&) noexcept = default;
    Handle& operator=(Handle&& other) noexcept;
    void cancel() noexcept;

   private:
    friend class Resolver;
    explicit Handle(std::shared_ptr<Request> request) noexcept : request_(std::move(request)) {}
    std::shared_ptr<Request> request_;
  };

  Resolver();
  explicit Resolver(Lookup lookup);
  /// Waits kJoinWait for a lookup under way and then leaves its thread behind: it holds nothing but its own memory,
  /// ends with getaddrinfo() and answers nobody. Waiting longer would make a DNS outage delay the end of the process.
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  /// Asks for the addresses of `host`. The callback runs on the loop of `reply_to`, never inside this call, at most
  /// once. A numeric host is answered without the thread. There is no time limit: the caller's own timer cancels the
  /// handle.
  [[nodiscard]] Handle resolve(const std::string& host, std::uint16_t port, Mailbox& reply_to, Callback callback);

  static constexpr std::size_t kQueueMax = 1024;
  static constexpr base::Milliseconds kJoinWait{100};

 private:
  const std::shared_ptr<Shared> shared_;
};

/// getaddrinfo() for stream sockets.
[[nodiscard]] Resolved resolve_blocking(const std::string& host, std::uint16_t port);

}  // namespace anteroom::net
