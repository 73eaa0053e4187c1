#include "quic/connection_callbacks.hpp"

#include <gnutls/gnutls.h>
#include <ngtcp2/ngtcp2_crypto.h>

#include <array>
#include <span>

#include "base/random.hpp"
#include "quic/connection.hpp"
#include "quic/endpoint.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {

/// The trampolines, as members of one friend.
struct ConnectionCallbacks {
  static Connection& of(void* user) noexcept { return *static_cast<Connection*>(user); }

  static void random(std::uint8_t* out, std::size_t size, const ngtcp2_rand_ctx*) {
    base::fill_random(std::as_writable_bytes(std::span(out, size)));
  }

  static int new_id(ngtcp2_conn*, ngtcp2_cid* id, std::uint8_t* token, std::size_t size, void* user) {
    Connection& connection = of(user);
    Endpoint& endpoint = connection.endpoint_;
    endpoint.make_id(*id, size);
    const auto& secret = endpoint.server_.secret;
    if (ngtcp2_crypto_generate_stateless_reset_token(token, secret.data(), secret.size(), id) != 0) {
      return NGTCP2_ERR_CALLBACK_FAILURE;
    }
    endpoint.remember(connection, *id);
    return 0;
  }

  static int id_removed(ngtcp2_conn*, const ngtcp2_cid* id, void* user) {
    of(user).endpoint_.forget(of(user), *id);
    return 0;
  }

  static int handshake_completed(ngtcp2_conn*, void* user) { return of(user).finish_handshake(); }

  static int stream_opened(ngtcp2_conn*, std::int64_t id, void* user) {
    if (ngtcp2_is_bidi_stream(id) == 0) return 0;
    Connection& connection = of(user);
    connection.opened_.push_back(connection.add_stream(id));
    connection.endpoint_.mark_dirty(connection);
    return 0;
  }

  static int stream_data(ngtcp2_conn*, std::uint32_t flags, std::int64_t, std::uint64_t, const std::uint8_t* bytes,
                         std::size_t size, void* user, void* stream) {
    if (stream == nullptr) {
      of(user).extend_connection_credit(size);  // or what came for a stream that we know no more would be lost to all
      return 0;
    }
    of(user).take_input(*static_cast<StreamCore*>(stream), {bytes, size}, (flags & NGTCP2_STREAM_DATA_FLAG_FIN) != 0);
    return 0;
  }

  static int stream_acknowledged(ngtcp2_conn*, std::int64_t, std::uint64_t offset, std::uint64_t size, void* user,
                                 void* stream) {
    if (stream == nullptr) return 0;
    auto& core = *static_cast<StreamCore*>(stream);
    core.out.acknowledge(offset + size);
    if (core.wants_write && core.is_writable()) of(user).mark_eventful(core);
    return 0;
  }

  static int stream_closed(ngtcp2_conn* conn, std::uint32_t, std::int64_t id, std::uint64_t, void* user, void* stream) {
    if (stream != nullptr) of(user).forget_stream(*static_cast<StreamCore*>(stream));
    // Without it the peer could open only so many streams ever.
    if (ngtcp2_is_bidi_stream(id) != 0 && ngtcp2_conn_is_local_stream(conn, id) == 0) {
      ngtcp2_conn_extend_max_streams_bidi(conn, 1);
      of(user).must_write_ = true;
    }
    return 0;
  }

  static int stream_reset(ngtcp2_conn*, std::int64_t, std::uint64_t, std::uint64_t code, void* user, void* stream) {
    Connection& connection = of(user);
    connection.note_peer_reset(code);
    if (stream == nullptr) return 0;
    auto& core = *static_cast<StreamCore*>(stream);
    // Who was told that we read no more answers so (RFC 9000, section 3.5), and it says nothing about our direction.
    if (core.ignores_input) return 0;
    core.peer_reset = code;
    connection.discard_input(core);
    connection.mark_eventful(core);
    return 0;
  }

