#include "net/udp_socket.hpp"

#include <event2/event.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/udp.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <optional>
#include <system_error>
#include <utility>

#include "base/check.hpp"

// Older headers of the C library lack them (linux/udp.h).
#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

namespace anteroom::net {
namespace {

constexpr std::size_t kArenaBytes = 1u << 20;
constexpr std::size_t kCallMessagesMax = 64;
constexpr std::size_t kReceiveMessages = 16;
constexpr std::size_t kReceiveBytes = 65'536;  // what UDP_GRO may put together
// Then timers and other sockets have their turn.
constexpr int kReceiveCallsPerTurn = 4;
constexpr std::uint8_t kEcnMask = 3;

void set(int fd, int level, int option, int value) noexcept {
  static_cast<void>(::setsockopt(fd, level, option, &value, sizeof value));
}

std::string trouble(std::string_view what, const Address& place) {
  return "cannot " + std::string(what) + " " + place.to_string() + "/udp: " + std::generic_category().message(errno);
}

// Adds one control message of an int-like value; returns the room it took.
template <class Value>
std::size_t add_control(msghdr& message, std::size_t at, int level, int type, Value value) noexcept {
  auto* header = reinterpret_cast<cmsghdr*>(static_cast<char*>(message.msg_control) + at);
  header->cmsg_level = level;
  header->cmsg_type = type;
  header->cmsg_len = CMSG_LEN(sizeof value);
  std::memcpy(CMSG_DATA(header), &value, sizeof value);
  return CMSG_SPACE(sizeof value);
}

// The same for the address that the datagrams come from (ip(7), ipv6(7)).
std::size_t add_source(msghdr& message, std::size_t at, const sockaddr_storage& from) noexcept {
  if (from.ss_family == AF_INET) {
    in_pktinfo info{};
    info.ipi_spec_dst = reinterpret_cast<const sockaddr_in&>(from).sin_addr;
    return add_control(message, at, IPPROTO_IP, IP_PKTINFO, info);
  }
  if (from.ss_family != AF_INET6) return 0;
  const auto& address = reinterpret_cast<const sockaddr_in6&>(from);
  return add_control(message, at, IPPROTO_IPV6, IPV6_PKTINFO, in6_pktinfo{address.sin6_addr, address.sin6_scope_id});
}

/// What the kernel tells beside a message.
struct Control {
  std::size_t segment_size = 0;  ///< 0: it is one datagram
  std::uint8_t ecn = 0;
  std::optional<Address> to{};
};

template <class Value>
Value value_of(const cmsghdr& header) noexcept {
  Value value{};
  std::memcpy(&value, CMSG_DATA(&header), std::min<std::size_t>(sizeof value, header.cmsg_len - CMSG_LEN(0)));
  return value;
}

Address with_host(in_addr host, std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr = host;
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Address with_host(const in6_pktinfo& info, std::uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(port);
  address.sin6_addr = info.ipi6_addr;
  // Without it an address of the link alone has no way back; the others have none.
  if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr)) address.sin6_scope_id = info.ipi6_ifindex;
  return Address::from_sockaddr(reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

Control control_of(msghdr& message, std::uint16_t port) {
  Control out;
  for (cmsghdr* each = CMSG_FIRSTHDR(&message); each != nullptr; each = CMSG_NXTHDR(&message, each)) {
    if (each->cmsg_level == IPPROTO_UDP && each->cmsg_type == UDP_GRO) {
      out.segment_size = static_cast<std::size_t>(value_of<int>(*each));
    } else if (each->cmsg_level == IPPROTO_IP && each->cmsg_type == IP_PKTINFO) {
      out.to = with_host(value_of<in_pktinfo>(*each).ipi_addr, port);
    } else if (each->cmsg_level == IPPROTO_IPV6 && each->cmsg_type == IPV6_PKTINFO) {
      out.to = with_host(value_of<in6_pktinfo>(*each), port);
    } else {
      out.ecn = static_cast<std::uint8_t>(value_of<int>(*each)) & kEcnMask;  // IP_TOS or IPV6_TCLASS
    }
  }
  return out;
}

bool is_for_all(const Address& place) {
  if (place.family() == AF_INET) {
    return reinterpret_cast<const sockaddr_in*>(place.data())->sin_addr.s_addr == htonl(INADDR_ANY);
  }
  return IN6_IS_ADDR_UNSPECIFIED(&reinterpret_cast<const sockaddr_in6*>(place.data())->sin6_addr) != 0;
}

}  // namespace

/// The messages of one sendmmsg.
struct UdpSocket::Sender {
  static constexpr std::size_t kControlBytes =
      CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(std::uint16_t)) + CMSG_SPACE(sizeof(in6_pktinfo));

