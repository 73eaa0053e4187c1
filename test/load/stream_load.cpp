// GETs of one key over many streams of one transport, each in a closed loop with so many requests under way. For
// test/bench/quic_cpu.py and quic_loss.py, which start the servers and know their processor time; this prints its own.
//
//   stream_load --to unix|tcp|tls|quic|udp --host H --port P | --path SOCKET [--ca FILE] [--name NAME] [--streams N]
//               [--depth N] [--bytes N] [--seconds N]
//
// Prints "REQUESTS SECONDS CPU_SECONDS P50_MS P99_MS ERRORS", errors being replies, too. The key is "k", and its value
// has as many bytes as were said.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kv_load/program.hpp"
#include "load/udp_lanes.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/connector.hpp"
#include "net/event_loop.hpp"
#include "net/mailbox.hpp"
#include "net/resolver.hpp"
#include "quic/dialer.hpp"

namespace {

using namespace anteroom;
using kv_load::cpu_seconds;
using kv_load::die;
using Status = net::IoResult::Status;
using Clock = std::chrono::steady_clock;

struct Options {
  std::string transport = "tcp";
  std::string host = "127.0.0.1";
  std::uint16_t port = 6379;
  std::string path;
  std::string ca;
  std::string name = "anteroom-gateway";
  std::size_t streams = 1;
  std::size_t depth = 1;
  std::size_t bytes = 64;
  double seconds = 3;
};

Options parse(int argc, char** argv) {
  Options out;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i];
    const std::string value = argv[i + 1];
    if (name == "--to") {
      out.transport = value;
    } else if (name == "--host") {
      out.host = value;
    } else if (name == "--port") {
      out.port = static_cast<std::uint16_t>(std::stoul(value));
    } else if (name == "--path") {
      out.path = value;
    } else if (name == "--ca") {
      out.ca = value;
    } else if (name == "--name") {
      out.name = value;
    } else if (name == "--streams") {
      out.streams = std::stoul(value);
    } else if (name == "--depth") {
      out.depth = std::stoul(value);
    } else if (name == "--bytes") {
      out.bytes = std::stoul(value);
    } else if (name == "--seconds") {
      out.seconds = std::stod(value);
    } else {
      die("unknown option " + name);
    }
  }
  return out;
}

/// What all streams have got.
struct Tally {
  std::uint64_t replies = 0;
  std::uint64_t errors = 0;
  std::vector<float> milliseconds;  ///< of each
};

/// One stream: writes `depth` requests, and one more for each reply.
class Asker final : private net::StreamEvents {
 public:
  Asker(const Options& options, Tally& tally)
      : depth_(options.depth), reply_bytes_(options.bytes + std::to_string(options.bytes).size() + 5), tally_(tally) {}

  void begin(std::unique_ptr<net::ByteStream> stream) {
    stream_ = std::move(stream);
    stream_->set_events(this);
    stream_->want_read(true);
    ask(depth_);
  }

 private:
  void ask(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) out_ += "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
    asked_at_.insert(asked_at_.end(), count, Clock::now());
    flush();
  }
  void flush() {
    const iovec piece{out_.data(), out_.size()};
    const net::IoResult put = stream_->write({&piece, 1});
    if (put.status == Status::kError) die("a stream broke");
    if (put.status == Status::kOk) out_.erase(0, put.bytes);
    stream_->want_write(!out_.empty());
  }
  void on_readable() override {
    const net::IoResult got = stream_->read(scratch());
    if (got.status == Status::kWouldBlock) return;
    if (got.status != Status::kOk) die("a stream ended");
    const std::size_t replies = count_replies({scratch().data(), got.bytes});
    if (replies == 0) return;
    tally_.replies += replies;
    const Clock::time_point now = Clock::now();
    for (std::size_t i = 0; i < replies; ++i) {
      tally_.milliseconds.push_back(std::chrono::duration<float, std::milli>(now - asked_at_.front()).count());
      asked_at_.pop_front();
    }
    ask(replies);
  }
  // Those that end in `bytes`: values of the size that was said, and errors, which are lines.
  std::size_t count_replies(std::string_view bytes) {
    std::size_t ended = 0;
    while (!bytes.empty()) {
      if (received_ == 0) is_error_ = bytes.front() == '-';
      const std::size_t line = bytes.find('\n');
      const std::size_t left =
          is_error_ ? (line == std::string_view::npos ? bytes.size() + 1 : line + 1) : reply_bytes_ - received_;
      if (left > bytes.size()) {
        received_ += bytes.size();
        return ended;
      }
      bytes.remove_prefix(left);
      received_ = 0;
      ++ended;
      if (is_error_) ++tally_.errors;
    }
    return ended;
  }
  void on_writable() override { flush(); }
  static std::span<char> scratch() {
    static std::vector<char> bytes(256 * 1024);
    return bytes;
  }

  const std::size_t depth_;
  const std::size_t reply_bytes_;
  Tally& tally_;
  std::unique_ptr<net::ByteStream> stream_;
  std::deque<Clock::time_point> asked_at_;
  std::string out_;
  std::size_t received_ = 0;  // of a reply that has not ended
  bool is_error_ = false;
};