  static int stream_credit(ngtcp2_conn*, std::int64_t, std::uint64_t, void* user, void* stream) {
    if (stream == nullptr) return 0;
    auto& core = *static_cast<StreamCore*>(stream);
    if (!std::exchange(core.is_blocked, false)) return 0;
    if (core.has_to_send()) of(user).mark_ready(core);
    return 0;
  }

  static int streams_available(ngtcp2_conn*, std::uint64_t, void* user) {
    of(user).note_news(of(user).streams_available_untold_);
    return 0;
  }

  static int forgotten(ngtcp2_conn*, const ngtcp2_pkt_stateless_reset*, void* user) {
    of(user).was_forgotten_ = true;
    of(user).endpoint_.metrics_.stateless_resets_received.add();
    return 0;
  }

  // The client has come from another address, or port, and has been heard there.
  static int path_validated(ngtcp2_conn*, std::uint32_t, const ngtcp2_path*, const ngtcp2_path* old_path,
                            ngtcp2_path_validation_result result, void* user) {
    const bool has_moved = old_path != nullptr && result == NGTCP2_PATH_VALIDATION_RESULT_SUCCESS;
    if (has_moved) of(user).endpoint_.metrics_.migrations.add();
    return 0;
  }

  static int new_token(ngtcp2_conn*, const std::uint8_t* token, std::size_t size, void* user) {
    of(user).resumption_.token.assign(token, token + size);
    return 0;
  }
};

namespace {

ngtcp2_callbacks make(bool is_server) {
  ngtcp2_callbacks out{};
  if (is_server) {
    out.recv_client_initial = ngtcp2_crypto_recv_client_initial_cb;
    out.path_validation = &ConnectionCallbacks::path_validated;
  } else {
    out.client_initial = ngtcp2_crypto_client_initial_cb;
    out.recv_retry = ngtcp2_crypto_recv_retry_cb;
    out.recv_stateless_reset = &ConnectionCallbacks::forgotten;
  }
  out.recv_crypto_data = ngtcp2_crypto_recv_crypto_data_cb;
  out.encrypt = ngtcp2_crypto_encrypt_cb;
  out.decrypt = ngtcp2_crypto_decrypt_cb;
  out.hp_mask = ngtcp2_crypto_hp_mask_cb;
  out.update_key = ngtcp2_crypto_update_key_cb;
  out.delete_crypto_aead_ctx = ngtcp2_crypto_delete_crypto_aead_ctx_cb;
  out.delete_crypto_cipher_ctx = ngtcp2_crypto_delete_crypto_cipher_ctx_cb;
  out.get_path_challenge_data = ngtcp2_crypto_get_path_challenge_data_cb;
  out.version_negotiation = ngtcp2_crypto_version_negotiation_cb;
  out.rand = &ConnectionCallbacks::random;
  out.get_new_connection_id = &ConnectionCallbacks::new_id;
  out.remove_connection_id = &ConnectionCallbacks::id_removed;
  out.handshake_completed = &ConnectionCallbacks::handshake_completed;
  out.recv_stream_data = &ConnectionCallbacks::stream_data;
  out.acked_stream_data_offset = &ConnectionCallbacks::stream_acknowledged;
  out.stream_open = &ConnectionCallbacks::stream_opened;
  out.stream_close = &ConnectionCallbacks::stream_closed;
  out.stream_reset = &ConnectionCallbacks::stream_reset;
  out.extend_max_stream_data = &ConnectionCallbacks::stream_credit;
  out.extend_max_local_streams_bidi = &ConnectionCallbacks::streams_available;
  out.recv_new_token = &ConnectionCallbacks::new_token;
  return out;
}

}  // namespace

const ngtcp2_callbacks& connection_callbacks(bool is_server) {
  static const std::array callbacks{make(false), make(true)};
  return callbacks[is_server ? 1 : 0];
}

}  // namespace anteroom::quic
