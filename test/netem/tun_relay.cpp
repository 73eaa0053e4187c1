// A bad network between two TUN devices, for kernels without sch_netem: delays and loses packets of any protocol alike,
// in each direction on its own. The caller moves the devices into network namespaces. Prints "ready" once they are
// there; runs until SIGTERM, and then prints what it has carried and lost.
//
//   tun_relay --a DEVICE --b DEVICE [--delay-us N] [--loss FRACTION] [--seed N]
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <random>
#include <span>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

volatile std::sig_atomic_t is_stopping = 0;

struct Options {
  std::string a = "ant-a";
  std::string b = "ant-b";
  std::chrono::microseconds delay{0};
  double loss = 0;
  std::uint64_t seed = 1;
};

struct Packet {
  Clock::time_point due;
  std::vector<char> bytes;
};

/// From one device to the other.
struct Direction {
  int from = -1;
  int to = -1;
  std::mt19937_64 random;
  std::deque<Packet> queue;
  std::uint64_t carried = 0;
  std::uint64_t lost = 0;
};

int open_device(const std::string& name) {
  const int fd = ::open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  ifreq request{};
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  std::strncpy(request.ifr_name, name.c_str(), IFNAMSIZ - 1);
  if (fd < 0 || ::ioctl(fd, TUNSETIFF, &request) != 0) {
    std::perror(name.c_str());
    std::exit(1);
  }
  return fd;
}

Options parse(std::span<char*> arguments) {
  Options options;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2) {
    const std::string name = arguments[i];
    const char* const value = arguments[i + 1];
    if (name == "--a") {
      options.a = value;
    } else if (name == "--b") {
      options.b = value;
    } else if (name == "--delay-us") {
      options.delay = std::chrono::microseconds(std::atoll(value));
    } else if (name == "--loss") {
      options.loss = std::atof(value);
    } else if (name == "--seed") {
      options.seed = std::strtoull(value, nullptr, 10);
    } else {
      std::fprintf(stderr, "tun_relay: unknown option %s\n", name.c_str());
      std::exit(2);
    }
  }
  return options;
}

void take_in(Direction& way, const Options& options, Clock::time_point now) {
  std::array<char, 65536> bytes{};
  std::uniform_real_distribution<double> chance(0, 1);
  for (;;) {
    const ssize_t got = ::read(way.from, bytes.data(), bytes.size());
    if (got <= 0) return;
    if (chance(way.random) < options.loss) {
      ++way.lost;
      continue;
    }
    ++way.carried;
    way.queue.push_back({now + options.delay, std::vector<char>(bytes.data(), bytes.data() + got)});
  }
}

void hand_out(Direction& way, Clock::time_point now) {
  while (!way.queue.empty() && way.queue.front().due <= now) {
    const std::vector<char>& bytes = way.queue.front().bytes;
    if (::write(way.to, bytes.data(), bytes.size()) < 0) ++way.lost;  // the device is not up
    way.queue.pop_front();
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Options options = parse(std::span(argv + 1, static_cast<std::size_t>(argc - 1)));
  const int a = open_device(options.a);
  const int b = open_device(options.b);
  std::signal(SIGTERM, [](int) { is_stopping = 1; });
  std::signal(SIGINT, [](int) { is_stopping = 1; });
  std::puts("ready");
  std::fflush(stdout);
  std::array<Direction, 2> ways{
      Direction{.from = a, .to = b, .random = std::mt19937_64(options.seed), .queue = {}},
      Direction{.from = b, .to = a, .random = std::mt19937_64(options.seed + 1), .queue = {}}};
  while (is_stopping == 0) {
    auto wake = Clock::now() + std::chrono::milliseconds(100);
    for (Direction& way : ways) {
      hand_out(way, Clock::now());
      if (!way.queue.empty()) wake = std::min(wake, way.queue.front().due);
    }
    const auto left = std::max(wake - Clock::now(), Clock::duration::zero());
    const timespec pause{.tv_sec = 0, .tv_nsec = std::chrono::nanoseconds(left).count()};
    std::array<pollfd, 2> watched{pollfd{a, POLLIN, 0}, pollfd{b, POLLIN, 0}};
    if (::ppoll(watched.data(), watched.size(), &pause, nullptr) <= 0) continue;
    for (Direction& way : ways) take_in(way, options, Clock::now());
  }
  std::printf("a to b: %lu carried, %lu lost; b to a: %lu carried, %lu lost\n", ways[0].carried, ways[0].lost,
              ways[1].carried, ways[1].lost);
}
