// What arrives at an Endpoint: for a connection, for a new one, or from nobody.
#include <ngtcp2/ngtcp2_crypto.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "base/random.hpp"
#include "quic/connection_callbacks.hpp"
#include "quic/endpoint.hpp"
#include "quic/time.hpp"

namespace anteroom::quic {
namespace {

// A first packet is at least so large, or an answer could be larger than it (RFC 9000, section 14.1).
constexpr std::size_t kInitialBytesMin = 1200;
constexpr std::uint64_t kRetryLifetime = 10 * NGTCP2_SECONDS;
constexpr std::uint64_t kTokenLifetime = 3600 * NGTCP2_SECONDS;
constexpr std::uint8_t kLongHeader = 0x80;
// RFC 9000, section 10.3: a stateless reset is smaller than what it answers, or two endpoints could go on for ever.
constexpr std::size_t kResetTrailBytes = NGTCP2_STATELESS_RESET_TOKENLEN;
constexpr std::size_t kResetBytesMax = 42;

}  // namespace

void Endpoint::on_datagram(const net::Datagram& datagram) {
  ngtcp2_version_cid ids{};
  const int decoded = ngtcp2_pkt_decode_version_cid(&ids, datagram.bytes.data(), datagram.bytes.size(), kOwnIdBytes);
  if (decoded == NGTCP2_ERR_VERSION_NEGOTIATION && is_server_) {
    send_version_negotiation(datagram, ids);
    return;
  }
  if (decoded != 0) {
    metrics_.bad_datagrams.add();
    return;
  }
  const auto found = ids_.find(ConnectionId(ids.dcid, ids.dcidlen));
  if (found == ids_.end()) {
    on_unknown(datagram, ids);
    return;
  }
  found->second->receive(path_of(datagram), {datagram.ecn}, datagram.bytes);
}

void Endpoint::on_unknown(const net::Datagram& datagram, const ngtcp2_version_cid& ids) {
  const bool is_long = (datagram.bytes[0] & kLongHeader) != 0;
  if (!is_server_) {
    // A stateless reset has an id that nobody knows: the one connection there is will tell.
    Connection* const one = connection();
    if (!is_long && one != nullptr) one->receive_from_nobody(path_of(datagram), {datagram.ecn}, datagram.bytes);
    return;
  }
  if (!is_long) {
    send_stateless_reset(datagram, ids);
    return;
  }
  // One is not answered with another (RFC 9000, section 6.1).
  if (ids.version == 0) {
    metrics_.bad_datagrams.add();
    return;
  }
  // ngtcp2 knows version 2 (RFC 9369) as well, of which nothing here has been tried.
  if (ids.version != NGTCP2_PROTO_VER_V1) {
    send_version_negotiation(datagram, ids);
    return;
  }
  ngtcp2_pkt_hd header{};
  if (ngtcp2_accept(&header, datagram.bytes.data(), datagram.bytes.size()) != 0) {
    metrics_.bad_datagrams.add();
    return;
  }
  begin_connection(datagram, header);
}

void Endpoint::begin_connection(const net::Datagram& datagram, const ngtcp2_pkt_hd& first) {
  const bool is_admitted = !server_.admits || server_.admits(datagram.from);
  if (!is_admitted) metrics_.connections_not_admitted.add();
  // At once, or who comes to one that stops would take a second to look elsewhere.
  if (!accepts_ || !is_admitted) {
    metrics_.connections_refused.add();
    send_refusal(datagram, first, NGTCP2_CONNECTION_REFUSED);
    return;
  }
  ngtcp2_pkt_hd header = first;
  ngtcp2_cid original{};
  const ngtcp2_cid* original_known = nullptr;
  ngtcp2_token_type type = NGTCP2_TOKEN_TYPE_UNKNOWN;
  const auto& secret = server_.secret;
  const net::Address& from = datagram.from;
  if (header.tokenlen > 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_RETRY2) {
    if (ngtcp2_crypto_verify_retry_token2(&original, header.token, header.tokenlen, secret.data(), secret.size(),
                                          header.version, from.data(), from.size(), &header.dcid, kRetryLifetime,
                                          server_.wall()) != 0) {
      metrics_.bad_tokens.add();
      send_refusal(datagram, header, NGTCP2_INVALID_TOKEN);
      return;
    }
    original_known = &original;
    type = NGTCP2_TOKEN_TYPE_RETRY;
  } else if (header.tokenlen > 0 && header.token[0] == NGTCP2_CRYPTO_TOKEN_MAGIC_REGULAR &&
             ngtcp2_crypto_verify_regular_token(header.token, header.tokenlen, secret.data(), secret.size(),
                                                from.data(), from.size(), kTokenLifetime, server_.wall()) == 0) {
    type = NGTCP2_TOKEN_TYPE_NEW_TOKEN;
  } else {
    // An old token, or one of another server, is as good as none (RFC 9000, section 8.1.3).
    if (header.tokenlen > 0) metrics_.bad_tokens.add();
    header.token = nullptr;
    header.tokenlen = 0;
    if (server_.always_validates || handshaking_ >= server_.unvalidated_max) {
      send_retry(datagram, header);
      return;
    }
  }
  if (!has_room_for(from)) {
    metrics_.connections_refused.add();
    send_refusal(datagram, header, NGTCP2_CONNECTION_REFUSED);
    return;
  }
  Connection* const connection = accept(datagram, header, original_known, type);
  if (connection == nullptr) return;
  const int error = connection->receive(path_of(datagram), {datagram.ecn}, datagram.bytes);
  // The beginning of a hello that takes several datagrams has not come, and a stranger's is not waited for.
  if (error == NGTCP2_ERR_RETRY && type == NGTCP2_TOKEN_TYPE_UNKNOWN) send_retry(datagram, header);
}

bool Endpoint::has_room_for(const net::Address& from) const {
  return connections_.size() < server_.connections_max &&
         peers_.of(AddressCounts::peer_of(from)) < server_.connections_per_address_max;
}

Connection* Endpoint::accept(const net::Datagram& datagram, const ngtcp2_pkt_hd& header, const ngtcp2_cid* original,
                             ngtcp2_token_type token_type) {
  const auto tls = server_.contexts->current();
  std::unique_ptr<Connection> connection(new Connection(*this, nullptr, tls, ""));
  ngtcp2_settings set{};
  ngtcp2_transport_params params{};
  settings(set, params);
  set.token = header.token;
  set.tokenlen = header.tokenlen;
  set.token_type = token_type;
  ngtcp2_cid own{};
  make_id(own, kOwnIdBytes);
  params.original_dcid_present = 1;
  params.original_dcid = original != nullptr ? *original : header.dcid;
  if (original != nullptr) {
    params.retry_scid = header.dcid;
    params.retry_scid_present = 1;
  }
  params.stateless_reset_token_present = 1;
  if (ngtcp2_crypto_generate_stateless_reset_token(params.stateless_reset_token, server_.secret.data(),
                                                   server_.secret.size(), &own) != 0) {
    return nullptr;
  }
  const ngtcp2_path path = path_of(datagram);
  ngtcp2_conn* conn = nullptr;
  if (ngtcp2_conn_server_new(&conn, &header.scid, &own, &path, header.version, &connection_callbacks(true), &set,
                             &params, nullptr, connection.get()) != 0) {
    return nullptr;
  }
  connection->attach(conn, tls->new_session(""));
  Connection& accepted = *connection;
  accepted.events_ = accept_(accepted, datagram.from);
  remember(accepted, own);
  remember(accepted, header.dcid);
  accepted.peer_ = AddressCounts::peer_of(datagram.from);
  peers_.add(accepted.peer_);
  adopt(std::move(connection));
  return &accepted;
}

// --- Answers that belong to no connection ---

bool Endpoint::spend(Answer kind) {
  unsigned& budget = budgets_[static_cast<std::size_t>(kind)];
  if (budget > 0) {
    --budget;
    return true;
  }
  metrics_.over_budget.add();
  return false;
}

void Endpoint::send_alone(std::span<const std::uint8_t> datagram, const ngtcp2_path& path) {
  const std::span<std::uint8_t> room = socket_->reserve();
  if (room.empty()) return;
  std::memcpy(room.data(), datagram.data(), datagram.size());
  socket_->commit(path.local.addr, path.remote.addr, path.remote.addrlen, 0, datagram.size(), datagram.size());
  schedule();
}

void Endpoint::send_version_negotiation(const net::Datagram& datagram, const ngtcp2_version_cid& ids) {
  if (datagram.bytes.size() < kInitialBytesMin) {
    metrics_.bad_datagrams.add();
    return;
  }
  if (!spend(Answer::kVersionNegotiation)) return;
  std::array<std::uint8_t, 256> packet{};
  std::array<std::uint8_t, 1> random{};
  base::fill_random(std::as_writable_bytes(std::span(random)));
  constexpr std::array<std::uint32_t, 1> kVersions{NGTCP2_PROTO_VER_V1};
  const ngtcp2_ssize size =
      ngtcp2_pkt_write_version_negotiation(packet.data(), packet.size(), random[0], ids.scid, ids.scidlen, ids.dcid,
                                           ids.dcidlen, kVersions.data(), kVersions.size());
  if (size <= 0) return;
  metrics_.version_negotiations.add();
  send_alone(std::span(packet).first(static_cast<std::size_t>(size)), path_of(datagram));
}

void Endpoint::send_retry(const net::Datagram& datagram, const ngtcp2_pkt_hd& header) {
  ngtcp2_cid own{};
  make_id(own, kOwnIdBytes);
  std::array<std::uint8_t, NGTCP2_CRYPTO_MAX_RETRY_TOKENLEN2> token{};
  const auto& secret = server_.secret;
  const ngtcp2_ssize token_size = ngtcp2_crypto_generate_retry_token2(
      token.data(), secret.data(), secret.size(), header.version, datagram.from.data(), datagram.from.size(), &own,
      &header.dcid, server_.wall());
  if (token_size <= 0) return;
  std::array<std::uint8_t, kInitialBytesMin> packet{};
  const ngtcp2_ssize size = ngtcp2_crypto_write_retry(packet.data(), packet.size(), header.version, &header.scid, &own,
                                                      &header.dcid, token.data(), static_cast<std::size_t>(token_size));
  if (size <= 0) return;
  metrics_.retries.add();
  send_alone(std::span(packet).first(static_cast<std::size_t>(size)), path_of(datagram));
}

void Endpoint::send_refusal(const net::Datagram& datagram, const ngtcp2_pkt_hd& header, std::uint64_t error) {
  if (!spend(Answer::kRefusal)) return;
  std::array<std::uint8_t, 256> packet{};
  const ngtcp2_ssize size = ngtcp2_crypto_write_connection_close(packet.data(), packet.size(), header.version,
                                                                 &header.scid, &header.dcid, error, nullptr, 0);
  if (size > 0) send_alone(std::span(packet).first(static_cast<std::size_t>(size)), path_of(datagram));
}

void Endpoint::send_stateless_reset(const net::Datagram& datagram, const ngtcp2_version_cid& ids) {
  metrics_.bad_datagrams.add();
  const std::size_t answered = datagram.bytes.size();
  if (answered <= NGTCP2_MIN_STATELESS_RESET_RANDLEN + kResetTrailBytes) return;
  if (!spend(Answer::kStatelessReset)) return;
  ngtcp2_cid id{};
  ngtcp2_cid_init(&id, ids.dcid, ids.dcidlen);
  std::array<std::uint8_t, NGTCP2_STATELESS_RESET_TOKENLEN> token{};
  if (ngtcp2_crypto_generate_stateless_reset_token(token.data(), server_.secret.data(), server_.secret.size(), &id) !=
      0) {
    return;
  }
  std::array<std::uint8_t, kResetBytesMax> random{};
  base::fill_random(std::as_writable_bytes(std::span(random)));
  const std::size_t random_size = std::min(answered - 1, kResetBytesMax) - kResetTrailBytes;
  std::array<std::uint8_t, kResetBytesMax> packet{};
  const ngtcp2_ssize size =
      ngtcp2_pkt_write_stateless_reset(packet.data(), packet.size(), token.data(), random.data(), random_size);
  if (size <= 0) return;
  metrics_.stateless_resets.add();
  send_alone(std::span(packet).first(static_cast<std::size_t>(size)), path_of(datagram));
}

}  // namespace anteroom::quic
