#pragma once

#include <cstddef>

namespace anteroom::server {

/// Raises the soft limit of open files so that `maxclients` and our own descriptors fit, as far as the hard limit
/// allows. Returns how many clients fit then: `maxclients`, or fewer (at least 1).
[[nodiscard]] std::size_t fit_clients_into_fd_limit(std::size_t maxclients, std::size_t workers);

}  // namespace anteroom::server
