#pragma once

#include <expected>
#include <memory>

#include "anteroom/quic_client.hpp"
#include "net/resolver.hpp"

namespace anteroom::client {

/// QuicConnection::connect(), with names looked up in another way: for tests.
[[nodiscard]] std::expected<std::unique_ptr<QuicConnection>, QuicError> connect_by(const QuicOptions& options,
                                                                                   net::Resolver::Lookup lookup);

}  // namespace anteroom::client
