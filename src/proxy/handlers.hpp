#pragma once

#include "proxy/handler_registry.hpp"

#include <span>
#include <string>

namespace anteroom::proxy {

// The handlers that commands share; those of single commands stay in their files. Each answers exactly once.

/// To the server as it is, and its reply back as it is.
void handle_forward(Session& session, const Request& request);
/// Commands that turn their connection into something else, which is not offered (SYNC, ...): refused.
void handle_stateful(Session& session, const Request& request);
/// MGET, or EXISTS of many, to the server, past the cache: what its keys have there must not be read after the reply,
/// which may be newer.
void forward_strings(Session& session, const Request& request);
/// What the table does not know, by what the server says of it; if that is nothing, the server's answer will tell.
void handle_unlisted(Session& session, const Request& request);
/// An error if the name of such a command or subcommand has a NUL byte; else empty. Redis (7.0) hashes all of a name
/// but compares it as a C string: one in some hundreds of the names that begin with "multi" and a NUL is MULTI to it.
[[nodiscard]] std::string refusal_of_name(const Request& request);
/// Such a command would change the connection it runs on (MULTI or SUBSCRIBE by another name): nothing here would know.
[[nodiscard]] bool changes_its_connection(Session& session, const Request& request);
/// REQUIRES: changes_its_connection().
void refuse_unlisted(Session& session, const Request& request);
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
