#include "net/resolver.hpp"

#include <netdb.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <system_error>
#include <thread>
#include <utility>

#include "base/mutex.hpp"

namespace anteroom::net {

struct Resolver::Request {
  const std::string host;
  const std::uint16_t port;
  const Mailbox::Sender reply_to;
  std::atomic<bool> is_cancelled{false};  // lets the resolver's thread skip what nobody waits for
  Callback callback;                      // touched by the asking thread only

  Request(std::string asked_host, std::uint16_t asked_port, Mailbox::Sender sender, Callback on_answer)
      : host(std::move(asked_host)), port(asked_port), reply_to(std::move(sender)), callback(std::move(on_answer)) {}
};

/// What the thread may still need after the Resolver is gone.
struct Resolver::Shared {
  using RequestPtr = std::shared_ptr<Request>;

  explicit Shared(Lookup function) : lookup(std::move(function)) {}

  /// Waits for the next request; null when the thread is to end.
  [[nodiscard]] RequestPtr take() ANTEROOM_EXCLUDES(mutex);
  /// False if too many are waiting.
  [[nodiscard]] bool add(RequestPtr request) ANTEROOM_EXCLUDES(mutex);
  [[nodiscard]] bool is_stopping() ANTEROOM_EXCLUDES(mutex);
  /// Tells the thread to end; true if it did within `wait`.
  [[nodiscard]] bool stop(base::Milliseconds wait) ANTEROOM_EXCLUDES(mutex);
  void run() ANTEROOM_EXCLUDES(mutex);
  static void answer(const RequestPtr& request, Resolved result);

  const Lookup lookup;
  std::thread thread;  // the Resolver's

  base::Mutex mutex;
  std::condition_variable_any changed;
  std::deque<RequestPtr> waiting ANTEROOM_GUARDED_BY(mutex);
  bool stopping ANTEROOM_GUARDED_BY(mutex) = false;
  bool ended ANTEROOM_GUARDED_BY(mutex) = false;
};

Resolver::Shared::RequestPtr Resolver::Shared::take() {
  const base::MutexLock lock(mutex);
  while (waiting.empty() && !stopping) changed.wait(mutex);
  if (stopping) return nullptr;
  RequestPtr request = std::move(waiting.front());
  waiting.pop_front();
  return request;
}

bool Resolver::Shared::add(RequestPtr request) {
  std::deque<RequestPtr> former;  // destroyed after the lock is released
  const base::MutexLock lock(mutex);
  if (waiting.size() >= kQueueMax) {
    // While one lookup hangs, the others' askers give up and ask again: only those who still wait count.
    former.swap(waiting);
    for (RequestPtr& one : former) {
      if (!one->is_cancelled.load()) waiting.push_back(std::move(one));
    }
  }
  if (waiting.size() >= kQueueMax) return false;
  waiting.push_back(std::move(request));
  changed.notify_all();
  return true;
}

bool Resolver::Shared::is_stopping() {
  const base::MutexLock lock(mutex);
  return stopping;
}

bool Resolver::Shared::stop(base::Milliseconds wait) {
  const auto deadline = std::chrono::steady_clock::now() + wait;
  std::deque<RequestPtr> forgotten;  // destroyed after the lock is released
  const base::MutexLock lock(mutex);
  stopping = true;
  forgotten.swap(waiting);
  changed.notify_all();
  while (!ended) {
    if (changed.wait_until(mutex, deadline) == std::cv_status::timeout) break;
  }
  return ended;
}

void Resolver::Shared::run() {
  while (const RequestPtr request = take()) {
    if (request->is_cancelled.load()) continue;
    Resolved result = lookup(request->host, request->port);
    if (!is_stopping()) answer(request, std::move(result));
  }
  const base::MutexLock lock(mutex);
  ended = true;
  changed.notify_all();
}

void Resolver::Shared::answer(const RequestPtr& request, Resolved result) {
  request->reply_to.post([request, result = std::move(result)]() mutable {
    Callback callback = std::exchange(request->callback, nullptr);
    if (callback) callback(std::move(result));
  });
}

Resolver::Handle& Resolver::Handle::operator=(Handle&& other) noexcept {
  if (this != &other) {
    cancel();
    request_ = std::move(other.request_);
  }
  return *this;
}

void Resolver::Handle::cancel() noexcept {
  if (!request_) return;
  request_->is_cancelled.store(true);
  // Destroyed here and now: what it refers to may be gone when the resolver's thread lets go of the request.
  request_->callback = nullptr;
  request_.reset();
}

Resolver::Resolver() : Resolver(resolve_blocking) {}

Resolver::Resolver(Lookup lookup) : shared_(std::make_shared<Shared>(std::move(lookup))) {
  shared_->thread = std::thread([shared = shared_] { shared->run(); });
}

Resolver::~Resolver() {
  std::thread thread = std::move(shared_->thread);
  if (shared_->stop(kJoinWait)) {
    thread.join();
  } else {
    thread.detach();
  }
}

Resolver::Handle Resolver::resolve(const std::string& host, std::uint16_t port, Mailbox& reply_to, Callback callback) {
  auto request = std::make_shared<Request>(host, port, reply_to.sender(), std::move(callback));
  if (const auto address = Address::from_numeric(host, port)) {
    Shared::answer(request, std::vector{*address});
  } else if (!shared_->add(request)) {
    Shared::answer(request, std::unexpected(ResolveError{0, "too many lookups are waiting"}));
  }
  return Handle(std::move(request));
}

Resolved resolve_blocking(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICSERV;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &list);
  if (code != 0) {
    const int error = errno;
    return std::unexpected(
        ResolveError{code, code == EAI_SYSTEM ? std::generic_category().message(error) : gai_strerror(code)});
  }
  std::vector<Address> addresses;
  for (const addrinfo* one = list; one != nullptr; one = one->ai_next) {
    const Address address = Address::from_sockaddr(one->ai_addr, one->ai_addrlen);
    if (std::find(addresses.begin(), addresses.end(), address) == addresses.end()) addresses.push_back(address);
  }
  freeaddrinfo(list);
  return addresses;
}

}  // namespace anteroom::net
