#pragma once

#include <ngtcp2/ngtcp2.h>

namespace anteroom::quic {

/// What ngtcp2 calls, for a server's connections or a client's. Their user data is the Connection. They only note what
/// has happened: inside them the connection must be neither written nor destroyed.
[[nodiscard]] const ngtcp2_callbacks& connection_callbacks(bool is_server);

}  // namespace anteroom::quic
