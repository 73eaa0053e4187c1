#include "config/descriptor_builder.hpp"

namespace anteroom::config {

std::vector<Descriptor> listen_tls_options() {
  using G = ListenOptions;
  constexpr auto kGroup = &Options::listen;
  return {
      option<kGroup, &G::tls_port>({.path = "listen.tls_port",
                                    .flag = "tls-port",
                                    .max = 65'535,
                                    .doc = "Port for TLS at the addresses of `listen.bind`; 0 is none"}),
      option<kGroup, &G::tls_cert>(
          {.path = "listen.tls_cert",
           .flag = "tls-cert",
           .doc = "File with the certificate for `listen.tls_port`, and those that lead to its root; PEM. SIGHUP reads "
                  "the files of all listeners again"}),
      option<kGroup, &G::tls_key>(
          {.path = "listen.tls_key", .flag = "tls-key", .doc = "File with the key of that certificate; PEM"}),
      option<kGroup, &G::tls_ca>({.path = "listen.tls_ca",
                                  .flag = "tls-ca",
                                  .doc = "File with the CAs that certificates of clients are judged by; PEM"}),
      option<kGroup, &G::tls_verify_client>(
          {.path = "listen.tls_verify_client",
           .flag = "tls-verify-client",
           .doc = "Whether clients are asked for a certificate; one that is given must be good also when it is "
                  "`optional`"}),
  };
}

std::vector<Descriptor> upstream_tls_options() {
  using G = UpstreamOptions;
  constexpr auto kGroup = &Options::upstream;
  return {
      option<kGroup, &G::tls_ca>({.path = "upstream.tls_ca",
                                  .flag = "upstream-tls-ca",
                                  .doc = "File with the CAs that a `rediss://` server or a `quic://` gateway is "
                                         "judged by; empty is whom the system trusts; PEM"}),
      option<kGroup, &G::tls_cert>(
          {.path = "upstream.tls_cert",
           .flag = "upstream-tls-cert",
           .doc = "File with the certificate that a `rediss://` server or a `quic://` gateway is shown; PEM"}),
      option<kGroup, &G::tls_key>({.path = "upstream.tls_key",
                                   .flag = "upstream-tls-key",
                                   .doc = "File with the key of that certificate; PEM"}),
      option<kGroup, &G::tls_server_name>({.path = "upstream.tls_server_name",
                                           .flag = "upstream-tls-server-name",
                                           .doc = "Name that a `rediss://` server or a `quic://` gateway must prove, "
                                                  "and is told (SNI); empty is the host of the URL"}),
      option<kGroup, &G::tls_verify>({.path = "upstream.tls_verify",
                                      .flag = "upstream-tls-verify",
                                      .doc = "Whether a `rediss://` server has to prove its name; without it, anybody "
                                             "can stand in for the server"}),
      option<kGroup, &G::tls_timeout>({.path = "upstream.tls_timeout_ms",
                                       .flag = "upstream-tls-timeout",
                                       .unit = Unit::kMilliseconds,
                                       .min = 1,
                                       .max = kHourMs,
                                       .doc = "Time for the TLS handshake with Redis"}),
  };
}

}  // namespace anteroom::config