double quantile(std::vector<float>& values, double part) {
  if (values.empty()) return 0;
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(static_cast<double>(values.size() - 1) * part);
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

std::shared_ptr<net::TlsContextSource> contexts(const Options& options, bool for_quic) {
  net::TlsOptions tls{.role = net::TlsOptions::Role::kClient, .ca_file = options.ca};
  if (for_quic) tls.protocols = {"redis"};
  tls.for_quic = for_quic;
  auto made = net::TlsContextSource::create(tls);
  if (!made) die(made.error().text);
  return *made;
}

/// Where the streams lead, and what carries them.
struct Way {
  net::ConnectTarget target;
  std::unique_ptr<quic::Dialer> dialer;
  std::unique_ptr<test::UdpLanes> udp;
};

Way way_of(const Options& options, net::EventLoop& loop, net::Resolver& resolver, net::Mailbox& mailbox,
           metrics::QuicMetrics& metrics) {
  Way way;
  net::ConnectTarget& target = way.target;
  target.host = options.host;
  target.port = options.port;
  target.unix_path = options.path;
  // Where packets are lost, some handshakes take long.
  constexpr base::Milliseconds kHandshakePatience{20'000};
  target.connect_timeout = kHandshakePatience;
  if (options.transport == "tls") {
    target.tls = {.contexts = contexts(options, false), .server_name = options.name, .timeout = kHandshakePatience};
  }
  if (options.transport == "quic") {
    way.dialer = std::make_unique<quic::Dialer>(loop, resolver, mailbox,
                                                quic::DialTarget{.host = options.host,
                                                                 .port = options.port,
                                                                 .contexts = contexts(options, true),
                                                                 .server_name = options.name},
                                                metrics);
    target.lanes = way.dialer.get();
  }
  if (options.transport == "udp") {
    const net::Address peer = *net::Address::from_numeric(options.host, options.port);
    auto socket = net::UdpSocket::connect(loop, peer, {}, metrics);
    if (!socket) die(socket.error());
    way.udp = std::make_unique<test::UdpLanes>(loop, std::move(*socket), peer);
    target.lanes = way.udp.get();
  }
  return way;
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(argc, argv);
  net::EventLoop loop;
  net::Mailbox mailbox(loop);
  net::Resolver resolver;
  metrics::QuicMetrics metrics;
  const Way way = way_of(options, loop, resolver, mailbox, metrics);

  Tally tally;
  std::vector<std::unique_ptr<Asker>> askers;
  std::vector<std::unique_ptr<net::Connector>> connectors;
  for (std::size_t i = 0; i < options.streams; ++i) {
    Asker* const asker = askers.emplace_back(std::make_unique<Asker>(options, tally)).get();
    connectors.push_back(std::make_unique<net::Connector>(loop, resolver, mailbox));
    connectors.back()->start(way.target, [asker](net::Connector::Result result) {
      if (!result) die(result.error().text);
      asker->begin(std::move(*result));
    });
  }
  // The first tenth is not counted.
  std::uint64_t done_before = 0;
  double cpu_before = 0;
  Clock::time_point began;
  net::Timer end(loop, [&] { loop.stop(); });
  net::Timer warm(loop, [&] {
    done_before = tally.replies;
    tally.milliseconds.clear();
    tally.errors = 0;
    cpu_before = cpu_seconds();
    began = Clock::now();
    std::puts("warm");
    std::fflush(stdout);
    end.start(std::chrono::milliseconds(static_cast<long>(options.seconds * 1000)));
  });
  warm.start(std::chrono::milliseconds(static_cast<long>(options.seconds * 100)));
  loop.run();
  const double cpu = cpu_seconds() - cpu_before;
  std::printf("%llu %f %f %.3f %.3f %llu\n", static_cast<unsigned long long>(tally.replies - done_before),
              std::chrono::duration<double>(Clock::now() - began).count(), cpu, quantile(tally.milliseconds, 0.5),
              quantile(tally.milliseconds, 0.99), static_cast<unsigned long long>(tally.errors));
  std::fflush(stdout);
  std::_Exit(0);
}
