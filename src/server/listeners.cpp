#include "server/listeners.hpp"

#include <utility>

#include "base/log.hpp"
#include "config/listeners.hpp"
#include "net/key_secret.hpp"
#include "server/lanes.hpp"

namespace anteroom::server {
namespace {

std::unexpected<std::string> wrong(const config::Options& options, std::string_view option, const std::string& why) {
  return std::unexpected(config::name_and_source(options, option) + ": " + why);
}

net::TlsOptions tls_options(const config::ListenerOptions& listener) {
  net::TlsOptions tls;
  tls.role = net::TlsOptions::Role::kServer;
  tls.certificate_file = listener.tls_cert;
  tls.key_file = listener.tls_key;
  tls.ca_file = listener.tls_ca;
  tls.priority += ":%SERVER_PRECEDENCE";
  switch (listener.tls_verify_client) {
    case config::ClientCertificates::kNone:
      tls.verify = net::TlsOptions::Verify::kNone;
      break;
    case config::ClientCertificates::kOptional:
      tls.verify = net::TlsOptions::Verify::kOptional;
      break;
    case config::ClientCertificates::kRequired:
      tls.verify = net::TlsOptions::Verify::kRequired;
      break;
  }
  if (listener.type == config::ListenerType::kQuic) {
    tls.protocols = {"redis"};
    tls.for_quic = true;
  }
  return tls;
}

proxy::ListenerAuth auth_of(config::ListenerAuth auth) {
  switch (auth) {
    case config::ListenerAuth::kNone:
      return proxy::ListenerAuth::kNone;
    case config::ListenerAuth::kProxy:
      return proxy::ListenerAuth::kProxy;
    case config::ListenerAuth::kPassthrough:
      return proxy::ListenerAuth::kPassthrough;
    case config::ListenerAuth::kInherit:
      break;
  }
  return proxy::ListenerAuth::kInherit;
}

}  // namespace

std::string tls_option(const std::string& prefix, net::TlsConfigError::Part part) {
  switch (part) {
    case net::TlsConfigError::Part::kKey:
      return prefix + ".tls_key";
    case net::TlsConfigError::Part::kCa:
      return prefix + ".tls_ca";
    case net::TlsConfigError::Part::kCertificate:
    case net::TlsConfigError::Part::kPriority:  // ours, and always good
      break;
  }
  return prefix + ".tls_cert";
}

Listeners::Opened Listeners::open(const config::Options& options) {
  for (config::ListenerOptions& listener : config::all_listeners(options.listen)) {
    places_.push_back(std::make_unique<Place>());
    Place& place = *places_.back();
    place.options = std::move(listener);
    if (auto prepared = prepare(options, place); !prepared) return prepared;
  }
  // Nobody can connect before everything is known to be right.
  for (const auto& place : places_) {
    if (auto listening = listen(options, *place); !listening) return listening;
  }
  return {};
}

Listeners::Opened Listeners::prepare(const config::Options& options, Place& place) {
  const config::ListenerOptions& listener = place.options;
  auto allow = net::AllowList::parse(listener.allow);
  if (!allow) return wrong(options, listener.option_of("allow"), allow.error());
  place.allow = std::move(*allow);
  if (!listener.has_certificate()) return {};
  auto tls = net::TlsContextSource::create(tls_options(listener));
  if (!tls) return wrong(options, tls_option(listener.place, tls.error().part), tls.error().text);
  place.tls = std::move(*tls);
  return {};
}

Listeners::Opened Listeners::add_quic_place(const config::Options& options, const Place& place) {
  const config::ListenerOptions& listener = place.options;
  if (!Lanes::kHasQuic) return wrong(options, listener.option_of("type"), std::string(kNoQuic));
  const auto secret = net::secret_of_key(listener.tls_key);
  if (!secret) return wrong(options, listener.option_of("tls_key"), secret.error());
  QuicPlace quic{.bind = {},
                 .allow = place.allow,
                 .tls = place.tls,
                 .auth = auth_of(listener.auth),
                 .secret = *secret,
                 .option = config::name_and_source(options, listener.option_of("bind")) + ", " +
                           config::name_and_source(options, listener.option_of("port"))};
  for (const std::string& host : listener.bind) {
    // Each family has a socket of its own.
    const bool is_everywhere = host == "*";
    for (const std::string& numeric :
         is_everywhere ? std::vector<std::string>{"0.0.0.0", "::"} : std::vector<std::string>{host}) {
      const auto address = net::Address::from_numeric(numeric, listener.port);
      if (!address) return wrong(options, listener.option_of("bind"), "'" + host + "' is not a numeric address");
      quic.bind.push_back(*address);
    }
  }
  quic_places_.push_back(std::move(quic));
  return {};
}

Listeners::Opened Listeners::listen(const config::Options& options, Place& place) {
  const config::ListenerOptions& listener = place.options;
  const int backlog = options.listen.backlog;
  const auto on_accepted = [this, &place](base::UniqueFd fd, const net::Address& peer) {
    on_accept(place, std::move(fd), peer);
  };
  if (listener.type == config::ListenerType::kUnix) {
    auto opened = net::Listener::unix_socket(loop_, listener.path, listener.permissions, backlog, on_accepted);
    if (!opened) return wrong(options, listener.option_of("path"), opened.error());
    place.listeners.push_back(std::move(*opened));
    return {};
  }
  if (listener.type == config::ListenerType::kQuic) return add_quic_place(options, place);
  for (const std::string& address : listener.bind) {
    auto opened = net::Listener::tcp(loop_, address, listener.port, backlog, on_accepted);
    if (!opened) {
      // Either may be at fault: an address that is not ours, a port that is taken.
      return std::unexpected(config::name_and_source(options, listener.option_of("bind")) + ", " +
                             config::name_and_source(options, listener.option_of("port")) + ": " + opened.error());
    }
    place.listeners.push_back(std::move(*opened));
  }
  return {};
}

void Listeners::on_accept(const Place& place, base::UniqueFd fd, const net::Address& peer) {
  if (!place.allow.allows(peer)) {
    refused_.add();
    log::debug("client not allowed", {{"client", peer.to_string()}});
    return;
  }
  on_arrival_(
      {.fd = std::move(fd),
       .is_tcp = place.options.type != config::ListenerType::kUnix,
       .rules = {.proxy_protocol = place.options.proxy_protocol, .tls = place.tls ? place.tls->current() : nullptr},
       .auth = auth_of(place.options.auth)});
}

void Listeners::reload() {
  for (const auto& place : places_) {
    if (!place->tls) continue;
    const std::string& name = place->options.place;
    if (auto reloaded = place->tls->reload(); !reloaded) {
      log::error("certificate not reloaded",
                 {{"option", tls_option(name, reloaded.error().part)}, {"reason", reloaded.error().text}});
    } else {
      log::info("certificate reloaded", {{"option", tls_option(name, net::TlsConfigError::Part::kCertificate)}});
    }
  }
}

void Listeners::close() {
  for (const auto& place : places_) {
    for (const auto& listener : place->listeners) listener->close();
  }
}

std::string Listeners::addresses() const {
  std::string text;
  for (const auto& place : places_) {
    for (const auto& listener : place->listeners) {
      text += (text.empty() ? "" : ",") + listener->address().to_string();
    }
  }
  for (const QuicPlace& place : quic_places_) {
    for (const net::Address& address : place.bind) text += (text.empty() ? "" : ",") + address.to_string() + "/udp";
  }
  return text;
}

}  // namespace anteroom::server