  void fill(std::size_t number, Batch& batch, bool is_connected, bool names_source) noexcept {
    msghdr& message = messages[number].msg_hdr;
    message = {};
    pieces[number] = {batch.bytes, batch.size};
    message.msg_iov = &pieces[number];
    message.msg_iovlen = 1;
    if (!is_connected) {
      message.msg_name = &batch.to;
      message.msg_namelen = batch.to_size;
    }
    message.msg_control = controls[number].data();
    std::size_t used = 0;
    if (batch.ecn != 0) {
      const bool is_v4 = batch.to.ss_family == AF_INET;
      used += add_control(message, used, is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_TOS : IPV6_TCLASS,
                          static_cast<int>(batch.ecn));
    }
    if (batch.size > batch.segment_size) {
      used += add_control(message, used, IPPROTO_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(batch.segment_size));
    }
    if (names_source) used += add_source(message, used, batch.from);
    message.msg_controllen = used;
    if (used == 0) message.msg_control = nullptr;
  }

  std::array<mmsghdr, kCallMessagesMax> messages;
  std::array<iovec, kCallMessagesMax> pieces;
  alignas(cmsghdr) std::array<std::array<char, kControlBytes>, kCallMessagesMax> controls{};
};

/// The messages of one recvmmsg.
struct UdpSocket::Receiver {
  static constexpr std::size_t kControlBytes = 2 * CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(in6_pktinfo));

  void prepare(std::size_t count) noexcept {
    for (std::size_t i = 0; i < count; ++i) {
      msghdr& message = messages[i].msg_hdr;
      message = {};
      pieces[i] = {bytes.get() + i * kReceiveBytes, kReceiveBytes};
      message.msg_iov = &pieces[i];
      message.msg_iovlen = 1;
      message.msg_name = &senders[i];
      message.msg_namelen = sizeof senders[i];
      message.msg_control = controls[i].data();
      message.msg_controllen = controls[i].size();
    }
  }

  std::array<mmsghdr, kReceiveMessages> messages;
  std::array<iovec, kReceiveMessages> pieces;
  std::array<sockaddr_storage, kReceiveMessages> senders;
  alignas(cmsghdr) std::array<std::array<char, kControlBytes>, kReceiveMessages> controls{};
  std::unique_ptr<std::uint8_t[]> bytes =
      std::make_unique_for_overwrite<std::uint8_t[]>(kReceiveMessages * kReceiveBytes);
};

// --- Making one ---

