#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "proxy/listener_auth.hpp"

namespace anteroom::proxy {

/// What Redis says to who gets no place.
inline constexpr std::string_view kTooManyClients = "-ERR max number of clients reached\r\n";

/// The place of one client among maxclients, with its number. Moves from the acceptor to the session; the place is free
/// again when it dies. The counter outlives it. Says also what its listener asks of it.
class ClientPermit {
 public:
  /// Takes a place if fewer than `limit` are taken; check is_valid().
  ClientPermit(std::atomic<std::size_t>& taken, std::size_t limit, std::uint64_t client_id,
               ListenerAuth auth = ListenerAuth::kInherit)
      : client_id_(client_id), auth_(auth) {
    if (taken.fetch_add(1, std::memory_order_relaxed) < limit) {
      taken_ = &taken;
    } else {
      taken.fetch_sub(1, std::memory_order_relaxed);
    }
  }
  ~ClientPermit() {
    if (taken_ != nullptr) taken_->fetch_sub(1, std::memory_order_relaxed);
  }
  ClientPermit(ClientPermit&& other) noexcept
      : taken_(std::exchange(other.taken_, nullptr)), client_id_(other.client_id_), auth_(other.auth_) {}
  ClientPermit& operator=(ClientPermit&&) = delete;

  [[nodiscard]] bool is_valid() const noexcept { return taken_ != nullptr; }
  [[nodiscard]] std::uint64_t client_id() const noexcept { return client_id_; }
  [[nodiscard]] ListenerAuth listener_auth() const noexcept { return auth_; }

 private:
  std::atomic<std::size_t>* taken_ = nullptr;
  std::uint64_t client_id_;
  ListenerAuth auth_;
};

}  // namespace anteroom::proxy
