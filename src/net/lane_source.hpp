#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <memory>

#include "net/byte_stream.hpp"
#include "net/connect_error.hpp"

namespace anteroom::net {

/// Gives streams to one place over something that they share, instead of a connection each: a QUIC connection. One per
/// worker and place; loop thread only; outlives those who ask.
///
/// What is said on a stream before anything was heard on it may arrive twice if the user has allowed early data
/// (quic.early_data), the second time on a connection of its own: a greeting, and nothing that changes anything.
class LaneSource {
 public:
  using Result = std::expected<std::unique_ptr<ByteStream>, ConnectError>;
  using Done = std::move_only_function<void(Result)>;
  enum class Ticket : std::uint64_t {};

  /// Calls `done` once, never inside this call, unless cancel() comes first.
  [[nodiscard]] virtual Ticket open(Done done) = 0;
  /// One that was served is ignored.
  virtual void cancel(Ticket ticket) noexcept = 0;

 protected:
  ~LaneSource() = default;
};

}  // namespace anteroom::net
