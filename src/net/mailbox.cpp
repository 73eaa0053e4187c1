#include "net/mailbox.hpp"

#include <event2/event.h>
#include <sys/eventfd.h>

#include <utility>
#include <vector>

#include "base/check.hpp"
#include "base/mutex.hpp"
#include "base/unique_fd.hpp"

namespace anteroom::net {

/// What mailbox and senders share. The descriptor closes with the last of them, so a late wake-up cannot hit a
/// stranger.
struct Mailbox::Inbox {
  const base::UniqueFd wake_up{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};

  base::Mutex mutex;
  std::vector<EventLoop::Task> tasks ANTEROOM_GUARDED_BY(mutex);
  bool closed ANTEROOM_GUARDED_BY(mutex) = false;
};

bool Mailbox::Sender::post(EventLoop::Task task) const {
  bool was_empty = false;
  {
    const base::MutexLock lock(inbox_->mutex);
    if (inbox_->closed) return false;
    was_empty = inbox_->tasks.empty();
    inbox_->tasks.push_back(std::move(task));
  }
  // The loop empties the descriptor before it takes the tasks, so whoever finds others waiting need not wake it again.
  if (was_empty) ANTEROOM_CHECK(eventfd_write(inbox_->wake_up.value(), 1) == 0);
  return true;
}

Mailbox::Mailbox(EventLoop& loop) : inbox_(std::make_shared<Inbox>()) {
  ANTEROOM_CHECK(inbox_->wake_up.is_open());
  event_ = event_new(
      loop.base(), inbox_->wake_up.value(), EV_READ | EV_PERSIST,
      [](evutil_socket_t, short, void* self) noexcept { static_cast<Mailbox*>(self)->deliver(); }, this);
  ANTEROOM_CHECK(event_ != nullptr && event_add(event_, nullptr) == 0);
}

Mailbox::~Mailbox() {
  event_free(event_);
  std::vector<EventLoop::Task> unrun;  // destroyed after the lock is released
  const base::MutexLock lock(inbox_->mutex);
  inbox_->closed = true;
  unrun.swap(inbox_->tasks);
}

void Mailbox::post(EventLoop::Task task) const { sender().post(std::move(task)); }

void Mailbox::deliver() {
  eventfd_t count = 0;
  eventfd_read(inbox_->wake_up.value(), &count);
  std::vector<EventLoop::Task> tasks;
  {
    const base::MutexLock lock(inbox_->mutex);
    tasks.swap(inbox_->tasks);
  }
  for (EventLoop::Task& task : tasks) task();
}

}  // namespace anteroom::net
