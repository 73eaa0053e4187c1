#pragma once

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/unique_fd.hpp"
#include "metrics/quic_metrics.hpp"
#include "net/address.hpp"
#include "net/event_loop.hpp"

namespace anteroom::net {

/// One datagram that has arrived. Its bytes are there for the time of the call.
struct Datagram {
  std::span<const std::uint8_t> bytes;
  const Address& from;
  const Address& to;     ///< ours, also where the socket is bound to all
  std::uint8_t ecn = 0;  ///< the two bits of RFC 3168
};

/// Told on the loop thread. The socket must not be destroyed inside.
class UdpEvents {
 public:
  virtual void on_datagram(const Datagram& datagram) = 0;
  /// All that has arrived so far has been handed out.
  virtual void on_datagrams_end() = 0;
  /// There is room again after is_blocked().
  virtual void on_room() = 0;

 protected:
  ~UdpEvents() = default;
};

/// A UDP socket that sends and receives many datagrams with one system call: generic segmentation (UDP_SEGMENT) and
/// sendmmsg on the way out, UDP_GRO and recvmmsg on the way in, each where the kernel has it. Never fragments: the
/// kernel is told not to, and path MTU discovery is left to QUIC (RFC 9000, section 14). One that is bound to all
/// addresses knows of each datagram which one it came to, and sends from the one it is told. Loop thread only.
class UdpSocket {
 public:
  /// Which of the kernel's offers are used; all by default, each can be left out for measurements and odd devices.
  struct Features {
    bool segmentation = true;  ///< UDP_SEGMENT
    bool coalescing = true;    ///< UDP_GRO
    bool batches = true;       ///< sendmmsg and recvmmsg
  };
  struct Options {
    Features features{};
    /// SO_RCVBUF and SO_SNDBUF; the kernel halves what its limits (net.core.rmem_max) do not allow.
    int buffer_bytes = 4 << 20;
    /// Several sockets, one per worker, have the same place.
    bool shares_port = false;
  };
  using Created = std::expected<std::unique_ptr<UdpSocket>, std::string>;

  [[nodiscard]] static Created bind(EventLoop& loop, const Address& local, const Options& options,
                                    metrics::QuicMetrics& metrics);
  /// Nobody listens there, not even one who shares the port: sockets of two processes in one group would get each
  /// other's datagrams.
  [[nodiscard]] static std::expected<void, std::string> check_free(const Address& local);
  /// Only datagrams of `remote` arrive, and those sent go there.
  [[nodiscard]] static Created connect(EventLoop& loop, const Address& remote, const Options& options,
                                       metrics::QuicMetrics& metrics);
  ~UdpSocket();
  UdpSocket(const UdpSocket&) = delete;
  UdpSocket& operator=(const UdpSocket&) = delete;

  /// Receiving begins. `events` outlives the socket.
  void start(UdpEvents& events);
  /// Of several sockets with one place, those bound to it in this order: which one gets a datagram is decided by the
  /// first byte of its destination connection id, modulo `count` (RFC 8999 says where that is; ids in short headers
  /// begin at byte 1).
  std::expected<void, std::string> steer_by_connection_id(unsigned count);

  /// Room for one batch: datagrams of one size, the last of which may be smaller, behind each other. Empty: the kernel
  /// takes no more for now, and on_room() will tell.
  [[nodiscard]] std::span<std::uint8_t> reserve();
  /// The first `size` bytes of what reserve() has given go from `from` (looked at only where the socket is bound to all
  /// addresses) to `to`, cut into datagrams of `segment_size`. They are sent by flush(), or before when there are many.
  void commit(const sockaddr* from, const sockaddr* to, socklen_t to_size, std::uint8_t ecn, std::size_t size,
              std::size_t segment_size);
  void flush();
  [[nodiscard]] bool is_blocked() const noexcept { return blocked_; }
  /// Of a connected socket, since the last call: the network has said that nobody listens there. It need not be true,
  /// nor be about the last datagram; on_datagrams_end() comes after it.
  [[nodiscard]] bool take_refused() noexcept { return std::exchange(refused_, false); }

  [[nodiscard]] const Address& local() const noexcept { return local_; }
  [[nodiscard]] bool segments() const noexcept { return features_.segmentation; }

  /// Of one batch: what one call may send by UDP_SEGMENT.
  static constexpr std::size_t kBatchBytesMax = 65'000;
  static constexpr std::size_t kBatchDatagramsMax = 64;

 private:
  struct Batch {
    sockaddr_storage from;
    sockaddr_storage to;
    socklen_t to_size;
    std::uint8_t ecn;
    std::uint8_t* bytes;
    std::size_t size;
    std::size_t segment_size;

    [[nodiscard]] std::size_t datagrams() const noexcept { return (size + segment_size - 1) / segment_size; }
  };
  struct Sender;
  struct Receiver;

  UdpSocket(EventLoop& loop, base::UniqueFd fd, bool connected, const Options& options, metrics::QuicMetrics& metrics);
  static std::expected<base::UniqueFd, std::string> open(const Address& place, const Options& options);
  static void on_readable(evutil_socket_t, short, void* self) noexcept;
  static void on_writable(evutil_socket_t, short, void* self) noexcept;
  void receive();
  [[nodiscard]] std::size_t receive_some();
  void cut_into_datagrams();
  void keep_from(std::size_t first);
  void block();

  EventLoop& loop_;
  base::UniqueFd fd_;
  const bool connected_;
  Features features_;
  metrics::QuicMetrics& metrics_;
  Address local_;
  bool has_all_addresses_ = false;
  UdpEvents* events_ = nullptr;
  event* readable_ = nullptr;
  event* writable_ = nullptr;
  bool blocked_ = false;
  bool refused_ = false;
  std::unique_ptr<std::uint8_t[]> arena_;  // of what is queued
  std::size_t arena_used_ = 0;
  std::vector<Batch> queue_;
  std::unique_ptr<Receiver> receiver_;
};

}  // namespace anteroom::net
