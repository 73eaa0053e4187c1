#pragma once

#include "proxy/handler_registry.hpp"

namespace anteroom::proxy {

// The handlers that commands share; those of single commands stay in their files. Each answers exactly once.

/// To the server as it is, and its reply back as it is.
void handle_forward(Session& session, const Request& request);
/// Commands that turn their connection into something else, which is not offered (SYNC, ...): refused.
void handle_stateful(Session& session, const Request& request);
/// MGET, or EXISTS of many, to the server, past the cache: what its keys have there must not be read after the reply,
/// which may be newer.
void forward_strings(Session& session, const Request& request);
/// Commands about the session that are not offered.
void handle_unsupported_session_command(Session& session, const Request& request);

// Registrations by file.
[[nodiscard]] std::span<const HandlerRegistry::Registration> connection_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> client_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> clients_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> data_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> read_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> pinned_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> pubsub_handlers() noexcept;
[[nodiscard]] std::span<const HandlerRegistry::Registration> anteroom_handlers() noexcept;

}  // namespace anteroom::proxy
