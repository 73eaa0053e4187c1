#include "gateway/gateway.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "net/key_secret.hpp"

namespace anteroom::gateway {

Gateway::Gateway(const Options& options) : options_(options), mailbox_(loop_), outage_log_(options.target.label()) {}

Gateway::~Gateway() = default;

Gateway::Created Gateway::create(const Options& options) {
  std::unique_ptr<Gateway> gateway(new Gateway(options));
  auto contexts = net::TlsContextSource::create(options.tls);
  if (!contexts) return std::unexpected(std::move(contexts.error().text));
  gateway->contexts_ = std::move(*contexts);
  if (auto listening = gateway->listen(); !listening) return std::unexpected(std::move(listening.error()));
  return gateway;
}

std::expected<void, std::string> Gateway::listen() {
  WorkerOptions common;
  common.listen = options_.listen;
  common.quic = options_.quic;
  common.target = options_.target;
  common.relays_max = options_.streams_max;
  common.server.contexts = contexts_;
  common.server.always_validates = options_.always_validates;
  common.server.connections_max = options_.connections_max;
  common.server.connections_per_address_max = options_.connections_per_address_max;
  common.server.workers = options_.workers;
  const auto secret = net::secret_of_key(options_.tls.key_file);
  if (!secret) return std::unexpected(secret.error());
  common.server.secret = *secret;
  for (unsigned number = 0; number < options_.workers; ++number) {
    WorkerOptions own = common;
    own.server.worker = number;
    // The first one's port, if the kernel was to choose it, is everybody's.
    if (number > 0) own.listen = workers_.front()->places();
    workers_.push_back(std::make_unique<Worker>(std::move(own), resolver_, outage_log_));
    if (auto listening = workers_.back()->listen(); !listening) return listening;
  }
  return workers_.front()->share_ports();
}

void Gateway::run() {
  net::Signals signals(loop_, {.on_stop = [this](int, unsigned times) { stop(times); },
                               .on_hangup = [this] { reload(); },
                               .on_user1 = [this] { log_figures(); }});
  for (const net::Address& place : places()) {
    log::info("listening", {{"address", place.to_string() + "/udp"},
                            {"upstream", options_.target.label()},
                            {"workers", options_.workers}});
  }
  if (options_.tls.ca_file.empty() && !std::ranges::all_of(places(), &net::Address::is_loopback)) {
    log::warn("everybody who can reach the gateway reaches Redis; --tls-client-ca asks for certificates");
  }
  for (auto& worker : workers_) worker->start();
  loop_.run();
  for (auto& worker : workers_) worker->join();
  log_figures();
  log::info("stopped");
}

void Gateway::stop(unsigned times) {
  log::info("stopping", {{"patience_ms", times > 1 ? 0 : options_.shutdown_timeout.count()}});
  for (auto& worker : workers_) {
    worker->stop(times > 1 ? base::Milliseconds::zero() : options_.shutdown_timeout, [this] {
      mailbox_.post([this] {
        if (++stopped_ == workers_.size()) loop_.stop();
      });
    });
  }
}

void Gateway::reload() {
  if (const auto reopened = log::reopen(); !reopened) {
    log::error("log file not opened anew", {{"reason", reopened.error()}});
  }
  if (const auto reloaded = contexts_->reload(); !reloaded) {
    log::error("certificates not read anew; the old ones stay", {{"reason", reloaded.error().text}});
  } else {
    log::info("certificates read anew", {});
  }
}

void Gateway::log_figures() const {
  std::vector<log::Field> fields;
  std::vector<const metrics::QuicMetrics*> all;
  all.reserve(workers_.size());
  for (const auto& worker : workers_) all.push_back(&worker->quic_metrics());
  for (const auto& [name, value] : metrics::quic_figures(all)) fields.emplace_back(name, value);
  for (const GatewayField& field : gateway_fields()) {
    std::int64_t sum = 0;
    for (const auto& worker : workers_) sum += field.value(worker->metrics());
    fields.emplace_back(field.name, sum);
  }
  log::write(log::Level::kInfo, "figures", fields);
}

}  // namespace anteroom::gateway
