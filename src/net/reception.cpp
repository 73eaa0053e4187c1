#include "net/reception.hpp"

#include <iterator>
#include <string>
#include <string_view>
#include <utility>

#include "base/log.hpp"
#include "net/proxy_protocol.hpp"
#include "net/socket_stream.hpp"
#include "net/tls_stream.hpp"

namespace anteroom::net {

/// One connection on its way in. Ends by leaving the reception, which destroys it at the end of the turn.
class Reception::Entrant final : private StreamEvents {
 public:
  Entrant(Reception& reception, base::UniqueFd fd, const EntryRules& rules, Admitted admitted)
      : reception_(reception),
        rules_(rules),
        admitted_(std::move(admitted)),
        socket_(std::make_unique<SocketStream>(reception.loop_, std::move(fd))),
        deadline_(reception.loop_, [this] { fail("took too long"); }) {}

  void start(Place place) {
    place_ = place;
    deadline_.start(reception_.timeout_);
    if (rules_.proxy_protocol) {
      socket_->set_events(this);
      socket_->want_read(true);
    } else {
      start_tls();
    }
  }

  /// Without counting anything: for a stop.
  void close() {
    if (socket_) socket_->close();
    if (tls_) tls_->close();
    leave();
  }

 private:
  void on_readable() override {
    // No more is read than belongs to the header: what follows is for TLS or the session.
    while (true) {
      const ProxyHeader header = parse_proxy_header(header_);
      if (header.step == ProxyHeader::Step::kError) return fail(header.error);
      if (header.step == ProxyHeader::Step::kDone) return take_header(header);
      const std::size_t known = header_.size();
      header_.resize(header.bytes);
      const IoResult result = socket_->read({header_.data() + known, header.bytes - known});
      header_.resize(known + result.bytes);
      if (result.status == IoResult::Status::kWouldBlock) return;
      if (result.status != IoResult::Status::kOk) return fail("closed before the end of its PROXY header");
    }
  }
  void on_writable() override {}

  void take_header(const ProxyHeader& header) {
    if (header.client) socket_->name_peer(header.client->to_string());
    socket_->want_read(false);
    socket_->set_events(nullptr);
    is_header_read_ = true;
    if (rules_.tls) {
      start_tls();
    } else {
      admit(std::move(socket_));
    }
  }

  void start_tls() {
    tls_ = std::make_unique<TlsStream>(reception_.loop_, std::move(socket_), rules_.tls);
    tls_->start_handshake([this](std::expected<void, TlsFailure> result) {
      if (!result) return fail(result.error().reason);
      reception_.metrics_.tls_handshakes.add();
      admit(std::move(tls_));
    });
  }

  void admit(std::unique_ptr<ByteStream> stream) {
    leave();
    admitted_(std::move(stream));
  }

  void fail(std::string_view why) {
    const bool is_about_header = rules_.proxy_protocol && !is_header_read_;
    (is_about_header ? reception_.metrics_.proxy_header_errors : reception_.metrics_.tls_handshake_failures).add();
    // Anybody who can connect can cause this: it is counted, and told of only to those who want to know all.
    log::debug("client not admitted", {{"client", tls_ ? tls_->peer_name() : socket_->peer_name()},
                                       {"stage", is_about_header ? "proxy_header" : "tls"},
                                       {"reason", why}});
    close();
  }

  void leave() {
    deadline_.cancel();
    reception_.leave(place_);
  }

  Reception& reception_;
  const EntryRules rules_;
  Place place_{};
  Admitted admitted_;
  std::unique_ptr<SocketStream> socket_;  // until the handshake takes it
  std::unique_ptr<TlsStream> tls_;
  std::string header_;
  bool is_header_read_ = false;
  Timer deadline_;
};

Reception::Reception(EventLoop& loop, metrics::WorkerMetrics& metrics, base::Duration timeout)
    : loop_(loop), metrics_(metrics), timeout_(timeout) {}

Reception::~Reception() = default;

void Reception::receive(base::UniqueFd fd, const EntryRules& rules, Admitted admitted) {
  if (!rules.proxy_protocol && !rules.tls) {
    admitted(std::make_unique<SocketStream>(loop_, std::move(fd)));
    return;
  }
  entrants_.push_back(std::make_unique<Entrant>(*this, std::move(fd), rules, std::move(admitted)));
  entrants_.back()->start(std::prev(entrants_.end()));
}

void Reception::close() {
  while (!entrants_.empty()) entrants_.back()->close();
}

void Reception::leave(Place place) {
  // It is in the middle of a call of its stream or its timer.
  loop_.at_turn_end([gone = std::move(*place)]() mutable { gone.reset(); });
  entrants_.erase(place);
}

}  // namespace anteroom::net