std::expected<base::UniqueFd, std::string> UdpSocket::open(const Address& place, const Options& options) {
  const int family = place.family();
  base::UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.is_open()) return std::unexpected(trouble("open a socket for", place));
  if (options.shares_port) set(fd.value(), SOL_SOCKET, SO_REUSEPORT, 1);
  set(fd.value(), SOL_SOCKET, SO_RCVBUF, options.buffer_bytes);
  set(fd.value(), SOL_SOCKET, SO_SNDBUF, options.buffer_bytes);
  if (family == AF_INET) {
    set(fd.value(), IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    set(fd.value(), IPPROTO_IP, IP_RECVTOS, 1);
  } else {
    set(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, 1);  // so that every peer has one kind of address
    set(fd.value(), IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    set(fd.value(), IPPROTO_IPV6, IPV6_RECVTCLASS, 1);
  }
  return fd;
}

UdpSocket::Created UdpSocket::bind(EventLoop& loop, const Address& local, const Options& options,
                                   metrics::QuicMetrics& metrics) {
  auto fd = open(local, options);
  if (!fd) return std::unexpected(std::move(fd.error()));
  if (::bind(fd->value(), local.data(), local.size()) != 0) return std::unexpected(trouble("listen on", local));
  return std::unique_ptr<UdpSocket>(new UdpSocket(loop, std::move(*fd), false, options, metrics));
}

std::expected<void, std::string> UdpSocket::check_free(const Address& local) {
  const base::UniqueFd fd(::socket(local.family(), SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (local.family() == AF_INET6) set(fd.value(), IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (::bind(fd.value(), local.data(), local.size()) != 0) return std::unexpected(trouble("listen on", local));
  return {};
}

UdpSocket::Created UdpSocket::connect(EventLoop& loop, const Address& remote, const Options& options,
                                      metrics::QuicMetrics& metrics) {
  auto fd = open(remote, options);
  if (!fd) return std::unexpected(std::move(fd.error()));
  if (::connect(fd->value(), remote.data(), remote.size()) != 0) {
    return std::unexpected(trouble("connect to", remote));
  }
  return std::unique_ptr<UdpSocket>(new UdpSocket(loop, std::move(*fd), true, options, metrics));
}

UdpSocket::UdpSocket(EventLoop& loop, base::UniqueFd fd, bool connected, const Options& options,
                     metrics::QuicMetrics& metrics)
    : loop_(loop),
      fd_(std::move(fd)),
      connected_(connected),
      features_(options.features),
      metrics_(metrics),
      local_(local_address(fd_.value())),
      arena_(std::make_unique_for_overwrite<std::uint8_t[]>(kArenaBytes)),
      receiver_(std::make_unique<Receiver>()) {
  has_all_addresses_ = !connected_ && is_for_all(local_);
  if (has_all_addresses_) {
    const bool is_v4 = local_.family() == AF_INET;
    set(fd_.value(), is_v4 ? IPPROTO_IP : IPPROTO_IPV6, is_v4 ? IP_PKTINFO : IPV6_RECVPKTINFO, 1);
  }
  const int one = 1;
  if (features_.coalescing && ::setsockopt(fd_.value(), IPPROTO_UDP, UDP_GRO, &one, sizeof one) != 0) {
    features_.coalescing = false;
  }
  int segment = 0;
  socklen_t size = sizeof segment;
  if (features_.segmentation && ::getsockopt(fd_.value(), IPPROTO_UDP, UDP_SEGMENT, &segment, &size) != 0) {
    features_.segmentation = false;
  }
}

UdpSocket::~UdpSocket() {
  if (readable_ != nullptr) event_free(readable_);
  if (writable_ != nullptr) event_free(writable_);
}

void UdpSocket::start(UdpEvents& events) {
  events_ = &events;
  readable_ = event_new(loop_.base(), fd_.value(), EV_READ | EV_PERSIST, &UdpSocket::on_readable, this);
  writable_ = event_new(loop_.base(), fd_.value(), EV_WRITE, &UdpSocket::on_writable, this);
  ANTEROOM_CHECK(readable_ != nullptr && writable_ != nullptr);
  ANTEROOM_CHECK(event_add(readable_, nullptr) == 0);
}

std::expected<void, std::string> UdpSocket::steer_by_connection_id(unsigned count) {
  // A long header (top bit set) has its destination id behind one byte of flags, four of version and one of length; a
  // short one behind the flags.
  std::array<sock_filter, 7> program{{
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 2, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
      BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
      BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
      BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, count),
      BPF_STMT(BPF_RET | BPF_A, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(fd_.value(), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &filter, sizeof filter) == 0) return {};
  return std::unexpected(trouble("share", local_));
}

// --- Sending ---

std::span<std::uint8_t> UdpSocket::reserve() {
  if (arena_used_ + kBatchBytesMax > kArenaBytes || queue_.size() >= kCallMessagesMax) flush();
  if (blocked_ || arena_used_ + kBatchBytesMax > kArenaBytes) return {};
  return {arena_.get() + arena_used_, kBatchBytesMax};
}

void UdpSocket::commit(const sockaddr* from, const sockaddr* to, socklen_t to_size, std::uint8_t ecn, std::size_t size,
                       std::size_t segment_size) {
  Batch batch{};
  if (has_all_addresses_) std::memcpy(&batch.from, from, std::min<std::size_t>(to_size, sizeof batch.from));
  std::memcpy(&batch.to, to, std::min<std::size_t>(to_size, sizeof batch.to));
  batch.to_size = to_size;
  batch.ecn = ecn;
  batch.bytes = arena_.get() + arena_used_;
  batch.size = size;
  batch.segment_size = segment_size;
  arena_used_ += size;
  queue_.push_back(batch);
}

void UdpSocket::flush() {
  if (blocked_ || queue_.empty()) return;
  if (!features_.segmentation) cut_into_datagrams();
  Sender sender;
  std::size_t first = 0;
  while (first < queue_.size()) {
    const std::size_t count = std::min(queue_.size() - first, features_.batches ? kCallMessagesMax : 1);
    for (std::size_t i = 0; i < count; ++i) sender.fill(i, queue_[first + i], connected_, has_all_addresses_);
    const int sent = ::sendmmsg(fd_.value(), sender.messages.data(), static_cast<unsigned>(count), MSG_NOSIGNAL);
    metrics_.send_calls.add();
    if (sent < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS) {
        keep_from(first);
        block();
        return;
      }
      if (errno == EIO && features_.segmentation) {  // the device below cannot: it has no checksum offload
        features_.segmentation = false;
        keep_from(first);
        flush();
        return;
      }
      refused_ |= errno == ECONNREFUSED;
      // EMSGSIZE is a probe of the path's MTU that did not fit, ECONNREFUSED an answer to something older: for QUIC all
      // of it is a datagram that got lost.
      metrics_.datagrams_unsent.add(queue_[first].datagrams());
      ++first;
      continue;
    }
    for (std::size_t i = first; i < first + static_cast<std::size_t>(sent); ++i) {
      metrics_.datagrams_sent.add(queue_[i].datagrams());
      metrics_.bytes_sent.add(queue_[i].size);
    }
    first += static_cast<std::size_t>(sent);
  }
  queue_.clear();
  arena_used_ = 0;
}

void UdpSocket::cut_into_datagrams() {
  std::vector<Batch> single;
  for (const Batch& batch : queue_) {
    for (std::size_t at = 0; at < batch.size; at += batch.segment_size) {
      Batch& one = single.emplace_back(batch);
      one.bytes = batch.bytes + at;
      one.size = std::min(batch.segment_size, batch.size - at);
    }
  }
  queue_.swap(single);
}

void UdpSocket::keep_from(std::size_t first) {
  queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(first));
}

void UdpSocket::block() {
  metrics_.send_blocked.add();
  blocked_ = true;
  if (writable_ != nullptr) event_add(writable_, nullptr);
}

void UdpSocket::on_writable(evutil_socket_t, short, void* self) noexcept {
  auto& socket = *static_cast<UdpSocket*>(self);
  socket.blocked_ = false;
  socket.flush();
  if (!socket.blocked_) socket.events_->on_room();
}

// --- Receiving ---

void UdpSocket::on_readable(evutil_socket_t, short, void* self) noexcept { static_cast<UdpSocket*>(self)->receive(); }

void UdpSocket::receive() {
  for (int call = 0; call < kReceiveCallsPerTurn; ++call) {
    if (receive_some() < (features_.batches ? kReceiveMessages : 1)) break;
  }
  events_->on_datagrams_end();
}

// Returns how many messages came, each of one datagram or of several of one size.
std::size_t UdpSocket::receive_some() {
  const std::size_t wanted = features_.batches ? kReceiveMessages : 1;
  receiver_->prepare(wanted);
  int got = 0;
  do {
    got = ::recvmmsg(fd_.value(), receiver_->messages.data(), static_cast<unsigned>(wanted), MSG_DONTWAIT, nullptr);
  } while (got < 0 && errno == EINTR);
  metrics_.receive_calls.add();
  if (got <= 0) {
    refused_ |= got < 0 && errno == ECONNREFUSED;
    return 0;
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(got); ++i) {
    msghdr& message = receiver_->messages[i].msg_hdr;
    const Control control = control_of(message, local_.port());
    std::span<const std::uint8_t> bytes(receiver_->bytes.get() + i * kReceiveBytes, receiver_->messages[i].msg_len);
    metrics_.bytes_received.add(bytes.size());
    const Address from = Address::from_sockaddr(static_cast<sockaddr*>(message.msg_name), message.msg_namelen);
    while (!bytes.empty()) {
      const auto datagram =
          bytes.first(control.segment_size == 0 ? bytes.size() : std::min(control.segment_size, bytes.size()));
      metrics_.datagrams_received.add();
      events_->on_datagram({datagram, from, control.to ? *control.to : local_, control.ecn});
      bytes = bytes.subspan(datagram.size());
    }
  }
  return static_cast<std::size_t>(got);
}

}  // namespace anteroom::net
