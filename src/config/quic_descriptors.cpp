#include "config/descriptor_builder.hpp"

namespace anteroom::config {
namespace {

std::optional<std::string> judge_not_empty(Value& value) {
  if (std::get<std::vector<std::string>>(value).empty()) return "is empty";
  return std::nullopt;
}

}  // namespace

std::vector<Descriptor> quic_options() {
  using G = QuicOptions;
  constexpr auto kGroup = &Options::quic;
  constexpr std::int64_t kWindowMin = 16 * kKilobyte;
  constexpr std::int64_t kWindowMax = kKilobyte * kKilobyte * kKilobyte;
  return {
      option<kGroup, &G::congestion>(
          {.path = "quic.congestion",
           .flag = "quic-congestion",
           .doc = "Congestion control of `quic://` upstreams, of listeners of type `quic` and of the gateway"}),
      option<kGroup, &G::pacing>({.path = "quic.pacing",
                                  .flag = "quic-pacing",
                                  .doc = "Whether datagrams are spread over time as congestion control has it"}),
      option<kGroup, &G::stream_window_bytes>({.path = "quic.stream_window_bytes",
                                               .flag = "quic-stream-window",
                                               .unit = Unit::kBytes,
                                               .min = kWindowMin,
                                               .max = kWindowMax,
                                               .doc = "What the peer may send on a stream ahead of its reader"}),
      option<kGroup, &G::connection_window_bytes>({.path = "quic.connection_window_bytes",
                                                   .flag = "quic-connection-window",
                                                   .unit = Unit::kBytes,
                                                   .min = kWindowMin,
                                                   .max = kWindowMax,
                                                   .doc = "The same for all streams of a connection together"}),
      option<kGroup, &G::send_buffer_bytes>(
          {.path = "quic.send_buffer_bytes",
           .flag = "quic-send-buffer",
           .unit = Unit::kBytes,
           .min = kWindowMin,
           .max = kWindowMax,
           .doc = "What is held of a stream until the peer has it; beyond it its writer waits"}),
      option<kGroup, &G::streams_max>({.path = "quic.streams_max",
                                       .flag = "quic-streams-max",
                                       .min = 1,
                                       .max = 1'000'000,
                                       .doc = "Streams that a peer may have open at a time, of each connection"}),
      option<kGroup, &G::lanes>({.path = "quic.lanes",
                                 .flag = "quic-lanes",
                                 .min = 1,
                                 .max = 256,
                                 .doc = "Streams that the clients of a worker share for requests that need none of "
                                        "their own, each with a connection to Redis; a lost packet holds up one"}),
      option<kGroup, &G::handshake_timeout>({.path = "quic.handshake_timeout_ms",
                                             .flag = "quic-handshake-timeout",
                                             .unit = Unit::kMilliseconds,
                                             .min = 1,
                                             .max = kHourMs,
                                             .doc = "Time for a connection to come about"}),
      option<kGroup, &G::idle_timeout>({.path = "quic.idle_timeout_ms",
                                        .flag = "quic-idle-timeout",
                                        .unit = Unit::kMilliseconds,
                                        .min = 100,
                                        .max = kHourMs,
                                        .doc = "Silence after which a connection is given up"}),
      option<kGroup, &G::silence_timeout>(
          {.path = "quic.silence_timeout_ms",
           .flag = "quic-silence-timeout",
           .unit = Unit::kMilliseconds,
           .max = kHourMs,
           .doc = "Silence of a gateway, while something is under way to it, after which another connection to it is "
                  "tried; 0 is never"}),
      option<kGroup, &G::keep_alive>({.path = "quic.keep_alive_ms",
                                      .flag = "quic-keep-alive",
                                      .unit = Unit::kMilliseconds,
                                      .max = kHourMs,
                                      .doc = "Silence after which a gateway is asked whether it is there; 0 is never"}),
      option<kGroup, &G::early_data>(
          {.path = "quic.early_data",
           .flag = "quic-early-data",
           .doc = "Whether one who comes back sends what opens its connections to Redis (HELLO, AUTH) with its first "
                  "packets, and a gateway takes that (0-RTT): a round trip less, without forward secrecy for these "
                  "bytes; commands of clients never go so"}),
      option<kGroup, &G::datagram_bytes>({.path = "quic.datagram_bytes",
                                          .flag = "quic-datagram-bytes",
                                          .min = 1200,
                                          .max = 65'000,
                                          .doc = "Largest UDP payload that is tried; what the path carries is found "
                                                 "out"}),
      option<kGroup, &G::offload>(
          {.path = "quic.offload",
           .flag = "quic-offload",
           .doc = "Whether many datagrams go through the kernel at once, where it can (GSO, GRO)"}),
  };
}

std::vector<Descriptor> gateway_options() {
  using G = GatewayOptions;
  constexpr auto kGroup = &Options::gateway;
  return {
      option<kGroup, &G::listen>({.path = "gateway.listen",
                                  .flag = "listen",
                                  .doc = "Where `anteroom gateway` listens, as ADDRESS:PORT of UDP",
                                  .judge = judge_not_empty}),
      option<kGroup, &G::tls_client_ca>({.path = "gateway.tls_client_ca",
                                         .flag = "tls-client-ca",
                                         .doc = "File with the CAs that must vouch for those who come to the gateway; "
                                                "empty lets everybody in; PEM"}),
      option<kGroup, &G::tls_self_signed>(
          {.path = "gateway.tls_self_signed",
           .flag = "tls-self-signed",
           .doc = "Makes the gateway's certificate and key, `listen.tls_cert` and `listen.tls_key`, unless they are "
                  "there, and prints what clients pin"}),
      option<kGroup, &G::always_validates>({.path = "gateway.retry",
                                            .flag = "retry",
                                            .doc = "Whether every address has to prove itself before a handshake; "
                                                   "without, only while many handshakes are under way"}),
      option<kGroup, &G::connections_max>({.path = "gateway.connections_max",
                                           .flag = "connections-max",
                                           .min = 1,
                                           .max = 1'000'000,
                                           .doc = "QUIC connections of each worker of the gateway"}),
      option<kGroup, &G::connections_per_address_max>(
          {.path = "gateway.connections_per_address_max",
           .flag = "connections-per-address-max",
           .min = 1,
           .max = 1'000'000,
           .doc = "The same from one address, IPv6 by its /64; of listeners of type quic as well"}),
      option<kGroup, &G::streams_max>({.path = "gateway.streams_max",
                                       .flag = "streams-max",
                                       .min = 1,
                                       .max = 1'000'000,
                                       .doc = "Streams, each with its connection to Redis, of each worker"}),
  };
}

}  // namespace anteroom::config
